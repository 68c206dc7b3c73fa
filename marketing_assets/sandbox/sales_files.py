"""The sales department's monthly CSVs: the world's orders, spelled the way people in Excel spell them.

Each month has its own layout, each day a few rows that cannot be used, at most one in 25. A file grows day by day: what
it said about earlier days stays as it is.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import TypeVar

from marketing_assets.sandbox.world import CATEGORIES, ZONE, Order, World, days_between


def _era_date(day: date) -> str:
    return f"令和{day.year - 2018}年{day.month}月{day.day}日"


def _iso_date(day: date) -> str:
    return day.isoformat()


def _slashed_date(day: date) -> str:
    return f"{day.year}/{day.month}/{day.day}"


def _japanese_date(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _compact_date(day: date) -> str:
    return f"{day:%Y%m%d}"


def _full_width(text: str) -> str:
    return text.translate({ord(digit): ord(digit) - ord("0") + ord("０") for digit in "0123456789"})


def _plain(amount: int) -> str:
    return str(amount)


def _backslash_yen(amount: int) -> str:
    """Spell the yen sign as CP932 knows it: the byte that is a backslash elsewhere."""
    return f"\\{amount:,}" if amount >= 0 else f"-\\{-amount:,}"


def _yen(amount: int) -> str:
    return f"¥{amount:,}" if amount >= 0 else f"({-amount:,})"


def _full_width_yen(amount: int) -> str:
    return f"￥{_full_width(f'{amount:,}')}" if amount >= 0 else f"▲{-amount:,}"


def _with_unit(amount: int) -> str:
    return f"{amount:,}円" if amount >= 0 else f"▲{-amount:,}円"


def _full_width_digits(amount: int) -> str:
    return _full_width(str(amount)) if amount >= 0 else f"▲{_full_width(str(-amount))}"


@dataclass(frozen=True)
class Layout:
    """How one month's file is written; of several spellings the first is the usual one."""

    encoding: str
    delimiter: str
    header: tuple[str, str, str, str, str, str]
    dates: tuple[Callable[[date], str], ...]
    amounts: tuple[Callable[[int], str], ...]


LAYOUTS = (
    Layout(
        "utf-8-sig",
        ",",
        ("order_id", "customer_id", "order_date", "revenue", "product_category", "memo"),
        (_iso_date, _slashed_date),
        (_plain, _yen),
    ),
    Layout(
        "cp932",
        ",",
        ("注文ID", "顧客ID", "注文日", "売上", "商品カテゴリ", "備考"),
        (_slashed_date, _japanese_date, _era_date),
        (_backslash_yen, _full_width_yen, _full_width_digits),
    ),
    Layout(
        "utf-8",
        "\t",
        ("注文番号", "顧客番号", "注文日", "売上金額", "カテゴリ", "備考"),
        (_japanese_date, _era_date, _slashed_date),
        (_with_unit, _yen, _full_width_yen),
    ),
    Layout(
        "cp932",
        ";",
        ("注文番号", "顧客ID", "注文日", "金額", "商品カテゴリ", "備考"),
        (_compact_date, _slashed_date, _era_date),
        (_full_width_digits, _with_unit, _plain),
    ),
)

_NOTES = ("", "", "", "", "ギフト包装", "店頭受取", "配送, 午前指定")
_FLAWS = ("missing_order_id", "missing_customer_id", "missing_revenue", "unreadable_revenue", "duplicate_order_id")
_ROWS_PER_FLAW = 25

_Spelling = TypeVar("_Spelling")


@dataclass(frozen=True)
class SalesRow:
    """One row of the file, as text; `flaw` is the reason for which it cannot be used, None if it can."""

    order_id: str
    customer_id: str
    order_date: str
    revenue: str
    category: str
    memo: str
    flaw: str | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as the file has it."""
        return (self.order_id, self.customer_id, self.order_date, self.revenue, self.category, self.memo)


def layout_of(month: date) -> Layout:
    """Return the layout of a month's file; neighbouring months differ."""
    return LAYOUTS[(month.year * 12 + month.month) % len(LAYOUTS)]


