"""The advice, rule by rule: every threshold from both sides, thin evidence, and the shift worked out by hand.

A channel here spends 100,000 on 100 customers (CAC 1,000), so that LTV/CAC is its total LTV / 100,000 and nROAS, in
percent, its new customers' revenue / 1,000. In each 28 days it spends 30,000 on 30 customers.
"""

from decimal import Decimal
from typing import Any

import pytest

from marketing_assets.reporting.advice import (
    Advice,
    AdviceRules,
    ChannelAdvice,
    advise,
    explain,
    explain_caution,
    explain_rules,
    explain_shift,
)
from marketing_assets.settings import AdviceSettings
from marketing_assets_tests.support.reports import Row, kpi_row, small_report

RULES = AdviceRules()
TRENDS = {"rising": 36_000, "steady": 30_000, "falling": 24_000}
"""Revenue of the last 28 days' new customers; in the 28 days before it was 30,000."""


def long_row(channel: str = "Google", ltv: int = 400_000, revenue: int = 400_000, **changes: Any) -> Row:
    values = {"ad_cost": 100_000, "new_customers": 100, "total_ltv": ltv, "new_customer_revenue": revenue}
    return kpi_row(channel, **values | changes)


def month_row(channel: str = "Google", revenue: int = 30_000, **changes: Any) -> Row:
    values = {"ad_cost": 30_000, "new_customers": 30, "cohort_customers": 100, "total_ltv": 400_000, "window_days": 28}
    return kpi_row(channel, new_customer_revenue=revenue, **values | changes)


def judge(
    long: Row | None = None, recent: Row | None = None, before: Row | None = None, others: tuple[Row, ...] = ()
) -> ChannelAdvice:
    """Judge Google; what is not given is as good as can be."""
    rows = [long or long_row(), *others]
    return next(
        one
        for one in advise(rows, [recent or month_row()], [before or month_row()], RULES).channels
        if one.channel == "Google"
    )


@pytest.mark.parametrize(
    ("ltv", "revenue", "trend", "verdict"),
    [
        (300_000, 200_000, "steady", "increase"),
        (300_000, 200_000, "rising", "increase"),
        (300_000, 200_000, "falling", "keep"),
        (300_000, 200_000, "unknown", "keep"),
        (299_600, 200_000, "steady", "increase"),  # 2.996 reads 3.00
        (299_400, 200_000, "steady", "keep"),
        (300_000, 199_960, "steady", "increase"),  # 199.96 reads 200.0
        (300_000, 199_900, "steady", "keep"),
        (100_000, 100_000, "falling", "keep"),
        (99_000, 100_000, "rising", "reduce"),
        (300_000, 99_900, "steady", "reduce"),
        (50_000, 99_900, "falling", "reduce"),
        (49_000, 100_000, "falling", "reduce"),
        (49_000, 99_900, "steady", "stop"),
        (49_000, 99_900, "falling", "stop"),
        (49_000, 99_900, "rising", "reduce"),
        (49_000, 99_900, "unknown", "reduce"),
        (0, 0, "steady", "stop"),
        (-10_000, 0, "steady", "stop"),
    ],
)
def test_the_verdict_follows_from_ltv_cac_nroas_and_trend(ltv: int, revenue: int, trend: str, verdict: str) -> None:
    recent = month_row(new_customers=9) if trend == "unknown" else month_row(revenue=TRENDS[trend])
    advice = judge(long_row(ltv=ltv, revenue=revenue), recent)
    assert (advice.trend, advice.verdict) == (trend, verdict)


@pytest.mark.parametrize(
    ("recent", "before", "trend", "change"),
    [
        (month_row(revenue=36_000), month_row(), "rising", 20),
        (month_row(revenue=35_800), month_row(), "steady", 19),
        (month_row(revenue=24_200), month_row(), "steady", -19),
        (month_row(revenue=24_000), month_row(), "falling", -20),
        (month_row(), month_row(), "steady", 0),
        (month_row(revenue=0), month_row(), "falling", -100),
        (month_row(), month_row(revenue=0), "unknown", None),
        (month_row(new_customers=10), month_row(new_customers=10), "steady", 0),
        (month_row(new_customers=9), month_row(), "unknown", None),
        (month_row(), month_row(new_customers=9), "unknown", None),
        (month_row(), month_row(ad_cost=0), "unknown", None),
        (month_row(), month_row(ad_cost=-1000), "unknown", None),
        (month_row(days_covered=27, sales_days_covered=27), month_row(), "unknown", None),
        (month_row(), month_row(days_covered=27, sales_days_covered=27), "unknown", None),
        (month_row(), month_row(sales_days_covered=27), "unknown", None),
        (month_row(), month_row("Facebook"), "unknown", None),
    ],
)
def test_the_trend_is_known_only_from_two_whole_months_with_enough_customers(
    recent: Row, before: Row, trend: str, change: int | None
) -> None:
    advice = judge(recent=recent, before=before)
    assert (advice.trend, advice.trend_change) == (trend, change)


