import csv
import io
import unicodedata
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from marketing_assets.sandbox.sales_files import LAYOUTS, layout_of, month_file, rows_on, write_files
from marketing_assets.sandbox.world import World, days_between
from marketing_assets.sources.japanese_text import parse_amounts, parse_days

NOT_OF_THE_DAY = {"unreadable_date", "outside_month"}


def read_plainly(data: bytes, month: date) -> list[dict[str, str]]:
    layout = layout_of(month)
    return list(csv.DictReader(io.StringIO(data.decode(layout.encoding), newline=""), delimiter=layout.delimiter))


@pytest.mark.parametrize(
    ("month", "encoding", "header"),
    [
        (
            date(2025, 12, 1),
            "utf-8-sig",
            b"\xef\xbb\xbforder_id,customer_id,order_date,revenue,product_category,memo\r\n",
        ),
        (date(2026, 1, 1), "cp932", "注文ID,顧客ID,注文日,売上,商品カテゴリ,備考\r\n".encode("cp932")),
        (date(2026, 2, 1), "utf-8", "注文番号\t顧客番号\t注文日\t売上金額\tカテゴリ\t備考\r\n".encode()),
        (date(2026, 3, 1), "cp932", "注文番号;顧客ID;注文日;金額;商品カテゴリ;備考\r\n".encode("cp932")),
    ],
)
def test_each_month_has_its_own_layout(world: World, month: date, encoding: str, header: bytes):
    data = month_file(world, month, through=month + timedelta(days=6))

    assert data.startswith(header)
    assert layout_of(month).encoding == encoding
    rows = read_plainly(data, month)
    assert len(rows) == sum(len(rows_on(world, month + timedelta(days=offset))) for offset in range(7))
    assert all(None not in row and None not in row.values() for row in rows)  # as many cells as the header has


def test_the_yen_sign_of_cp932_is_a_backslash_byte(world: World):
    assert b'"\\' in month_file(world, date(2026, 1, 1), through=date(2026, 1, 31))


def test_a_sound_row_says_what_the_order_was_however_it_is_spelled(world: World):
    for month in (date(2025, 12, 9), date(2026, 1, 9), date(2026, 2, 9), date(2026, 3, 9)):
        orders = {order.order_id: order for order in world.orders_on(month)}
        rows = [row for row in rows_on(world, month) if row.flaw is None and row.order_id in orders]
        assert len(rows) > 0.9 * len(orders)

        days = parse_days(pl.Series([row.order_date for row in rows]))
        amounts = parse_amounts(pl.Series([row.revenue for row in rows]))
        customers = [unicodedata.normalize("NFKC", row.customer_id).strip() for row in rows]

        assert set(days) == {month}
        assert [int(amount) for amount in amounts] == [orders[row.order_id].revenue for row in rows]
        assert customers == [orders[row.order_id].customer_id for row in rows]


def test_some_sales_are_to_customers_whom_the_crm_does_not_know(world: World):
    sales = [row for day in days_between(date(2026, 1, 1), date(2026, 1, 31)) for row in rows_on(world, day)]

    strangers = [row for row in sales if row.order_id.startswith("POS-")]

    assert 15 < len(strangers) < 80
    assert all(
        "M" in row.customer_id or "Ｍ" in row.customer_id or row.flaw == "missing_customer_id" for row in strangers
    )


def test_every_flaw_occurs_and_no_day_has_more_than_one_unusable_row_in_25(world: World):
    flaws: Counter[str | None] = Counter()
    for day in days_between(date(2025, 5, 1), date(2026, 3, 31)):
        rows = [row for row in rows_on(world, day) if row.flaw not in NOT_OF_THE_DAY]
        unusable = [row for row in rows if row.flaw not in {None, "negative_revenue"}]
        assert len(unusable) * 25 <= len(rows)
        flaws.update(row.flaw for row in rows_on(world, day))

    assert set(flaws) == {
        None,
        "missing_order_id",
        "missing_customer_id",
        "missing_revenue",
        "unreadable_revenue",
        "duplicate_order_id",
        "negative_revenue",
        "unreadable_date",
        "outside_month",
    }
    assert flaws["unreadable_date"] + flaws["outside_month"] < 0.01 * flaws.total()


def test_a_flawed_row_is_flawed_the_way_it_says(world: World):
    rows = [row for day in days_between(date(2025, 12, 1), date(2026, 3, 31)) for row in rows_on(world, day)]
    ids = Counter(row.order_id for row in rows if row.order_id)

    assert all((row.order_id == "") == (row.flaw == "missing_order_id") for row in rows)
    assert all((row.customer_id == "") == (row.flaw == "missing_customer_id") for row in rows)
    assert all((row.revenue == "") == (row.flaw == "missing_revenue") for row in rows)
    assert {order_id for order_id, count in ids.items() if count > 1} == {
        row.order_id for row in rows if row.flaw == "duplicate_order_id"
    }
    assert all(row.order_id.startswith("RET-") == (row.flaw == "negative_revenue") for row in rows)


def test_a_later_start_adds_days_and_changes_nothing_that_was_there(world: World, tmp_path: Path):
    write_files(world, tmp_path, through=date(2026, 1, 20))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    write_files(world, tmp_path, through=date(2026, 2, 3))
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert sorted(set(after) - set(before)) == ["sales_2026-02.csv"]
    for name, data in before.items():
        assert after[name].startswith(data)
    assert len(after["sales_2026-01.csv"]) > len(before["sales_2026-01.csv"])
    assert after["sales_2025-12.csv"] == before["sales_2025-12.csv"]
    assert after["sales_2026-01.csv"] == month_file(world, date(2026, 1, 1), through=date(2026, 1, 31))


def test_starting_again_on_the_same_day_changes_nothing(world: World, tmp_path: Path):
    write_files(world, tmp_path, through=date(2026, 1, 20))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    write_files(World("test", date(2025, 5, 1)), tmp_path, through=date(2026, 1, 20))

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert sorted(before) == [f"sales_2025-{month:02d}.csv" for month in range(5, 13)] + ["sales_2026-01.csv"]


def test_the_first_month_starts_with_the_company(tmp_path: Path):
    write_files(World("test", date(2026, 1, 30)), tmp_path, through=date(2026, 2, 1))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["sales_2026-01.csv", "sales_2026-02.csv"]
    assert len(LAYOUTS) == 4
