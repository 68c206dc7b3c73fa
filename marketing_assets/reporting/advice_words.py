"""The words of the advice, in Japanese and English: reasons, what a shift would mean, the rules."""

from marketing_assets.reporting.words import Language

RULES = ("basis", "not_enough_data", "stop", "reduce", "increase", "keep", "trend")
"""The rules, those of the verdicts in the order in which they apply."""

ADVICE_WORDS: dict[Language, dict[str, str]] = {
    "ja": {
        "reason": "90日間では、{ratio}、{nroas}、{trend}。",
        "ratio_healthy": "LTV/CAC {ratio} は健全（{healthy} 以上）",
        "ratio_fair": "LTV/CAC {ratio} は {break_even} 以上だが健全な水準（{healthy}）に届かず",
        "ratio_low": "LTV/CAC {ratio} は {break_even} 未満で獲得費用をまだ回収できず",
        "ratio_very_low": "LTV/CAC {ratio} は {stop} 未満で獲得費用を大きく下回り",
        "nroas_excellent": "新規ROAS {nroas} は優秀（{excellent}% 以上）",
        "nroas_good": "新規ROAS {nroas} は良好（{good}% 以上）",
        "nroas_break_even": "新規ROAS {nroas} は採算ライン（{break_even}%）以上",
        "nroas_low": "新規ROAS {nroas} は採算ライン（{break_even}%）割れ",
        "trend_rising": "28日間の新規ROASは前の28日間より上昇（{change}%）",
        "trend_steady": "28日間の新規ROASは前の28日間と大きく変わらない（{change}%）",
        "trend_falling": "28日間の新規ROASは前の28日間より下降（{change}%）",
        "trend_unknown": "28日間の新規ROASの傾向は判断できない",
        "few_days": "90日間のうち集計済みは {days} 日で、判断に必要な {min_days} 日に足りない。",
        "sales_missing_days": "90日間のうち {missing} 日の売上が未報告で、新規ROASが確定していない。",
        "no_recent_spend": "直近28日間に広告費がない。",
        "small_share": "広告費が全体の {share}% で、判断に必要な {min_share}% に足りない。",
        "few_customers": "90日間の新規顧客は {customers} 人で、判断に必要な {min_customers} 人に足りない"
        "（広告費 {cost}）。",
        "shift": "{source} の広告費の {percent}%（28日間で {amount}）を {target} に移すと、"
        "28日間あたり新規顧客 {customers} 人、その顧客のLTV {lifetime_value} の見込み"
        "（仮定: 両チャネルのCAC {source_cac} と {target_cac}、平均LTVが今のまま変わらない）。",
        "rule_basis": "直近90日間のLTV/CACと新規ROAS、および直近28日間と前の28日間の新規ROASの比較で判断します。"
        "数字は表示どおりに丸めて比べます。",
        "rule_not_enough_data": "データ不足: 集計済み {min_days} 日未満、売上の未報告、直近28日間の広告費なし、"
        "広告費が全体の {min_spend_share_percent}% 未満、新規顧客 {min_customers} 人未満のいずれか。",
        "rule_stop": "停止: LTV/CAC {stop_ltv_cac} 未満、かつ新規ROAS {break_even_nroas}% 未満で、"
        "傾向が上昇でも不明でもない。",
        "rule_reduce": "減らす: LTV/CAC {break_even_ltv_cac} 未満、または新規ROAS {break_even_nroas}% 未満。",
        "rule_increase": "増やす: LTV/CAC {healthy_ltv_cac} 以上、かつ新規ROAS {good_nroas}% 以上で、"
        "傾向が下降でも不明でもない。",
        "rule_keep": "維持: 上のどれでもない。",
        "rule_trend": "傾向: 28日間の新規ROASが {trend_percent}% 以上変われば上昇または下降。どちらかの28日間に"
        "欠けた日があるか、新規顧客が {min_trend_customers} 人未満なら不明。",
        "caution": "注意: LTVは直近{cohort_days}日間に獲得した顧客（平均で獲得後およそ{age}日）の"
        "これまでの売上で、粗利ではありません。",
    },
    "en": {
        "reason": "Over 90 days, {ratio}, {nroas}, and {trend}.",
        "ratio_healthy": "LTV/CAC {ratio} is healthy ({healthy} or more)",
        "ratio_fair": "LTV/CAC {ratio} is {break_even} or more but below the healthy {healthy}",
        "ratio_low": "LTV/CAC {ratio} is under {break_even} (customers have not yet brought in what they cost)",
        "ratio_very_low": "LTV/CAC {ratio} is under {stop} (customers have brought in far less than they cost)",
        "nroas_excellent": "nROAS {nroas} is excellent ({excellent}% or more)",
        "nroas_good": "nROAS {nroas} is good ({good}% or more)",
        "nroas_break_even": "nROAS {nroas} is at break-even ({break_even}%) or above",
        "nroas_low": "nROAS {nroas} is below break-even ({break_even}%)",
        "trend_rising": "28-day nROAS is rising ({change}%)",
        "trend_steady": "28-day nROAS has not changed much ({change}%)",
        "trend_falling": "28-day nROAS is falling ({change}%)",
        "trend_unknown": "the trend of 28-day nROAS cannot be told",
        "few_days": "Of the 90 days {days} are covered; a verdict needs {min_days}.",
        "sales_missing_days": "Of the 90 days {missing} have no sales reported, so nROAS is not final.",
        "no_recent_spend": "There was no spend in the last 28 days.",
        "small_share": "The channel has {share}% of all spend; a verdict needs {min_share}%.",
        "few_customers": "The 90 days brought {customers} new customers; a verdict needs {min_customers} "
        "(spend {cost}).",
        "shift": "Moving {percent}% of the spend of {source} ({amount} in 28 days) to {target} would mean {customers} "
        "new customers in 28 days and {lifetime_value} of these customers' LTV, assuming that both channels keep their "
        "CAC ({source_cac} and {target_cac}) and average LTV.",
        "rule_basis": "Verdicts rest on LTV/CAC and nROAS of the last 90 days, and on nROAS of the last 28 days "
        "against the 28 before. Figures are compared as shown, rounded.",
        "rule_not_enough_data": "Not enough data: fewer than {min_days} days covered, sales not reported, no spend in "
        "the last 28 days, less than {min_spend_share_percent}% of all spend, or fewer than {min_customers} new "
        "customers.",
        "rule_stop": "Stop: LTV/CAC under {stop_ltv_cac} and nROAS under {break_even_nroas}%, with a trend that is "
        "neither rising nor unknown.",
        "rule_reduce": "Reduce: LTV/CAC under {break_even_ltv_cac}, or nROAS under {break_even_nroas}%.",
        "rule_increase": "Increase: LTV/CAC of {healthy_ltv_cac} or more and nROAS of {good_nroas}% or more, with a "
        "trend that is neither falling nor unknown.",
        "rule_keep": "Keep: none of these.",
        "rule_trend": "Trend: rising or falling from {trend_percent}% of change in 28-day nROAS; unknown if a day is "
        "missing on either side, or if one has fewer than {min_trend_customers} new customers.",
        "caution": "Bear in mind: LTV is what customers of the last {cohort_days} days, acquired some {age} days "
        "ago on average, have spent so far. It is revenue, not margin.",
    },
}