@pytest.mark.parametrize(
    ("long", "recent", "shortage"),
    [
        (long_row(days_covered=56, sales_days_covered=56), None, None),
        (long_row(days_covered=55, sales_days_covered=55), None, "few_days"),
        (long_row(sales_days_covered=89), None, "sales_missing_days"),
        (long_row(), month_row(ad_cost=0), "no_recent_spend"),
        (long_row(), month_row(ad_cost=-5), "no_recent_spend"),
        (long_row(), month_row("Facebook"), "no_recent_spend"),
        (long_row(new_customers=30), None, None),
        (long_row(new_customers=29), None, "few_customers"),
        (long_row(new_customers=0), None, "few_customers"),
        (long_row(cohort_customers=29), None, "few_customers"),
    ],
)
def test_thin_evidence_gives_no_verdict(long: Row, recent: Row | None, shortage: str | None) -> None:
    advice = judge(long, recent)
    assert (advice.shortage, advice.verdict) == (shortage, "not_enough_data" if shortage else "increase")


@pytest.mark.parametrize(
    ("other_spend", "share", "shortage"),
    [(9_900_000, 1.0, None), (11_000_000, 0.9, "small_share"), (-9_000, 100.0, None)],
)
def test_a_small_channel_gets_no_verdict_and_credits_make_no_channel_large(
    other_spend: int, share: float, shortage: str | None
) -> None:
    advice = judge(others=(long_row("Facebook", ad_cost=other_spend),))
    assert (advice.spend_share, advice.shortage) == (share, shortage)


def test_channels_without_spend_and_unattributed_get_no_advice_but_their_spend_counts() -> None:
    rows = [
        long_row("Organic", ad_cost=0),
        long_row("Referral", ad_cost=-10_000),
        long_row("Unattributed", ad_cost=100_000),
        long_row("Google"),
    ]
    [google] = advise(rows, [month_row()], [month_row()], RULES).channels
    assert (google.channel, google.spend_share) == ("Google", 50.0)
    assert advise([], [], [], RULES) == Advice()


def test_verdicts_come_best_first_then_by_spend_then_by_name() -> None:
    spends = {"Other": 100_000, "Google": 100_000, "Instagram": 200_000}
    rows = [long_row(name, 8 * spend, 8 * spend, ad_cost=spend) for name, spend in spends.items()]
    rows += [long_row("Facebook", 90_000, 90_000), long_row("TikTok", new_customers=3)]
    months = [month_row(row["channel"]) for row in rows]
    channels = advise(rows, months, months, RULES).channels
    assert [(one.channel, one.verdict) for one in channels] == [
        ("Instagram", "increase"),
        ("Google", "increase"),
        ("Other", "increase"),
        ("Facebook", "reduce"),
        ("TikTok", "not_enough_data"),
    ]


# --- the shift ----------------------------------------------------------------------------------------------------

WEAK = {"long": {"ltv": 40_000, "revenue": 40_000}, "month": {"total_ltv": 40_000}}


def shift_between(strong: dict[str, Any] | None = None, weak: dict[str, Any] | None = None) -> Any:
    """Advise on Google (LTV/CAC 4) and Facebook (0.4); changes are of their last 28 days."""
    long = [long_row("Google"), long_row("Facebook", **WEAK["long"])]
    recent = [month_row("Google", **strong or {}), month_row("Facebook", **{**WEAK["month"], **(weak or {})})]
    before = [month_row("Google"), month_row("Facebook")]
    return advise(long, recent, before, RULES).shift


def test_a_shift_moves_a_tenth_of_the_worst_channels_spend_to_the_best_one() -> None:
    # Facebook: CAC 60,000 / 12 = 5,000, average LTV 400. Google: CAC 30,000 / 60 = 500, average LTV 4,000.
    shift = shift_between(
        strong={"new_customers": 60, "revenue": 30_000},
        weak={"ad_cost": 60_000, "new_customers": 12, "revenue": 60_000},
    )
    assert (shift.source, shift.target, shift.amount) == ("Facebook", "Google", Decimal("6000.00"))
    assert (shift.source_cac, shift.target_cac) == (5000.0, 500.0)
    assert shift.customers == 11  # 6,000 / 500 = 12 won, 6,000 / 5,000 = 1.2 lost
    assert shift.lifetime_value == pytest.approx(12 * 4000 - 1.2 * 400)


