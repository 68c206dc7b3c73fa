"""Where the next yen of ad spend should go: one verdict for each channel with spend, and what a shift would mean.

The rules are told in `docs/advice.md`. Figures are compared as reports show them, rounded: what a reader sees is what
decided. Where evidence is thin, the answer is that it is thin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from marketing_assets.channels import UNATTRIBUTED
from marketing_assets.reporting.advice_words import ADVICE_WORDS, RULES
from marketing_assets.reporting.figures import round_half_up, write_amount, write_figure
from marketing_assets.reporting.words import Language
from marketing_assets.settings import AdviceSettings

LONG_WINDOW = 90
"""Days of the window that verdicts rest on: at its end, customers acquired and lifetime value are the same people's."""
TREND_WINDOW = 28
"""Days of the window that is held against the one before it."""

Verdict = Literal["increase", "keep", "reduce", "stop", "not_enough_data"]
Trend = Literal["rising", "steady", "falling", "unknown"]
Shortage = Literal["few_days", "sales_missing_days", "no_recent_spend", "small_share", "few_customers"]
Row = Mapping[str, Any]

_VERDICTS: tuple[Verdict, ...] = ("increase", "keep", "reduce", "stop", "not_enough_data")


@dataclass(frozen=True)
class AdviceRules:
    """Thresholds of the advice; each is the setting `ADVICE_` and its name, where it is described."""

    healthy_ltv_cac: float = 3.0
    break_even_ltv_cac: float = 1.0
    stop_ltv_cac: float = 0.5
    excellent_nroas: float = 300.0
    good_nroas: float = 200.0
    break_even_nroas: float = 100.0
    trend_percent: float = 20.0
    min_customers: int = 30
    min_trend_customers: int = 10
    min_spend_share_percent: float = 1.0
    min_days: int = 56
    shift_percent: float = 10.0
    shift_max_raise_percent: float = 50.0

    @classmethod
    def from_settings(cls, settings: AdviceSettings) -> "AdviceRules":
        """Take the thresholds from the settings."""
        return cls(**{field.name: getattr(settings, f"advice_{field.name}") for field in fields(cls)})


@dataclass(frozen=True)
class ChannelAdvice:
    """What to do with one channel's spend, and the figures behind it.

    Attributes:
        channel: The channel.
        verdict: What to do.
        shortage: What there is too little of; None unless the verdict is `not_enough_data`.
        ad_cost: Spend of the 90 days.
        spend_share: Percent of all channels' spend of the 90 days, to 0.1.
        new_customers: Customers acquired in the 90 days.
        cohort_customers: Customers whose lifetime value is known; the same people, once 90 days are covered.
        days_covered: Days of the 90 that are materialized.
        sales_days_covered: Of these, days whose sales are reported.
        ltv_cac_ratio: Of the 90 days, to 0.01; None where there is none.
        nroas: Of the 90 days, percent, to 0.1; None where there is none.
        trend: Whether nROAS of the last 28 days is above or below that of the 28 days before.
        trend_change: By how many percent, to 1; None while the trend is unknown.
    """

    channel: str
    verdict: Verdict
    shortage: Shortage | None
    ad_cost: Decimal
    spend_share: float
    new_customers: int
    cohort_customers: int
    days_covered: int
    sales_days_covered: int
    ltv_cac_ratio: float | None
    nroas: float | None
    trend: Trend
    trend_change: int | None


@dataclass(frozen=True)
class Shift:
    """What moving spend from one channel to another would mean, were each channel's CAC and average LTV to stay.

    Attributes:
        source: Channel that gives.
        target: Channel that gets.
        amount: Spend of 28 days that moves.
        customers: New customers of 28 days, more or fewer, as a whole number.
        lifetime_value: What these customers spend, more or less, at the average LTV of their channels.
        source_cac: CAC of the last 28 days of the channel that gives.
        target_cac: CAC of the last 28 days of the channel that gets.
    """

    source: str
    target: str
    amount: Decimal
    customers: int
    lifetime_value: float
    source_cac: float
    target_cac: float


@dataclass(frozen=True)
class Advice:
    """The advice of one day: verdicts, best first, and the shift they suggest, if there is one."""

    channels: tuple[ChannelAdvice, ...] = ()
    shift: Shift | None = None
    rules: AdviceRules = AdviceRules()


