"""The whole platform on real parts: HTTP, PostgreSQL, files and S3, from the sources to the report."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import dagster as dg
import polars as pl
import pytest
from openpyxl import load_workbook

from marketing_assets.storage.reports import mail_html_key
from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.arithmetic import WINDOWS, Arithmetic, differences
from marketing_assets_tests.support.databases import Databases, run_sql
from marketing_assets_tests.support.stack import Stack, days_between, errors_of, running_stack
from marketing_assets_tests.support.world import World
from marketing_assets_tests.support.worlds import RULES, seeded_world

YESTERDAY, DAY, TOMORROW = days_between(date(2024, 1, 14), date(2024, 1, 16))
LONG_AGO = date(2023, 1, 1)
MARTS = ["mart_channel_merged", "mart_channel_kpi", "mart_daily_summary"]
DOWNSTREAM = {
    "ads": {"channel_merged", "channel_kpis", "daily_summary", "report"},
    "crm": {"channel_merged", "customer_detail", "channel_kpis", "daily_summary", "report"},
    "sales": {"channel_merged", "customer_detail", "channel_kpis", "daily_summary", "report"},
}


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with running_stack(databases, tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def new_stack(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Start a stack in a folder of its own; settings by name. The newest one is the one that runs read."""
    return lambda **settings: running_stack(databases, tmp_path_factory.mktemp("stack"), monkeypatch, **settings)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 store with an empty bucket; gives its s3:// address."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="marketing")
        yield "s3://marketing/platform"
    server.stop()


Published = dict[str, Any]
"""Everything that the platform has published, by place: mart rows, and files of lake and reports byte for byte."""


def published(stack: Stack) -> Published:
    marts = {f"mart {table}": stack.mart(table) for table in MARTS}
    lake = {f"lake {key}": data for key, data in stack.files().items()}
    return marts | lake | {f"report {key}": data for key, data in report_files(stack).items()}


def report_files(stack: Stack) -> dict[str, bytes]:
    return {key: stack.reports.read(key) for key in stack.reports.keys()}  # noqa: SIM118, a place is no mapping


def changed(before: Published, after: Published) -> list[str]:
    """Name the places that have come, gone or changed."""
    return sorted(place for place in before.keys() | after.keys() if before.get(place) != after.get(place))


def of_day(rows: list[dict[str, Any]], day: date, **values: Any) -> list[dict[str, Any]]:
    """Pick a day's rows without their date; and without the columns they are picked by."""
    wanted = {"date": day, **values}
    return [
        {name: value for name, value in row.items() if name not in wanted}
        for row in rows
        if all(row[name] == value for name, value in wanted.items())
    ]


def lake_rows(stack: Stack, table: str, day: date) -> list[dict[str, Any]]:
    return pl.read_parquet(stack.lake.read(f"{table}/date={day}/part-0.parquet")).to_dicts()


def materialized(result: dg.ExecuteInProcessResult) -> set[tuple[str, str | None]]:
    """List what a run says it has materialized: (asset, partition)."""
    return {
        (event.asset_key.to_user_string(), event.partition)
        for event in result.all_events
        if event.is_step_materialization and event.asset_key
    }


def assets_of(result: dg.ExecuteInProcessResult) -> set[str]:
    return {asset for asset, _ in materialized(result)}


def check_of(stack: Stack, result: dg.ExecuteInProcessResult, name: str, day: date) -> tuple[bool, str, str]:
    """Return how the one evaluation of a check on a day ended: passed, severity, and what it says."""
    [found] = [
        evaluation
        for evaluation in stack.evaluations(result)
        if evaluation.check_name == name and evaluation.partition == str(day)
    ]
    return found.passed, found.severity.value, found.description or ""