@pytest.mark.parametrize(
    ("strong", "weak"),
    [
        ({"new_customers": 9}, {}),  # a CAC from a handful of customers
        ({}, {"new_customers": 9}),
        ({}, {"ad_cost": 150_010}),  # 15,001 on top of 30,000
        ({"total_ltv": 40_000}, {"total_ltv": 400_000}),  # the customers lost would be worth more
        ({"ad_cost": 0}, {}),
    ],
)
def test_no_shift_is_worked_out_of_what_cannot_be_believed(strong: dict[str, Any], weak: dict[str, Any]) -> None:
    assert shift_between() is not None
    assert shift_between(strong, weak) is None


def test_without_a_strong_or_a_weak_channel_there_is_no_shift() -> None:
    assert advise([long_row()], [month_row()], [month_row()], RULES).shift is None
    weak = [long_row(**WEAK["long"])]
    assert advise(weak, [month_row()], [month_row()], RULES).shift is None


# --- in words -----------------------------------------------------------------------------------------------------


def test_a_verdict_is_told_with_its_figures_and_thresholds() -> None:
    report = small_report()
    google, facebook = report.advice.channels
    assert explain(google, RULES, "en") == (
        "Over 90 days, LTV/CAC 4.50 is healthy (3 or more), nROAS 500.0% is excellent (300% or more), and 28-day nROAS "
        "has not changed much (+4%)."
    )
    assert explain(facebook, RULES, "ja") == (
        "90日間では、LTV/CAC 0.40 は 0.5 未満で獲得費用を大きく下回り、新規ROAS 50.0% は採算ライン（100%）割れ、"
        "28日間の新規ROASは前の28日間と大きく変わらない（-17%）。"
    )
    assert report.advice.shift is not None
    assert explain_shift(report.advice.shift, RULES, "en") == (
        "Moving 10% of the spend of Facebook (10,000 in 28 days) to Google would mean +4 new customers in 28 days and "
        "+50,000 of these customers' LTV, assuming that both channels keep their CAC (5,000 and 1,667) and average LTV."
    )


def test_a_missing_verdict_is_told_with_what_it_would_need() -> None:
    told = [
        explain(judge(long, recent, others=others), RULES, "en")
        for long, recent, others in (
            (long_row(days_covered=40, sales_days_covered=40), None, ()),
            (long_row(sales_days_covered=88), None, ()),
            (None, month_row(ad_cost=0), ()),
            (None, None, (long_row("Facebook", ad_cost=19_900_000),)),
            (long_row(new_customers=7), None, ()),
        )
    ]
    assert told == [
        "Of the 90 days 40 are covered; a verdict needs 56.",
        "Of the 90 days 2 have no sales reported, so nROAS is not final.",
        "There was no spend in the last 28 days.",
        "The channel has 0.5% of all spend; a verdict needs 1%.",
        "The 90 days brought 7 new customers; a verdict needs 30 (spend 100,000).",
    ]


def test_names_with_braces_and_percent_signs_stay_as_they_are() -> None:
    report = small_report(("{0}", "%s {ratio}", "Organic"))
    assert report.advice.shift is not None
    told = explain_shift(report.advice.shift, RULES, "en")
    assert told.startswith("Moving 10% of the spend of %s {ratio} (10,000 in 28 days) to {0} would mean")


def test_the_rules_are_told_with_the_thresholds_that_are_set() -> None:
    rules = AdviceRules(healthy_ltv_cac=2.5, min_customers=50)
    told = " ".join(explain_rules(rules, "en"))
    assert "Increase: LTV/CAC of 2.5 or more" in told
    assert "fewer than 50 new customers" in told
    assert len(explain_rules(rules, "ja")) == len(explain_rules(rules, "en"))
    assert "customers of the last 60 days, acquired some 30 days ago on average" in explain_caution(60, "en")


def test_thresholds_come_from_settings_whose_defaults_are_the_documented_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert AdviceRules.from_settings(AdviceSettings()) == AdviceRules()
    monkeypatch.setenv("ADVICE_MIN_CUSTOMERS", "50")
    assert AdviceRules.from_settings(AdviceSettings()) == AdviceRules(min_customers=50)