def advise(long: Sequence[Row], recent: Sequence[Row], before: Sequence[Row], rules: AdviceRules) -> Advice:
    """Judge every channel with spend.

    Args:
        long: CHANNEL_KPI rows of the day over 90 days.
        recent: CHANNEL_KPI rows of the day over 28 days.
        before: CHANNEL_KPI rows of 28 days earlier over 28 days; none where that day is not materialized.
        rules: The thresholds.

    Returns:
        A verdict for each channel with an ad cost above 0 in the 90 days, sorted by verdict, then by spend. There is
        none for Unattributed, whose spend nobody can steer; it counts for the shares.
    """
    recent_rows, before_rows = ({row["channel"]: row for row in rows} for rows in (recent, before))
    # Credits (negative cost) of one channel must not make another one look larger than it is.
    total = sum((row["ad_cost"] for row in long if row["ad_cost"] > 0), Decimal(0))
    channels = [
        _judge(row, recent_rows.get(row["channel"]), before_rows.get(row["channel"]), total, rules)
        for row in long
        if row["ad_cost"] > 0 and row["channel"] != UNATTRIBUTED
    ]
    channels.sort(key=lambda advice: (_VERDICTS.index(advice.verdict), -advice.ad_cost, advice.channel))
    return Advice(tuple(channels), _suggest_shift(channels, recent_rows, rules), rules)


def explain(advice: ChannelAdvice, rules: AdviceRules, language: Language) -> str:
    """Tell the reason of a verdict in one sentence, figures and thresholds included."""
    words = ADVICE_WORDS[language]
    if advice.shortage is not None:
        return words[advice.shortage].format(
            days=advice.days_covered,
            min_days=rules.min_days,
            missing=advice.days_covered - advice.sales_days_covered,
            share=str(round_half_up(advice.spend_share, 1)),
            min_share=f"{rules.min_spend_share_percent:g}",
            customers=min(advice.new_customers, advice.cohort_customers),
            min_customers=rules.min_customers,
            cost=write_amount(advice.ad_cost),
        )
    ratio, nroas = _grade_ratio(advice, rules), _grade_nroas(advice, rules)
    return words["reason"].format(
        ratio=words[ratio].format(
            ratio=write_figure("ltv_cac_ratio", advice.ltv_cac_ratio),
            healthy=f"{rules.healthy_ltv_cac:g}",
            break_even=f"{rules.break_even_ltv_cac:g}",
            stop=f"{rules.stop_ltv_cac:g}",
        ),
        nroas=words[nroas].format(
            nroas=write_figure("nroas", advice.nroas),
            excellent=f"{rules.excellent_nroas:g}",
            good=f"{rules.good_nroas:g}",
            break_even=f"{rules.break_even_nroas:g}",
        ),
        trend=words[f"trend_{advice.trend}"].format(change=f"{advice.trend_change or 0:+d}"),
    )


def explain_shift(shift: Shift, rules: AdviceRules, language: Language) -> str:
    """Tell in one sentence what the shift would mean, and on what assumption."""
    return ADVICE_WORDS[language]["shift"].format(
        source=shift.source,
        target=shift.target,
        percent=f"{rules.shift_percent:g}",
        amount=write_amount(shift.amount),
        customers=f"{shift.customers:+,}",
        lifetime_value=f"{round_half_up(shift.lifetime_value, 0):+,}",
        source_cac=write_amount(shift.source_cac),
        target_cac=write_amount(shift.target_cac),
    )


def explain_rules(rules: AdviceRules, language: Language) -> list[str]:
    """Tell the rules, a sentence or two each, with the thresholds that are set."""
    values = {field.name: f"{getattr(rules, field.name):g}" for field in fields(rules)}
    return [ADVICE_WORDS[language][f"rule_{rule}"].format(**values) for rule in RULES]


def explain_caution(cohort_days: int, language: Language) -> str:
    """Tell what every verdict has to be read with: how young the LTV cohort is, and that revenue is not margin."""
    return ADVICE_WORDS[language]["caution"].format(cohort_days=cohort_days, age=round(cohort_days / 2))


def _judge(row: Row, recent: Row | None, before: Row | None, total: Decimal, rules: AdviceRules) -> ChannelAdvice:
    trend, change = _find_trend(recent, before, rules)
    share = float(round_half_up(row["ad_cost"] / total * 100, 1))
    ratio, nroas = _rounded(row["ltv_cac_ratio"], 2), _rounded(row["nroas"], 1)
    shortage = _find_shortage(row, recent, share, rules)
    verdict: Verdict = "not_enough_data"
    if shortage is None and ratio is not None and nroas is not None:
        verdict = _decide(ratio, nroas, trend, rules)
    return ChannelAdvice(
        channel=row["channel"],
        verdict=verdict,
        shortage=shortage,
        ad_cost=row["ad_cost"],
        spend_share=share,
        new_customers=row["new_customers"],
        cohort_customers=row["cohort_customers"],
        days_covered=row["days_covered"],
        sales_days_covered=row["sales_days_covered"],
        ltv_cac_ratio=ratio,
        nroas=nroas,
        trend=trend,
        trend_change=change,
    )


