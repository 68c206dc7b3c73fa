"""Reading a big month's sales CSV: ours against the straightforward pandas way, each in a process of its own.

`python -m benchmarks.sales_csv [rows]` makes the file, measures and prints the figures.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

MONTH = date(2024, 1, 1)
DAY = date(2024, 1, 17)
FILE_NAME = "sales_2024-01.csv"

_HEADER = "注文番号,顧客番号,注文日,売上金額,カテゴリ\r\n"
_CHUNK = 500_000


def make_month(folder: Path, row_count: int) -> Path:
    """Write a month as a Japanese sales department exports it: CP932, sorted by day, with a person's dirt.

    The same rows every time. Of 1,000 rows about 10 have no readable date, 5 lack an id, 10 repeat an earlier order,
    20 write their order id in full-width characters and 300 their amount in another form than plain digits.
    """
    path = folder / FILE_NAME
    with path.open("wb") as file:
        file.write(_HEADER.encode("cp932"))
        for start in range(0, row_count, _CHUNK):
            file.write(_make_rows(start, min(start + _CHUNK, row_count), row_count).encode("cp932"))
    return path


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


def read_ours(folder: Path) -> dict[str, Any]:
    """Read the month and split it by day."""
    from marketing_assets.sources.sales_csv import read_month
    from marketing_assets.storage.places import FolderPlace

    month = read_month(FolderPlace(folder), MONTH)
    days = [month.of_day(day) for day in month.rows["date"].unique()]
    return {
        "days": len(days),
        "rows": month.rows.height,
        "undated": month.undated.height,
        "repeats": month.rows["repeats_line"].count(),
        "revenue": str(month.rows["parsed_revenue"].sum().normalize()),
    }


def read_one_day(folder: Path) -> dict[str, Any]:
    """Read one day of the month."""
    from marketing_assets.sources.sales_csv import read_month
    from marketing_assets.storage.places import FolderPlace

    month = read_month(FolderPlace(folder), MONTH, {DAY})
    return {"rows": month.rows.height, "repeats": month.rows["repeats_line"].count()}


def read_with_pandas(folder: Path) -> dict[str, Any]:
    """Read, clean and split the month as an engineer at home in pandas does, column by column.

    Revenue is a float: exact decimals would take pandas many times longer.
    """
    import pandas as pd

    frame = pd.read_csv(folder / FILE_NAME, encoding="cp932", dtype=str)
    frame.columns = ["order_id", "customer_id", "order_date", "revenue", "product_category"]
    frame["line_number"] = range(2, len(frame) + 2)
    for column in ("order_id", "customer_id"):
        frame[f"parsed_{column}"] = frame[column].str.normalize("NFKC").str.strip()
    days = frame["order_date"].str.normalize("NFKC").str.strip()
    reiwa = days.str.startswith("令和", na=False)
    days.loc[reiwa] = days.loc[reiwa].str.replace(r"令和(\d+)年", lambda found: f"{int(found[1]) + 2018}-", regex=True)
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
        "revenue": f"{dated['parsed_revenue'].sum():.0f}",
    }


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ours": read_ours,
    "one_day": read_one_day,
    "pandas": read_with_pandas,
}


def measure(reader: str, folder: Path) -> dict[str, Any]:
    """Run a reader in a process of its own; return its seconds, peak and baseline memory (MB) and its answer.

    The baseline is the process with its libraries imported and nothing read.
    """
    command = [sys.executable, "-m", "benchmarks.sales_csv", "--read", reader, str(folder)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])  # noqa: S603
    figures: dict[str, Any] = json.loads(ran.stdout)
    return figures


def _read_and_report(reader: str, folder: Path) -> None:
    """Be the measured process: libraries first, so that the baseline and the time are those of reading alone."""
    import pyarrow.csv  # noqa: F401

    if reader == "pandas":
        import pandas as pd

        pd.Series(["a"]).str.normalize("NFKC")
    else:
        import marketing_assets.sources.sales_csv  # noqa: F401
    baseline = _peak_memory()
    start = time.perf_counter()
    answer = READERS[reader](folder)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": _peak_memory(), "baseline_mb": baseline, "answer": answer}))


def _peak_memory() -> float:
    """Return the most memory this process ever had, in MB; a parent's, unlike in `ru_maxrss`, does not count."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def main() -> None:
    """Measure on a fresh file and print the figures."""
    if sys.argv[1:2] == ["--read"]:
        _read_and_report(sys.argv[2], Path(sys.argv[3]))
        return
    row_count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory(prefix="bench-sales-") as folder:
        make_month(Path(folder), row_count)
        for reader in READERS:
            print(reader, json.dumps(measure(reader, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