def rows_on(world: World, day: date) -> list[SalesRow]:
    """Return the rows that the sales department adds for one day, unusable ones included."""
    layout = layout_of(day)
    random = world.random("sales", day)
    sales = [*world.orders_on(day), *_sales_to_strangers(day, random)]
    rows = [_row(sale, layout, random) for sale in sales]
    flaws = min(random.choices((0, 1, 2), weights=(50, 35, 15))[0], len(rows) // _ROWS_PER_FLAW)
    for index in random.sample(range(len(rows)), flaws):
        flaw = random.choice(_FLAWS)
        if flaw == "duplicate_order_id":
            rows.append(replace(rows[index], flaw=flaw))
        else:
            rows[index] = _flawed(rows[index], flaw, random)
    return [*rows, *_returns(sales, layout, random), *_misdated(day, layout, random)]


def month_file(world: World, month: date, through: date) -> bytes:
    """Return the bytes of one month's file with the rows up to a day: header first, CRLF line ends."""
    layout = layout_of(month)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=layout.delimiter)
    writer.writerow(layout.header)
    for day in days_between(max(month.replace(day=1), world.first_day), min(_last_day(month), through)):
        writer.writerows(row.cells for row in rows_on(world, day))
    return text.getvalue().encode(layout.encoding)


def write_files(world: World, folder: Path, through: date) -> None:
    """Write `sales_YYYY-MM.csv` for every month of the world up to a day; whole files, past months only once."""
    folder.mkdir(parents=True, exist_ok=True)
    month = world.first_day.replace(day=1)
    while month <= through:
        path = folder / f"sales_{month:%Y-%m}.csv"
        next_month = _last_day(month) + timedelta(days=1)
        successor = folder / f"sales_{next_month:%Y-%m}.csv"
        if not (path.exists() and successor.exists()):
            part = path.with_suffix(".part")
            part.write_bytes(month_file(world, month, through))
            part.replace(path)
        month = next_month


def _last_day(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def _row(sale: Order, layout: Layout, random: Random) -> SalesRow:
    return SalesRow(
        order_id=sale.order_id,
        customer_id=sale.customer_id if random.random() < 0.98 else f"　{_full_width(sale.customer_id)} ",
        order_date=_one_of(layout.dates, random)(sale.ordered_at.date()),
        revenue=_one_of(layout.amounts, random)(sale.revenue),
        category=sale.category,
        memo=random.choice(_NOTES),
    )


def _one_of(spellings: tuple[_Spelling, ...], random: Random) -> _Spelling:
    """Choose the usual spelling four times in five."""
    return spellings[0] if random.random() < 0.8 else random.choice(spellings[1:])


def _sales_to_strangers(day: date, random: Random) -> list[Order]:
    """Draw shop sales of members whom the CRM does not know."""
    return [
        Order(
            order_id=f"POS-{day:%Y%m%d}-{number:02d}",
            customer_id=f"M{random.randrange(10_000, 100_000)}",
            revenue=random.randrange(1_000, 8_000, 10),
            ordered_at=_noon(day),
            category=random.choice(CATEGORIES),
        )
        for number in range(1, random.choices((0, 1, 2, 3), weights=(20, 40, 30, 10))[0] + 1)
    ]


def _flawed(row: SalesRow, flaw: str, random: Random) -> SalesRow:
    match flaw:
        case "missing_order_id":
            return replace(row, order_id="", flaw=flaw)
        case "missing_customer_id":
            return replace(row, customer_id="", flaw=flaw)
        case "missing_revenue":
            return replace(row, revenue="", flaw=flaw)
        case _:
            return replace(row, revenue=random.choice(("確認中", "要見積", "#N/A")), flaw=flaw)


def _returns(sales: list[Order], layout: Layout, random: Random) -> list[SalesRow]:
    """Spell goods that came back: rows of their own, with negative revenue."""
    returned = [sale for sale in sales if random.random() < 0.015]
    return [
        replace(
            _row(replace(sale, order_id=f"RET-{sale.order_id}", revenue=-sale.revenue), layout, random),
            flaw="negative_revenue",
        )
        for sale in returned
    ]


def _misdated(day: date, layout: Layout, random: Random) -> list[SalesRow]:
    """Spell, on some days, a row that belongs to no day of the month: undated, or of an earlier month."""
    chance = random.random()
    if chance > 0.12:
        return []
    # Ordered by telephone, typed in by hand.
    order = Order(f"TEL-{day:%Y%m%d}-01", f"M{random.randrange(10_000, 100_000)}", 4_800, _noon(day), CATEGORIES[0])
    row = _row(order, layout, random)
    if chance > 0.09:
        return [replace(row, order_date=layout.dates[0](day - timedelta(days=40)), flaw="outside_month")]
    return [replace(row, order_date=random.choice(("", "未定", "確認中")), flaw="unreadable_date")]


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), ZONE)