def only_error(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """Return the step that failed and what it said; there is just one."""
    [(step, message)] = errors_of(result).items()
    return step, message


# --- one day by hand ----------------------------------------------------------------------------------------------


def hand_worked_world() -> World:
    def ads(
        name: str, day: date, impressions: int, clicks: int, cost: float, conversions: int, **rest: Any
    ) -> dict[str, Any]:
        counts = {"impressions": impressions, "clicks": clicks, "cost": cost, "conversions": conversions}
        return campaign(name, day, **counts, **rest)

    nowhere = ads("CMP-3", DAY, 500, 25, 10.004, 0)
    del nowhere["acquisition_channel"]
    return World(
        ads={
            YESTERDAY: [
                ads("CMP-1", YESTERDAY, 1000, 50, 99.995, 5),
                ads("CMP-2", YESTERDAY, 500, 10, 50, 1, acquisition_channel="Facebook"),
            ],
            DAY: [
                ads("CMP-1", DAY, 2000, 100, 200, 10),
                ads("CMP-2", DAY, 0, 0, 0, 0, acquisition_channel=" facebook "),
                nowhere,
            ],
        },
        customers=[
            ("C-1", DAY, "CMP-1", "Google"),
            ("C-2", YESTERDAY, None, "FACEBOOK"),
            ("C-3", LONG_AGO, None, "Organic"),
            ("C-4", TOMORROW, None, "Google"),
            ("C-5", None, None, None),
        ],
        orders=[
            ("CO-1", "C-1", Decimal("300.00"), DAY),
            ("CO-2", "C-2", Decimal("100.00"), YESTERDAY),
            ("CO-3", "C-2", Decimal("50.00"), DAY),
            ("CO-4", "C-2", Decimal("999.00"), TOMORROW),
            ("CO-5", "C-3", Decimal("1000.00"), LONG_AGO),
        ],
        sales=[
            ("O-1", "C-2", YESTERDAY, Decimal("100.00")),
            *((f"O-1{number}", "C-5", TOMORROW, Decimal("1.00")) for number in range(8)),
            ("O-2", "C-1", DAY, Decimal("300.00")),
            ("O-3", "C-2", DAY, Decimal("50.00")),
            ("O-4", "C-3", DAY, Decimal("60.00")),
            ("O-5", "C-9", DAY, Decimal("10.00")),
            ("O-6", "C-1", DAY, Decimal("-20.00")),
        ],
    )


MERGED_COLUMNS = [
    *("channel", "impressions", "clicks", "ad_cost", "conversions", "new_customers", "period_revenue"),
    *("period_orders", "new_customer_revenue", "cohort_customers", "total_ltv", "sales_reported"),
]
MERGED_BY_HAND = [
    ("Facebook", 0, 0, "0.00", "0.00", 0, "50.00", 1, "50.00", 1, "150.00", True),
    ("Google", 2000, 100, "200.00", "10.00", 1, "300.00", 1, "300.00", 1, "300.00", True),
    ("Organic", 0, 0, "0.00", "0.00", 0, "60.00", 1, "0.00", 0, "0.00", True),
    ("Unattributed", 500, 25, "10.00", "0.00", 0, "10.00", 1, "0.00", 0, "0.00", True),
]

RATIO_COLUMNS = ["channel", "ad_cost", "cac", "avg_ltv", "roas", "nroas", "cvr", "ctr", "cpc", "cpa", "ltv_cac_ratio"]
NO_RATIOS = (None,) * 5
RATIOS_OF_THE_DAY_BY_HAND = [
    ("Facebook", "0.00", None, 150, None, None, *NO_RATIOS),
    ("Google", "200.00", 200, 300, 150, 150, 10, 5, 2, 20, 1.5),
    ("Organic", "0.00", None, None, None, None, *NO_RATIOS),
    ("Unattributed", "10.00", None, None, 100, 0, 0, 5, 0.4, None, None),
]
RATIOS_OF_BOTH_DAYS_BY_HAND = [
    ("Facebook", "50.00", 50, 150, 300, 300, 10, 2, 5, 50, 3),
    ("Google", "300.00", 300, 300, 100, 100, 10, 5, 2, 20, 1),
    ("Organic", "0.00", None, None, None, None, *NO_RATIOS),
    ("Unattributed", "10.00", None, None, 100, 0, 0, 5, 0.4, None, None),
]

SUMMARY_OF_THE_DAY_BY_HAND = {
    "total_ad_cost": Decimal("210.00"),
    "total_revenue": Decimal("420.00"),
    "total_orders": 4,
    "total_customers": 1,
    "impressions": 2500,
    "clicks": 125,
    "conversions": Decimal("10.00"),
    "overall_cac": 210.0,
    "overall_roas": 200.0,
    "overall_cvr": 8.0,
    "overall_ctr": 5.0,
    "avg_ltv": 225.0,
    "ltv_cac_ratio": pytest.approx(225 / 210),
    "paid_cac": 210.0,
    "paid_roas": pytest.approx(310 / 210 * 100),
    "best_channel": "Google",
    "best_channel_roas": 150.0,
    "days_covered": 1,
    "sales_days_covered": 1,
}
SUMMARY_OF_BOTH_DAYS_BY_HAND = {
    "total_ad_cost": Decimal("360.00"),
    "total_revenue": Decimal("520.00"),
    "total_orders": 5,
    "total_customers": 2,
    "impressions": 4000,
    "clicks": 185,
    "conversions": Decimal("16.00"),
    "overall_cac": 180.0,
    "overall_roas": pytest.approx(520 / 360 * 100),
    "overall_cvr": pytest.approx(16 / 185 * 100),
    "overall_ctr": 4.625,
    "avg_ltv": 225.0,
    "ltv_cac_ratio": 1.25,
    "paid_cac": 180.0,
    "paid_roas": pytest.approx(460 / 360 * 100),
    "best_channel": "Facebook",
    "best_channel_roas": 300.0,
    "days_covered": 2,
    "sales_days_covered": 2,
}

DETAIL_COLUMNS = [
    *("customer_id", "channel", "acquisition_date", "acquisition_source", "lifetime_value", "order_count"),
    *("last_order_date", "customer_status", "period_revenue", "period_orders"),
]
DETAIL_BY_HAND = [
    ("C-1", "Google", DAY, "CMP-1", 300, 1, DAY, "Active", 300, 1),
    ("C-2", "Facebook", YESTERDAY, None, 150, 2, DAY, "Active", 50, 1),
    ("C-3", "Organic", LONG_AGO, None, 1000, 1, LONG_AGO, "Active", 60, 1),
    ("C-9", "Unattributed", None, None, None, None, None, None, 10, 1),
]


def assert_as_worked_by_hand(stack: Stack) -> None:
    """Hold the marts of DAY against the figures above."""
    merged = of_day(stack.mart("mart_channel_merged"), DAY)
    money = {"ad_cost", "conversions", "period_revenue", "new_customer_revenue", "total_ltv"}
    for row, expected in zip(merged, MERGED_BY_HAND, strict=True):
        by_name = dict(zip(MERGED_COLUMNS, expected, strict=True))
        assert row == {name: Decimal(value) if name in money else value for name, value in by_name.items()}
    kpis, summary = stack.mart("mart_channel_kpi"), stack.mart("mart_daily_summary")
    for window in WINDOWS:
        ratios = RATIOS_OF_THE_DAY_BY_HAND if window == 1 else RATIOS_OF_BOTH_DAYS_BY_HAND
        totals = SUMMARY_OF_THE_DAY_BY_HAND if window == 1 else SUMMARY_OF_BOTH_DAYS_BY_HAND
        found = of_day(kpis, DAY, window_days=window)
        for row, (channel, cost, *rest) in zip(found, ratios, strict=True):
            assert [row[name] for name in RATIO_COLUMNS] == [channel, Decimal(cost), *rest]
        assert of_day(summary, DAY, window_days=window) == [totals]
    detail = lake_rows(stack, "customer_detail", DAY)
    assert detail == [dict(zip(DETAIL_COLUMNS, row, strict=True)) for row in DETAIL_BY_HAND]


def test_a_world_worked_out_by_hand(stack: Stack) -> None:
    stack.load(hand_worked_world())
    first, second = stack.materialize(YESTERDAY), stack.materialize(DAY)
    assert first.success
    assert second.success
    assert_as_worked_by_hand(stack)
    [returned] = lake_rows(stack, "quarantine/sales", DAY)
    assert (returned["reason"], returned["order_id"], returned["line_number"]) == ("negative_revenue", "O-6", 15)
    report = stack.reports.read(f"reports/daily/2024/01/marketing_report_{DAY}.txt").decode()
    assert "ads 9/9, crm 5/5, sales 7/7" in report
    assert "return 1 (returns total -20.00)" in report
    kpis = stack.reports.read(f"data/kpi/2024/01/channel_kpi_{DAY}.csv")
    assert kpis.startswith(b"\xef\xbb\xbf")
    assert len(list(csv.DictReader(io.StringIO(kpis.decode("utf-8-sig"))))) == 16  # 4 channels, 4 windows
    page = stack.reports.read(f"reports/daily/2024/01/marketing_report_{DAY}.html").decode()
    assert "return 1 (returns total -20.00)" in page
    book = load_workbook(io.BytesIO(stack.reports.read(f"reports/daily/2024/01/marketing_report_{DAY}.xlsx")))
    shown = {name: cost for name, cost, *_ in book["Channels"].iter_rows(min_row=2, max_row=5, values_only=True)}
    mart = of_day(stack.mart("mart_channel_kpi"), DAY, window_days=28)
    assert shown == {row["channel"]: float(row["ad_cost"]) for row in mart}


def test_everything_in_s3_is_as_it_is_in_folders(
    databases: Databases, s3: str, new_stack: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_stack() as in_folders:
        in_folders.load(hand_worked_world())
        assert in_folders.materialize(YESTERDAY, DAY).success
        expected = published(in_folders)
    with running_stack(databases, s3, monkeypatch) as in_s3:
        in_s3.load(hand_worked_world())
        assert in_s3.materialize(YESTERDAY, DAY).success
        assert_as_worked_by_hand(in_s3)
        assert changed(expected, published(in_s3)) == []


# --- worlds by chance ---------------------------------------------------------------------------------------------


def assert_as_the_arithmetic_says(stack: Stack, expected: Arithmetic, days: list[date]) -> None:
    merged, kpis, summary = (stack.mart(table) for table in MARTS)
    for day in days:
        found = [row for row in merged if row["date"] == day]
        assert differences(found, expected.channel_merged(day), "channel") == []
        found = [row for row in kpis if row["date"] == day]
        assert differences(found, expected.channel_kpis(day, days), "channel", "window_days") == []
        found = [row for row in summary if row["date"] == day]
        assert differences(found, expected.daily_summary(day, days), "window_days") == []
        found = lake_rows(stack, "customer_detail", day)
        assert differences(found, expected.customer_detail(day), "customer_id") == []


@pytest.mark.parametrize(("seed", "cohort_days"), [(1, 90), (2, 2)])
def test_any_world_is_the_same_day_by_day_as_a_range_and_again(
    new_stack: Callable[..., Any], tmp_path: Path, seed: int, cohort_days: int
) -> None:
    days = days_between(date(2024, 1, 31), date(2024, 2, 2))
    world = seeded_world(seed, days, cohort_days)
    rules = tmp_path / "channels.csv"
    rules.write_text("\n".join(["pattern,channel", *(",".join(rule) for rule in RULES)]))
    settings = {
        "LTV_COHORT_DAYS": str(cohort_days),
        "QUARANTINE_MAX_PERCENT": "100",
        "CAMPAIGN_CHANNELS_CSV": str(rules),
    }
    with new_stack(**settings) as by_day:
        by_day.load(world)
        assert all(by_day.materialize(day).success for day in days)
        assert_as_the_arithmetic_says(by_day, Arithmetic(world, cohort_days, RULES), days)
        first_time = published(by_day)
        assert by_day.materialize(days[0], days[-1]).success
        assert changed(first_time, published(by_day)) == []
    with new_stack(**settings) as as_a_range:
        as_a_range.load(world)
        assert as_a_range.materialize(days[0], days[-1]).success
        # Mail is about a run's newest day only.
        mail_of_older_days = {f"report {mail_html_key(day)}" for day in days[:-1]}
        assert set(changed(first_time, published(as_a_range))) == mail_of_older_days


def test_an_order_that_the_month_before_has_too_is_told_in_a_range_as_well(stack: Stack) -> None:
    january, february = date(2024, 1, 31), date(2024, 2, 1)
    world = World(
        ads={day: [campaign("CMP-1", day)] for day in (january, february)},
        customers=[("C-1", LONG_AGO, None, "Google")],
        sales=[("O-1", "C-1", january, Decimal(10)), ("O-1", "C-1", february, Decimal(10))],
    )
    stack.load(world)
    result = stack.materialize(january, february, select='key:"raw_sales"+1')
    assert check_of(stack, result, "repeated_orders", january)[0]
    assert check_of(stack, result, "repeated_orders", february)[:2] == (False, "WARN")


def test_a_past_day_is_what_it_was_after_the_sources_have_grown(stack: Stack) -> None:
    world = hand_worked_world()
    world.ads[TOMORROW] = [campaign("CMP-1", TOMORROW)]
    stack.load(world)
    assert stack.materialize(YESTERDAY, TOMORROW).success
    before = published(stack)
    later = date(2024, 2, 3)
    world.ads[later] = [campaign("CMP-8", later, acquisition_channel="Other")]
    world.customers.append(("C-6", later, None, "Referral"))
    world.orders += [("CO-6", "C-1", Decimal("70.00"), later), ("CO-7", "C-6", Decimal("70.00"), later)]
    world.sales += [
        ("O-7", "C-1", date(2024, 1, 31), Decimal("70.00")),
        ("O-2", "C-1", date(2024, 1, 31), Decimal("300.00")),
        ("O-8", "C-6", later, Decimal("70.00")),
    ]
    stack.load(world)
    assert stack.materialize(YESTERDAY, TOMORROW).success
    assert changed(before, published(stack)) == []


def test_a_window_with_a_gap_says_so_until_the_gap_is_filled(stack: Stack) -> None:
    days = days_between(YESTERDAY, TOMORROW)
    world = hand_worked_world()
    world.ads[TOMORROW] = [campaign("CMP-1", TOMORROW)]
    expected = Arithmetic(world)
    stack.load(world)
    stack.materialize(YESTERDAY)
    with_gap = stack.materialize(TOMORROW)
    assert_as_the_arithmetic_says(stack, expected, [YESTERDAY, TOMORROW])
    passed, severity, told = check_of(stack, with_gap, "window_complete", TOMORROW)
    assert (passed, severity) == (False, "WARN")
    assert str(DAY) in told
    assert [row["days_covered"] for row in of_day(stack.mart("mart_daily_summary"), TOMORROW)] == [1, 2, 2, 2]
    stack.materialize(DAY)
    stack.materialize(TOMORROW, select="channel_kpis+")
    assert_as_the_arithmetic_says(stack, expected, days)


def test_sales_that_are_not_reported_yet_are_unknown_and_not_zero(stack: Stack) -> None:
    world = hand_worked_world()
    world.sales = [sale for sale in world.sales if sale[2] == YESTERDAY]
    stack.load(world)
    stack.materialize(YESTERDAY)
    result = stack.materialize(DAY)
    assert result.success
    assert assets_of(result) >= DOWNSTREAM["sales"]
    assert check_of(stack, result, "sales_reported", DAY)[:2] == (False, "WARN")
    assert {row["sales_reported"] for row in of_day(stack.mart("mart_channel_merged"), DAY)} == {False}
    kpis = stack.mart("mart_channel_kpi")
    assert {(row["roas"], row["nroas"]) for row in of_day(kpis, DAY)} == {(None, None)}
    assert [row["roas"] for row in of_day(kpis, YESTERDAY, window_days=1, channel="Facebook")] == [200.0]
    summary = of_day(stack.mart("mart_daily_summary"), DAY)
    assert [(row["days_covered"], row["sales_days_covered"]) for row in summary] == [(1, 0), (2, 1), (2, 1), (2, 1)]
    assert {(row["overall_roas"], row["paid_roas"], row["best_channel"]) for row in summary} == {(None, None, None)}
    report = stack.reports.read(f"reports/daily/2024/01/marketing_report_{DAY}.txt").decode()
    assert f"sales / sales_reported: No sales file reaches {DAY} yet" in report
    assert_as_the_arithmetic_says(stack, Arithmetic(world), [YESTERDAY, DAY])
    stack.load(hand_worked_world())
    stack.materialize(DAY)
    assert_as_worked_by_hand(stack)


def test_two_hundred_campaigns_are_four_requests(stack: Stack) -> None:
    world = hand_worked_world()
    world.ads[DAY] = [campaign(f"CMP-{number}", DAY, cost=0.1) for number in range(200)]
    stack.load(world)
    assert stack.materialize(DAY).success
    assert [request.query["page"] for request in stack.ads.report_requests] == ["1", "2", "3", "4"]
    assert [row["ad_cost"] for row in of_day(stack.mart("mart_channel_merged"), DAY, channel="Google")] == [
        Decimal("20.00")
    ]


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good_day(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with DAY published; each test breaks its sources anew."""
    with (
        pytest.MonkeyPatch.context() as environment,
        running_stack(databases, tmp_path_factory.mktemp("good-day"), environment) as running,
    ):
        running.load(hand_worked_world())
        assert running.materialize(DAY).success
        yield running


@pytest.fixture
def broken(good_day: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The stack with DAY published, whole again."""
    for name, value in good_day.settings.items():
        monkeypatch.setenv(name, value)
    good_day.load(hand_worked_world())
    good_day.ads.valid_tokens = {"token-0"}
    return good_day


def lose_the_months_file(stack: Stack) -> None:
    stack.sales.root.joinpath("sales_2024-01.csv").unlink()


def lose_the_days_ads(stack: Stack) -> None:
    stack.ads.campaigns = {YESTERDAY: [campaign("CMP-1", YESTERDAY)]}


def lose_the_customers(stack: Stack) -> None:
    run_sql(stack.crm_url, "TRUNCATE customers")


def revoke_the_token(stack: Stack) -> None:
    stack.ads.revoke_tokens()


@pytest.mark.parametrize(
    ("harm", "source", "words"),
    [
        (lose_the_months_file, "sales", ["sales_2024-01.csv", "no such file", "SALES_REPORTS_URI"]),
        (lose_the_days_ads, "ads", [f"Expected campaign rows of {DAY}", "found none"]),
        (lose_the_customers, "crm", [f"no customer acquired on or before {DAY}", "CRM_DATABASE_URL"]),
        (revoke_the_token, "ads", ["HTTP 401", "ADS_ACCESS_TOKEN"]),
    ],
)
def test_a_source_that_fails_is_one_clear_error_and_nothing_changes(
    broken: Stack, harm: Callable[[Stack], None], source: str, words: list[str]
) -> None:
    before = published(broken)
    harm(broken)
    result = broken.materialize(DAY)
    assert not result.success
    failed, message = only_error(result)
    assert failed == f"raw_{source}"
    assert [word for word in words if word not in message] == []
    assert assets_of(result) & {f"raw_{source}", f"validated_{source}", *DOWNSTREAM[source]} == set()
    assert changed(before, published(broken)) == []


def test_missing_settings_are_all_named_at_once_before_any_source_is_read(
    broken: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, asked = published(broken), len(broken.ads.requests)
    for name in ("ADS_ACCESS_TOKEN", "CRM_DATABASE_URL", "LAKE_URI"):
        monkeypatch.delenv(name)
    result = broken.materialize(DAY)
    assert not result.success
    for message in errors_of(result).values():
        assert "Missing settings: ADS_ACCESS_TOKEN" in message
        assert "CRM_DATABASE_URL, LAKE_URI. Set them" in message
    assert assets_of(result) == set()
    assert len(broken.ads.requests) == asked
    assert changed(before, published(broken)) == []


def let_a_customer_come_twice(stack: Stack) -> None:
    run_sql(stack.crm_url, "INSERT INTO customers SELECT * FROM customers WHERE customer_id = 'C-1'")


def let_a_campaign_lose_its_id(stack: Stack) -> None:
    stack.ads.campaigns[DAY].append(campaign(None, DAY))


@pytest.mark.parametrize(
    ("harm", "source", "words"),
    [
        (let_a_customer_come_twice, "crm", "customer_id is unique"),
        (let_a_campaign_lose_its_id, "ads", "campaign_id is never null"),
    ],
)
def test_data_that_fail_critically_are_not_published(
    broken: Stack, harm: Callable[[Stack], None], source: str, words: str
) -> None:
    before = published(broken)
    harm(broken)
    result = broken.materialize(DAY)
    assert not result.success
    failed, message = only_error(result)
    assert failed == f"validated_{source}"
    assert words in message
    passed, severity, description = check_of(broken, result, f"{source}_suite", DAY)
    assert (passed, severity) == (False, "ERROR")
    assert words in description
    assert (f"raw_{source}", str(DAY)) in materialized(result)
    assert assets_of(result) & {f"validated_{source}", *DOWNSTREAM[source]} == set()
    tell_of_attempts = ("lake raw_", f"report quality/{DAY}/")
    assert [place for place in changed(before, published(broken)) if not place.startswith(tell_of_attempts)] == []


def test_in_a_range_only_the_bad_day_is_not_published(stack: Stack) -> None:
    world = hand_worked_world()
    world.ads[TOMORROW] = [campaign("CMP-1", TOMORROW)]
    world.ads[DAY].append(campaign(None, DAY))
    stack.load(world)
    result = stack.materialize(YESTERDAY, TOMORROW)
    assert not result.success
    failed, message = only_error(result)
    assert failed == "validated_ads"
    assert f"1 of 3 days.\\n{DAY}: ads_suite" in message
    days = {str(day): day for day in (YESTERDAY, TOMORROW)}
    assert {day for asset, day in materialized(result) if asset == "validated_ads"} == set(days)
    assert stack.lake.keys("validated_ads/") == [f"validated_ads/date={day}/part-0.parquet" for day in days]
    severities = {day: check_of(stack, result, "ads_suite", day)[:2] for day in world.ads}
    assert severities[DAY] == (False, "ERROR")
    assert (severities[YESTERDAY][0], severities[TOMORROW][0]) == (True, True)
    assert stack.materialize(TOMORROW, select="channel_merged*").success
    assert {row["date"] for row in stack.mart("mart_channel_merged")} == {TOMORROW}


def test_a_warning_lets_the_day_pass_and_is_told(stack: Stack) -> None:
    world = hand_worked_world()
    world.ads[DAY].append(campaign("CMP-4", DAY, acquisition_channel="Google", cost=-50))
    stack.load(world)
    result = stack.materialize(DAY)
    assert result.success
    passed, severity, told = check_of(stack, result, "ads_suite", DAY)
    assert (passed, severity) == (False, "WARN")
    assert "CMP-4" in told
    [google] = of_day(stack.mart("mart_channel_merged"), DAY, channel="Google")
    assert google["ad_cost"] == Decimal("150.00")
    report = stack.reports.read(f"reports/daily/2024/01/marketing_report_{DAY}.txt").decode()
    assert "ads 8/9, crm 5/5, sales 7/7" in report
    assert "ads / ads_suite: ads 8/9. Not met: cost ≥ 0" in report


def test_a_day_of_unusual_size_is_told_alike_alone_and_in_a_range(stack: Stack) -> None:
    days = days_between(date(2024, 1, 1), date(2024, 1, 16))
    last = days[-1]
    ads = {day: [campaign("CMP-1", day, clicks=10_000, impressions=20_000, cost=10_000)] for day in days}
    ads[last] = [campaign("CMP-1", last, clicks=10_000, impressions=20_000, cost=5000)]
    stack.load(World(ads, [("C-1", LONG_AGO, None, "Google")]))
    in_a_range = stack.materialize(days[0], last)
    assert in_a_range.success
    assert [day for day in days if not check_of(stack, in_a_range, "unusual_volume", day)[0]] == [last]
    told = check_of(stack, in_a_range, "unusual_volume", last)
    assert told[:2] == (False, "WARN")
    assert told[2].startswith("Unusual for a Tuesday: ad_cost 5,000, expected 6,400 to 14,400. Look at the ads account")
    report = stack.reports.read(f"reports/daily/2024/01/marketing_report_{last}.txt").decode()
    assert f"marts / unusual_volume: {told[2]}" in report
    before = published(stack)
    alone = stack.materialize(last)
    assert check_of(stack, alone, "unusual_volume", last) == told
    assert changed(before, published(stack)) == []


# --- privacy ------------------------------------------------------------------------------------------------------


def everything_stored(stack: Stack) -> dict[str, str]:
    """Collect all that the platform keeps, as text: lake files raw and decoded, reports, marts, every run's events."""
    told = {place: data.decode("latin-1") for place, data in stack.files().items()}
    told |= {f"rows of {place}": str(pl.read_parquet(data).to_dicts()) for place, data in stack.files().items()}
    told |= {place: _decoded(place, data) for place, data in report_files(stack).items()}
    told |= {table: str(stack.mart(table)) for table in MARTS}
    for run in stack.instance.get_runs():
        told |= {
            f"event {number} of {run.run_id}": record.to_json()
            for number, record in enumerate(stack.instance.all_logs(run.run_id))
        }
    return told


def _decoded(key: str, data: bytes) -> str:
    if not key.endswith(".xlsx"):
        return data.decode("latin-1")
    with ZipFile(io.BytesIO(data)) as workbook:
        return "".join(workbook.read(name).decode() for name in workbook.namelist())


def test_names_mail_addresses_and_secrets_are_nowhere(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    world = hand_worked_world()
    stack.load(world)
    header = "order_id,customer_id,customer_name,email,order_date,revenue,product_category\n"
    lines = [
        f"{order},{customer},Hanako Secretname,hanako@secret.example,{day},{revenue},books\n"
        for order, customer, day, revenue in world.sales
    ]
    stack.sales.write("sales_2024-01.csv", "".join([header, *lines]).encode())
    assert stack.materialize(DAY).success
    for harm in (let_a_customer_come_twice, let_a_campaign_lose_its_id, revoke_the_token):
        harm(stack)
        assert not stack.materialize(DAY).success
    run_sql(stack.crm_url, "ALTER TABLE orders DROP COLUMN revenue")
    assert not stack.materialize(DAY, select="raw_crm").success
    stack.sales.write("sales_2024-01.csv", "".join(["order_id;customer_name\n", *lines]).encode())
    assert not stack.materialize(DAY, select="raw_sales").success
    stored = everything_stored(stack) | {"log": "".join(capfd.readouterr())}
    assert "C-1" in stored[f"rows of customer_detail/date={DAY}/part-0.parquet"]
    assert any("customer_id is unique" in text for place, text in stored.items() if place.startswith("event"))
    assert run_sql(stack.crm_url, "SELECT DISTINCT customer_name, email FROM customers") == [
        ("Hanako Secretname", "hanako@secret.example")
    ]
    for secret in ("secretname", "hanako", "secret.example", "token-0"):
        assert [place for place, text in stored.items() if secret in text.lower()] == []
