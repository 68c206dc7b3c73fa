"""SQL, shell, markup, formulas and paths in every text of every source: they come out as the texts they are."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from marketing_assets_tests.support.ads_server import campaign
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.stack import Stack, running_stack
from marketing_assets_tests.support.world import World

DAY = date(2024, 1, 15)
SCRIPT = "<script>alert(1)</script>"
MARTS = ["mart_channel_merged", "mart_channel_kpi", "mart_daily_summary"]


def hostile_texts(folder: Path) -> list[str]:
    """Texts that would leave a file in the folder, drop a mart or run in a browser, if anything ran them."""
    return [
        "../../../../../../file-that-fled",
        "/file-that-fled/part-0.parquet",
        "date=2024-01-16/part-0",
        f"$(touch {folder}/file-that-fled)",
        f"`touch {folder}/file-that-fled`; touch {folder}/file-that-fled #",
        *(f"'); DROP TABLE marketing.{mart} CASCADE; --" for mart in MARTS),
        f'" onload="alert(1)" {SCRIPT}',
        '=HYPERLINK("http://evil.example","x")',
        "{{ 7 * 7 }} {0} %s %(name)s ${HOME} *bold* | cell",
        "<!channel> & co",
        "長" * 500,
        "\u202egpj.exe",
    ]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return hostile_texts(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def stack(databases: Databases, tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> Iterator[Stack]:
    """A day whose campaigns, customers and orders are made of hostile texts: the n-th costs n and earns 10 n."""
    with (
        pytest.MonkeyPatch.context() as environment,
        running_stack(databases, tmp_path_factory.mktemp("hostile"), environment) as running,
    ):
        running.load(
            World(
                ads={
                    DAY: [
                        campaign(text, DAY, campaign_name=text, acquisition_channel=text, cost=number, **{text: text})
                        for number, text in enumerate(texts, start=1)
                    ]
                },
                customers=[(text, DAY, text, text) for text in texts],
                orders=[(text, text, Decimal(number), DAY) for number, text in enumerate(texts, start=1)],
            )
        )
        running.write_sales(
            DAY.replace(day=1),
            [[text, text, str(DAY), str(10 * number), text] for number, text in enumerate(texts, start=1)],
        )
        result = running.materialize(DAY)
        assert result.success
        yield running


def test_the_marts_are_right(stack: Stack, texts: list[str]) -> None:
    merged = {row["channel"]: row for row in stack.mart("mart_channel_merged")}
    figures = ("ad_cost", "new_customers", "period_revenue", "period_orders", "total_ltv")
    assert {channel: tuple(row[name] for name in figures) for channel, row in merged.items()} == {
        text: (number, 1, 10 * number, 1, number) for number, text in enumerate(texts, start=1)
    }
    assert len(stack.mart("mart_channel_kpi")) == 4 * len(texts)
    [total] = [row for row in stack.mart("mart_daily_summary") if row["window_days"] == 1]
    assert total["total_ad_cost"] == sum(range(len(texts) + 1))


def test_every_text_is_kept_as_it_came(stack: Stack, texts: list[str]) -> None:
    def column(table: str, name: str) -> list[str]:
        return pl.read_parquet(stack.lake.read(f"{table}/date={DAY}/part-0.parquet"))[name].to_list()

    for name in ("campaign_id", "campaign_name", "acquisition_channel"):
        assert sorted(column("validated_ads", name)) == sorted(texts)
    for name in ("customer_id", "acquisition_source", "acquisition_channel"):
        assert sorted(column("validated_crm", name)) == sorted(texts)
    for name in ("order_id", "customer_id", "product_category"):
        assert sorted(column("validated_sales", name)) == sorted(texts)


def test_no_file_is_outside_of_its_folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert not [path for path in tmp_path_factory.getbasetemp().rglob("*") if "file-that-fled" in path.name]
    assert not Path("/file-that-fled").exists()
    tables = [f"{stage}_{source}" for stage in ("raw", "validated") for source in ("ads", "crm", "sales")]
    tables += ["customer_detail", "quarantine/ads", "quarantine/sales"]
    month = "quarantine/raw_sales/month=2024-01/part-0.parquet"
    assert set(stack.files()) - {month} == {f"{table}/date={DAY}/part-0.parquet" for table in tables}


def test_pages_show_markup_as_text(stack: Stack) -> None:
    pages = {key: stack.reports.read(key).decode() for key in stack.reports.keys() if key.endswith(".html")}  # noqa: SIM118
    assert [key for key, page in pages.items() if SCRIPT in page or 'onload="alert(1)"' in page] == []
    shown = pages[f"reports/daily/2024/01/marketing_report_{DAY}.html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "{{ 7 * 7 }}" in shown


def test_spreadsheets_run_no_formula(stack: Stack) -> None:
    lines = stack.reports.read(f"data/kpi/2024/01/channel_kpi_{DAY}.csv").decode("utf-8-sig").splitlines()
    assert any("'=HYPERLINK" in line for line in lines)
    assert not any(",=" in line or ',"=' in line for line in lines)