def _find_shortage(row: Row, recent: Row | None, share: float, rules: AdviceRules) -> Shortage | None:
    """Tell what there is too little of for a verdict: the first that applies."""
    if row["days_covered"] < rules.min_days:
        return "few_days"
    if row["sales_days_covered"] < row["days_covered"] or row["nroas"] is None:
        return "sales_missing_days"
    if recent is None or recent["ad_cost"] <= 0:
        return "no_recent_spend"
    if share < rules.min_spend_share_percent:
        return "small_share"
    # Both stand in LTV/CAC: those whose cost is known, and those whose spending is.
    counted = min(row["new_customers"], row["cohort_customers"])
    if counted < rules.min_customers or row["ltv_cac_ratio"] is None:
        return "few_customers"
    return None


def _decide(ratio: float, nroas: float, trend: Trend, rules: AdviceRules) -> Verdict:
    """Apply the rules; the first that applies counts. Without a known trend the bold words are not used."""
    if ratio < rules.stop_ltv_cac and nroas < rules.break_even_nroas and trend in {"steady", "falling"}:
        return "stop"
    if ratio < rules.break_even_ltv_cac or nroas < rules.break_even_nroas:
        return "reduce"
    if ratio >= rules.healthy_ltv_cac and nroas >= rules.good_nroas and trend in {"steady", "rising"}:
        return "increase"
    return "keep"


def _find_trend(recent: Row | None, before: Row | None, rules: AdviceRules) -> tuple[Trend, int | None]:
    """Hold the last 28 days' nROAS against the 28 days before: unknown unless both are whole and large enough."""
    if recent is None or before is None:
        return "unknown", None
    whole = all(row["days_covered"] == row["window_days"] for row in (recent, before))
    enough = all(row["new_customers"] >= rules.min_trend_customers for row in (recent, before))
    now, then = recent["nroas"], before["nroas"]
    if not whole or not enough or now is None or then is None or now < 0 or then <= 0:
        return "unknown", None
    change = round((now / then - 1) * 100)
    if change >= rules.trend_percent:
        return "rising", change
    return ("falling" if change <= -rules.trend_percent else "steady"), change


def _suggest_shift(channels: Sequence[ChannelAdvice], recent: Mapping[str, Row], rules: AdviceRules) -> Shift | None:
    """Work out the shift from the worst channel to the best one, where there are two and the sum is believable."""
    sources = [advice for advice in channels if advice.verdict in {"reduce", "stop"}]
    targets = [advice for advice in channels if advice.verdict == "increase"]
    if not sources or not targets:
        return None
    worst = min(sources, key=lambda advice: (advice.ltv_cac_ratio or 0, -advice.ad_cost, advice.channel))
    best = min(targets, key=lambda advice: (-(advice.ltv_cac_ratio or 0), -advice.ad_cost, advice.channel))
    source, target = recent[worst.channel], recent[best.channel]
    if any(row["new_customers"] < rules.min_trend_customers for row in (source, target)):
        return None
    share = Decimal(str(rules.shift_percent)) / 100
    amount = (source["ad_cost"] * share).quantize(Decimal("0.01"), ROUND_HALF_UP)
    # A channel that is given much more than it ever spent does not keep its CAC.
    if amount * 100 > target["ad_cost"] * Decimal(str(rules.shift_max_raise_percent)):
        return None
    gained, lost = float(amount) / target["cac"], float(amount) / source["cac"]
    lifetime_value = gained * target["avg_ltv"] - lost * source["avg_ltv"]
    if lifetime_value <= 0:
        return None
    return Shift(
        source=worst.channel,
        target=best.channel,
        amount=amount,
        customers=round(gained - lost),
        lifetime_value=lifetime_value,
        source_cac=source["cac"],
        target_cac=target["cac"],
    )


def _grade_ratio(advice: ChannelAdvice, rules: AdviceRules) -> str:
    ratio = advice.ltv_cac_ratio or 0
    if ratio >= rules.healthy_ltv_cac:
        return "ratio_healthy"
    if ratio >= rules.break_even_ltv_cac:
        return "ratio_fair"
    return "ratio_low" if ratio >= rules.stop_ltv_cac else "ratio_very_low"


def _grade_nroas(advice: ChannelAdvice, rules: AdviceRules) -> str:
    nroas = advice.nroas or 0
    if nroas >= rules.excellent_nroas:
        return "nroas_excellent"
    if nroas >= rules.good_nroas:
        return "nroas_good"
    return "nroas_break_even" if nroas >= rules.break_even_nroas else "nroas_low"


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else float(round_half_up(value, decimals))
