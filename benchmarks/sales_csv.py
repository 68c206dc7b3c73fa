"""Reading a big month's sales CSV: the platform against the straightforward pandas way, and a day of it."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Bench, alternate, call
from benchmarks.table import Line, Target

MONTH = date(2024, 1, 1)
DAY = date(2024, 1, 17)
FILE_NAME = "sales_2024-01.csv"

_HEADER = "注文番号,顧客番号,注文日,売上金額,カテゴリ\r\n"
_CHUNK = 500_000


def make_month(folder: Path, row_count: int) -> None:
    """Write a month as a Japanese sales department exports it: CP932, sorted by day, with a person's dirt.

    The same rows every time. Of 1,000 rows about 10 have no readable date, 5 lack an id, 10 repeat an earlier order,
    20 write their order id in full-width characters and 300 their amount in another form than plain digits.
    """
    with (folder / FILE_NAME).open("wb") as file:
        file.write(_HEADER.encode("cp932"))
        for start in range(0, row_count, _CHUNK):
            file.write(_make_rows(start, min(start + _CHUNK, row_count), row_count).encode("cp932"))


def _make_rows(start: int, stop: int, row_count: int) -> str:
    """Return the lines of some rows of a month of `row_count`."""
    import polars as pl

    row = pl.col("row")

    def draw(count: int, multiplier: int) -> pl.Expr:
        """Draw one of so many numbers for each row: scattered, yet the same every time."""
        return row * multiplier % (1 << 32) * count // (1 << 32)

    id_dirt = draw(1000, 2_654_435_761)
    repeats = (draw(100, 2_246_822_519) == 0) & (row >= 1000)
    # The repeated order is one of the last thousand: mostly of the same day, now and then of the day before.
    number = pl.when(repeats).then(row - 1 - draw(1000, 3_266_489_917)).otherwise(row)
    order_id = pl.format("ORD-{}", number.cast(pl.String).str.zfill(9))
    customer_id = pl.format("C{}", draw(2_000_000, 668_265_263).cast(pl.String).str.zfill(7))
    day = row * 31 // row_count + 1
    amount = draw(99_900, 374_761_393) + 100
    thousands, units = amount // 1000, (amount % 1000).cast(pl.String).str.zfill(3)
    grouped = pl.when(thousands > 0).then(pl.format("{},{}", thousands, units)).otherwise(amount.cast(pl.String))
    spelled = _choose(
        draw(100, 1_274_126_177),
        (5, pl.format("\\{}", grouped)),  # CP932 writes the yen sign with the byte of a backslash
        (10, pl.format("￥{}", grouped)),
        (20, pl.format("{}円", grouped)),
        (23, _widen(amount.cast(pl.String))),
        (25, pl.format("▲{}", grouped)),
        (27, pl.format("({})", grouped)),
        (30, grouped),
        otherwise=amount.cast(pl.String),
    )
    revenue = pl.when(spelled.str.contains(",")).then(pl.format('"{}"', spelled)).otherwise(spelled)
    two_digits = day.cast(pl.String).str.zfill(2)
    order_date = _choose(
        draw(100, 3_624_381_081),
        (1, pl.lit("不明")),
        (30, pl.format("2024/1/{}", day)),
        (40, pl.format("2024年1月{}日", day)),
        (45, pl.format("202401{}", two_digits)),
        (50, pl.format("令和6年1月{}日", day)),
        (55, _widen(pl.format("2024/1/{}", day))),
        otherwise=pl.format("2024-01-{}", two_digits),
    )
    category = draw(3, 2_869_860_233)
    lines = pl.DataFrame({"row": pl.int_range(start, stop, eager=True)}).select(
        line=pl.format(
            "{},{},{},{},{}\r\n",
            _choose(id_dirt, (3, pl.lit("")), (23, _widen(order_id)), otherwise=order_id),
            pl.when(id_dirt < 998).then(customer_id).otherwise(pl.lit("")),
            order_date,
            revenue,
            _choose(category, (1, pl.lit("食品")), (2, pl.lit("表計算ソフト")), otherwise=pl.lit("Books")),
        )
    )
    return "".join(lines["line"].to_list())


def _choose(number: Any, *below: tuple[int, Any], otherwise: Any) -> Any:
    """Take the first value whose bound the number is below."""
    import polars as pl

    choice: Any = pl
    for bound, value in below:
        choice = choice.when(number < bound).then(value)
    return choice.otherwise(otherwise)


def _widen(text: Any) -> Any:
    """Turn ASCII into full-width characters."""
    narrow = [chr(code) for code in range(0x21, 0x7F)]
    return text.str.replace_many(narrow, [chr(ord(character) + 0xFEE0) for character in narrow])


def measure(bench: Bench) -> Iterator[Line]:
    """Yield the whole month against pandas, and one day of it against the whole."""
    row_count = 200_000 if bench.small else 10_000_000
    bench.say(f"making a month of {row_count:,} rows")
    make_month(bench.folder, row_count)
    sides = {"ours": "whole_month", "one day": "one_day", "pandas": "pandas"}
    whole, day, pandas = alternate(
        {
            name: partial(call, f"benchmarks.sales_csv:prepare_{side}", bench.folder, shop=str(bench.folder))
            for name, side in sides.items()
        },
        bench.tries,
        bench.say,
    )
    yield Line(
        f"sales CSV, a month of {row_count:,} rows, split by day",
        "pandas",
        whole,
        pandas,
        Target(speed_at_least=3, memory_at_most=1),
        note="CP932 with dirt; the platform's amounts are exact decimals, those of pandas are floats",
    )
    yield Line(
        f"sales CSV, one day of a month of {row_count:,} rows",
        "the whole month",
        day,
        whole,
        Target(time_at_most=1, memory_at_most=0.25),
        note="the same repeats are found",
    )


def prepare_whole_month(shop: str) -> Callable[[], dict[str, Any]]:
    """Prepare to read the month and split it by day."""
    from marketing_assets.sources.sales_csv import read_month
    from marketing_assets.storage.places import open_place

    def read() -> dict[str, Any]:
        month = read_month(open_place(shop), MONTH)
        days = [month.of_day(day) for day in month.rows["date"].unique()]
        return {
            "days": len(days),
            "rows": sum(day.height for day in days),
            "undated": month.undated.height,
            "repeats": sum(day["repeats_line"].count() for day in days),
            "revenue": int(month.rows["parsed_revenue"].sum()),
        }

    return read


def prepare_one_day(shop: str) -> Callable[[], dict[str, Any]]:
    """Prepare to read one day of the month."""
    from marketing_assets.sources.sales_csv import read_month
    from marketing_assets.storage.places import open_place

    def read() -> dict[str, Any]:
        month = read_month(open_place(shop), MONTH, {DAY})
        return {"rows": month.rows.height, "repeats": month.rows["repeats_line"].count()}

    return read


def prepare_pandas(shop: str) -> Callable[[], dict[str, Any]]:
    """Prepare to read, clean and split the month as an engineer at home in pandas does, column by column.

    Revenue is a float: exact decimals would take pandas many times longer.
    """
    import pandas as pd
    import pyarrow.csv  # noqa: F401 (the strings of pandas are Arrow's)

    def read() -> dict[str, Any]:
        frame = pd.read_csv(Path(shop) / FILE_NAME, encoding="cp932", dtype=str)
        frame.columns = ["order_id", "customer_id", "order_date", "revenue", "product_category"]
        frame["line_number"] = range(2, len(frame) + 2)
        for column in ("order_id", "customer_id"):
            frame[f"parsed_{column}"] = frame[column].str.normalize("NFKC").str.strip()
        days = frame["order_date"].str.normalize("NFKC").str.strip()
        reiwa = days.str.startswith("令和", na=False)
        days.loc[reiwa] = days.loc[reiwa].str.replace(
            r"令和(\d+)年", lambda found: f"{int(found[1]) + 2018}-", regex=True
        )
        days = days.str.replace("[年月/.]", "-", regex=True).str.replace("日", "")
        frame["date"] = pd.to_datetime(days, format="mixed", errors="coerce")
        amounts = frame["revenue"].str.normalize("NFKC").str.strip()
        negative = amounts.str.contains(r"[-▲△(]", na=False)
        digits = amounts.str.replace(r"[^0-9.]", "", regex=True)
        frame["parsed_revenue"] = pd.to_numeric(digits, errors="coerce")
        frame.loc[negative, "parsed_revenue"] *= -1
        dated = frame[frame["date"].dt.to_period("M") == pd.Period("2024-01")].sort_values(["date", "line_number"])
        usable = dated["parsed_order_id"].notna() & dated["parsed_customer_id"].notna() & (dated["parsed_revenue"] >= 0)
        repeats = dated[usable].duplicated("parsed_order_id")
        dated["repeats"] = repeats.reindex(dated.index, fill_value=False)
        split = dict(list(dated.groupby("date")))
        return {
            "days": len(split),
            "rows": len(dated),
            "undated": len(frame) - len(dated),
            "repeats": int(repeats.sum()),
            "revenue": round(dated["parsed_revenue"].sum()),
        }

    return read
