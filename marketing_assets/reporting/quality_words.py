"""The words of the quality pages, in Japanese and English: what is checked, why, and what a reason means."""

from marketing_assets.quality.suites import Expectation
from marketing_assets.reporting.words import Language

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "suites_title": "What is checked, and why",
        "suites_intro": (
            "Every day of every source is held against its suite before it is published. A critical expectation that "
            "fails keeps the day from being published: what was published before stays. A warning lets the day pass "
            "and is told in the report."
        ),
        "day_title": "{source}: data quality of {day}",
        "ads": "Ads",
        "crm": "CRM",
        "sales": "Sales",
        "suite": "Suite {source}",
        "suite_of": "Judged: validated_{source}. Rows are told by {key}.",
        "expectation": "Expectation",
        "severity": "Severity",
        "why": "Why",
        "critical": "critical",
        "warning": "warning",
        "result": "Result",
        "observed": "Observed",
        "failing_rows": "Failing rows",
        "sample_keys": "Some of them",
        "passed": "passed",
        "failed": "failed",
        "skipped": "skipped",
        "error": "not judged",
        "published": "All checks passed",
        "published_text": "The day may be published.",
        "warned": "Passed with warnings",
        "warned_text": "The day may be published; the report tells what was found.",
        "blocked": "Blocked: not published",
        "blocked_text": (
            "A check failed that must hold. Nothing of this attempt was written: what was published of this day before "
            "stays as it was, and nothing downstream ran. Mend the source, then materialize the day again."
        ),
        "rows_in": "Rows in",
        "rows_validated": "Validated",
        "rows_quarantined": "In quarantine",
        "quarantine": "Quarantine by reason",
        "quarantine_reasons": "Why rows go to quarantine",
        "quarantine_intro": "Quarantined rows are kept in the lake with their reason, position and original values.",
        "reason": "Reason",
        "meaning": "What it means",
        "rows": "Rows",
        "returns_total": "returns add up to {total}",
        "no_quarantine": "No row was put aside.",
        "never_quarantined": "No row is ever quarantined: one that cannot be used means a broken source, and blocks.",
        "other_checks": "Other checks",
        "check": "Check",
        "what_is_checked": "What is checked",
        "check_passed": "passed",
        "check_warned": "warning",
        "check_blocked": "blocks",
        "quarantine_rate": (
            "Rows in = rows validated + rows quarantined. Above 1 % of unusable rows it warns, above "
            "QUARANTINE_MAX_PERCENT it blocks; returns are not counted."
        ),
        "unattributed": "Every campaign and every customer has a channel.",
        "sales_reported": "The sales files reach the day; until then its revenue is unknown, not zero.",
        "repeated_orders": "No order id stands in the month before as well: the same sale may count twice.",
        "undated_rows": "Every row of the month's file belongs to a day of it.",
        "reconciles": "The mart's ad cost, revenue, orders and new customers equal their sources to the cent; blocks.",
        "unknown_customers": "The CRM knows the customer of every order; revenue of others counts as Unattributed.",
        "unusual_volume": (
            "Spend, clicks, conversions, orders, revenue and new customers of the day are about what the same weekday "
            "had in the last four weeks (at a month's turn also: what the months before had then)."
        ),
        "window_complete": "Every day of the longest window is materialized.",
        "other_sources": "The day's other sources",
        "unreadable_date": "unreadable date",
        "outside_month": "outside the month",
    },
    "ja": {
        "suites_title": "チェックの内容と理由",
        "suites_intro": (
            "どのソースも、1日分ごとに公開前の検査を受けます。「重大」の項目に違反した日は公開されず、以前に公開された内容が"
            "そのまま残ります。「警告」の項目に違反した日は公開され、レポートに記載されます。"
        ),
        "day_title": "{source}: {day} のデータ品質",
        "ads": "広告",
        "crm": "CRM",
        "sales": "売上",
        "suite": "検査 {source}",
        "suite_of": "対象: validated_{source}。行は {key} で示します。",
        "expectation": "期待される条件",
        "severity": "重大度",
        "why": "理由",
        "critical": "重大",
        "warning": "警告",
        "result": "結果",
        "observed": "観測値",
        "failing_rows": "違反行数",
        "sample_keys": "違反行の例",
        "passed": "合格",
        "failed": "違反",
        "skipped": "省略",
        "error": "判定不能",
        "published": "すべて合格",
        "published_text": "この日は公開できます。",
        "warned": "警告つきで合格",
        "warned_text": "この日は公開できます。見つかった内容はレポートに記載されます。",
        "blocked": "公開停止",
        "blocked_text": (
            "必ず満たすべきチェックに違反しました。今回の結果は書き込まれていません。以前に公開された内容はそのまま残り、"
            "後続の処理は実行されていません。ソースを修正し、この日をもう一度実行してください。"
        ),
        "rows_in": "入力行",
        "rows_validated": "検証済み",
        "rows_quarantined": "隔離",
        "quarantine": "隔離の理由別件数",
        "quarantine_reasons": "行が隔離される理由",
        "quarantine_intro": "隔離された行は、理由・位置・元の値とともにデータレイクに保管されます。",
        "reason": "理由",
        "meaning": "意味",
        "rows": "行数",
        "returns_total": "返品合計 {total}",
        "no_quarantine": "隔離された行はありません。",
        "never_quarantined": "隔離は行いません。使えない行はソースの異常を意味するため、公開を止めます。",
        "other_checks": "その他のチェック",
        "check": "チェック",
        "what_is_checked": "内容",
        "check_passed": "合格",
        "check_warned": "警告",
        "check_blocked": "公開停止",
        "quarantine_rate": (
            "入力行 = 検証済み行 + 隔離行。使えない行が 1 % を超えると警告、"
            "QUARANTINE_MAX_PERCENT を超えると公開を止めます（返品は数えません）。"
        ),
        "unattributed": "すべてのキャンペーンと顧客にチャネルがある。",
        "sales_reported": "売上ファイルがその日に達している。達するまで売上は不明であり、ゼロではありません。",
        "repeated_orders": "前月のファイルと同じ注文IDがない。あれば同じ売上を二重に数えているかもしれません。",
        "undated_rows": "月次ファイルのすべての行が、その月のいずれかの日に属している。",
        "reconciles": "マートの広告費・売上・注文数・新規顧客がソースと小数第2位まで一致する。違えば公開を止めます。",
        "unknown_customers": "すべての注文の顧客がCRMに存在する。存在しない顧客の売上は Unattributed に数えます。",
        "unusual_volume": (
            "広告費・クリック・コンバージョン・注文数・売上・新規顧客が、直近4週間の同じ曜日"
            "（月末・月初は前月までの同じ時期も）と同程度である。"
        ),
        "window_complete": "最長の集計期間のすべての日が集計済みである。",
        "other_sources": "同じ日の他のソース",
        "unreadable_date": "日付を読み取れない",
        "outside_month": "月の範囲外",
    },
}
"""The same keys in each language; severities, results, sources and names of checks are keys too."""

MEANINGS: dict[Language, dict[str, dict[str, str]]] = {
    "en": {
        "ads": {
            "wrong_date": "The row is about another day than the one asked for; summed, it would count twice.",
            "unreadable_value": "Impressions, clicks, cost or conversions are missing or not a number.",
            "duplicate_campaign_id": "The same campaign came again with identical values; it counts once.",
        },
        "sales": {
            "missing_order_id": "Without an order id a repeat cannot be told from a second sale.",
            "missing_customer_id": "Without a customer id the revenue belongs to no channel.",
            "missing_revenue": "The revenue is empty.",
            "unreadable_revenue": "The revenue is not an amount in any known form.",
            "negative_revenue": "A return, not an error: left out of revenue, and its sum is shown.",
            "duplicate_order_id": "The file has the order already; its earliest date, then its first line, counts.",
            "unreadable_date": "The row belongs to no day: kept once per file, counted nowhere, told by undated_rows.",
            "outside_month": "The row is dated outside its file's month: kept like a row with an unreadable date.",
        },
    },
    "ja": {
        "ads": {
            "wrong_date": "要求した日と別の日の行です。合計に入れると二重に数えることになります。",
            "unreadable_value": "表示回数・クリック数・費用・コンバージョンのいずれかが空か、数値ではありません。",
            "duplicate_campaign_id": "同じキャンペーンが同じ値で再び届きました。1回だけ数えます。",
        },
        "sales": {
            "missing_order_id": "注文IDがないと、重複なのか別の売上なのか区別できません。",
            "missing_customer_id": "顧客IDがないと、売上をどのチャネルにも割り当てられません。",
            "missing_revenue": "売上が空です。",
            "unreadable_revenue": "売上が金額として読み取れません。",
            "negative_revenue": "返品であり、誤りではありません。売上から除き、合計を表示します。",
            "duplicate_order_id": "同じ注文がファイル内に既にあります。最も早い日付、次に最初の行を数えます。",
            "unreadable_date": "どの日にも属さない行です。ファイルごとに保管し、undated_rows で知らせます。",
            "outside_month": "ファイルの月以外の日付の行です。日付を読み取れない行と同様に保管します。",
        },
    },
}
"""What each reason of quarantine means, by source; the CRM has none."""

_EXPECTATIONS: dict[Language, dict[str, str]] = {
    "en": {
        "exists": "column {column} exists",
        "not_null": "{column} is never empty",
        "unique": "{column} comes only once",
        "at_least": "{column} is at least {minimum:,}",
        "between": "{column} lies between {minimum:,} and {maximum:,}",
        "in_set": "{column} is one of {allowed}",
        "pair_at_least": "{column} is at least {other}",
        "quantile_at_most": "{quantile:.0%} of the values of {column} are at most {maximum:,}",
    },
    "ja": {
        "exists": "列 {column} がある",
        "not_null": "{column} が空でない",
        "unique": "{column} が重複しない",
        "at_least": "{column} が {minimum:,} 以上",
        "between": "{column} が {minimum:,} 以上 {maximum:,} 以下",
        "in_set": "{column} が {allowed} のいずれか",
        "pair_at_least": "{column} が {other} 以上",
        "quantile_at_most": "{column} の {quantile:.0%} が {maximum:,} 以下",
    },
}

_WHY: dict[Language, dict[str, str]] = {
    "en": {
        "exists": "Figures rest on this column: without it they would be missing or wrong.",
        "not_null": "Without it a row cannot be followed back or attributed, and may count twice.",
        "unique": "A row that comes twice counts twice.",
        "at_least": "A negative value is a correction or a fault of the source: it stays in the totals, and is told.",
        "between": "A value outside is more likely a slip of the keyboard than a sale.",
        "in_set": "Another name is a new channel or a misspelt one, which would stand apart in every figure.",
        "pair_at_least": "More clicks than impressions cannot be: the platform counts differently or has a fault.",
        "quantile_at_most": "When many orders are this large, the file's amounts may be in another unit.",
    },
    "ja": {
        "exists": "指標はこの列をもとに計算されます。なければ指標が欠けるか誤ります。",
        "not_null": "なければ元データをたどることも割り当てることもできず、二重に数えるおそれがあります。",
        "unique": "重複した行は二重に数えられます。",
        "at_least": "負の値はソース側の訂正か異常です。合計には含め、確認を促します。",
        "between": "範囲外の値は、実際の売上より入力ミスの可能性が高いためです。",
        "in_set": "それ以外の名前は新しいチャネルか表記ゆれで、どの指標でも別扱いになってしまいます。",
        "pair_at_least": "クリックが表示回数を上回ることはありません。数え方の違いか異常です。",
        "quantile_at_most": "これほど大きな注文が多いときは、金額の単位が違うおそれがあります。",
    },
}


def word_expectation(expectation: Expectation, language: Language) -> str:
    """Say what an expectation expects."""
    column, *others = expectation.columns
    return _EXPECTATIONS[language][_manner(expectation)].format(
        column=column,
        other=", ".join(others),
        minimum=expectation.minimum,
        maximum=expectation.maximum,
        allowed=", ".join(expectation.allowed),
        quantile=expectation.quantile,
    )


def word_reason(expectation: Expectation, language: Language) -> str:
    """Say why an expectation matters."""
    return _WHY[language][_manner(expectation)]


def _manner(expectation: Expectation) -> str:
    """Tell a lower limit alone from a range."""
    return "at_least" if expectation.kind == "between" and expectation.maximum is None else expectation.kind
