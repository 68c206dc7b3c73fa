import os
import re
import resource
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import pytest

from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.storage.lake import Lake
from marketing_assets.storage.places import open_place
from marketing_assets.tables import UNDATED_SALES, VALIDATED_SALES
from marketing_assets_tests.support.polling import polling

MONDAY, TUESDAY, WEDNESDAY = date(2024, 3, 11), date(2024, 3, 12), date(2024, 3, 13)


@pytest.fixture
def lake(root: str) -> Lake:
    return Lake(open_place(root))


def sales(day: date, *orders: tuple[str, str]) -> pl.DataFrame:
    """Make VALIDATED_SALES rows of (order id, revenue)."""
    rows = [
        {
            "date": day,
            "order_id": order,
            "customer_id": "c1",
            "order_date": day,
            "revenue": Decimal(revenue),
            "product_category": None,
            "file_name": "sales_2024-03.csv",
            "line_number": line,
        }
        for line, (order, revenue) in enumerate(orders, start=2)
    ]
    return pl.DataFrame(rows, schema=VALIDATED_SALES.schema)


def write_orders(lake: Lake, days: Sequence[date], order: str) -> None:
    """Write days of one order each."""
    rows = pl.concat([sales(day, (order, "1")) for day in days])
    lake.write_days(VALIDATED_SALES, rows, {day: {} for day in days})


def test_a_day_comes_back_as_it_was_written(lake):
    rows = sales(MONDAY, ("o1", "12345678901234567890.123456789012345678"), ("o2", "-0.01"))
    lake.write(VALIDATED_SALES, MONDAY, rows)
    assert lake.scan(VALIDATED_SALES, [MONDAY]).collect().equals(rows)


def test_a_partition_is_one_file_in_hive_layout(lake, root):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")))
    assert lake.place.keys() == ["validated_sales/date=2024-03-11/part-0.parquet"]
    assert lake.uri(VALIDATED_SALES, MONDAY) == f"{root}/validated_sales/date=2024-03-11/part-0.parquet"


def test_rows_lie_in_the_order_of_the_key(lake):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o2", "2"), ("o1", "1")))
    assert lake.scan(VALIDATED_SALES, [MONDAY]).collect()["order_id"].to_list() == ["o1", "o2"]


def test_the_same_rows_make_the_same_bytes(lake):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1"), ("o2", "2")), {"b": 1, "a": 2})
    before = lake.place.read("validated_sales/date=2024-03-11/part-0.parquet")
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1"), ("o2", "2")), {"a": 2, "b": 1})
    assert lake.place.read("validated_sales/date=2024-03-11/part-0.parquet") == before


def test_several_days_are_read_as_one_table(lake):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")))
    lake.write(VALIDATED_SALES, TUESDAY, sales(TUESDAY, ("o2", "2")))
    read = lake.scan(VALIDATED_SALES, [TUESDAY, MONDAY]).collect()
    assert read.schema == VALIDATED_SALES.schema
    assert read.select("date", "order_id").rows() == [(MONDAY, "o1"), (TUESDAY, "o2")]


def test_only_the_files_of_the_wanted_days_are_read(lake):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")))
    lake.place.write("validated_sales/date=2024-03-12/part-0.parquet", b"no Parquet")
    assert lake.scan(VALIDATED_SALES, [MONDAY]).collect().height == 1


def test_a_day_without_rows_is_a_partition_too(lake):
    lake.write(VALIDATED_SALES, MONDAY, VALIDATED_SALES.empty(), {"sales_reported": False})
    read = lake.scan(VALIDATED_SALES, [MONDAY]).collect()
    assert (read.schema, read.height) == (VALIDATED_SALES.schema, 0)
    assert lake.record(VALIDATED_SALES, MONDAY) == {"sales_reported": False}


def test_no_days_are_an_empty_table(lake):
    assert lake.scan(VALIDATED_SALES, []).collect().equals(VALIDATED_SALES.empty())


def test_a_rewritten_day_replaces_rows_and_record(lake):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1"), ("o2", "2")), {"rows_in": 2})
    lake.write(VALIDATED_SALES, TUESDAY, sales(TUESDAY, ("o3", "3")), {"rows_in": 1})
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o9", "9")), {"rows_in": 1, "reason": "返品"})

    read = lake.scan(VALIDATED_SALES, [MONDAY, TUESDAY]).collect()
    assert read.select("date", "order_id").rows() == [(MONDAY, "o9"), (TUESDAY, "o3")]
    assert lake.record(VALIDATED_SALES, MONDAY) == {"rows_in": 1, "reason": "返品"}
    assert lake.record(VALIDATED_SALES, TUESDAY) == {"rows_in": 1}


def test_many_days_are_written_at_once_whatever_the_order_of_the_rows(lake):
    monday, wednesday = sales(MONDAY, ("o1", "1"), ("o2", "2")), sales(WEDNESDAY, ("o3", "3"))
    records = {WEDNESDAY: {"rows_in": 1}, MONDAY: {"rows_in": 2}, TUESDAY: {"rows_in": 0}}
    lake.write_days(VALIDATED_SALES, pl.concat([wednesday, monday]).reverse(), records)

    assert lake.scan(VALIDATED_SALES, records).collect().equals(pl.concat([monday, wednesday]))
    assert lake.scan(VALIDATED_SALES, [TUESDAY]).collect().equals(VALIDATED_SALES.empty())
    assert lake.records(VALIDATED_SALES, records) == records
    assert lake.row_counts(VALIDATED_SALES, records) == {MONDAY: 2, TUESDAY: 0, WEDNESDAY: 1}


def test_only_the_named_days_are_replaced(lake):
    days = [MONDAY, TUESDAY, WEDNESDAY]
    write_orders(lake, days, "o1")
    lake.write_days(VALIDATED_SALES, sales(MONDAY, ("o9", "9")), {MONDAY: {}, WEDNESDAY: {}})
    read = lake.scan(VALIDATED_SALES, days).collect()
    assert read.select("date", "order_id").rows() == [(MONDAY, "o9"), (TUESDAY, "o1")]


def test_a_day_has_the_same_bytes_alone_and_among_others(lake):
    rows = {day: sales(day, ("o2", "2"), ("o1", "1")) for day in (MONDAY, TUESDAY, WEDNESDAY)}
    lake.write_days(VALIDATED_SALES, pl.concat(rows.values(), rechunk=False), {day: {"rows_in": 2} for day in rows})
    keys = lake.place.keys()
    together = [lake.place.read(key) for key in keys]
    for day in rows:
        lake.write(VALIDATED_SALES, day, rows[day], {"rows_in": 2})
    assert [lake.place.read(key) for key in keys] == together


def test_how_rows_were_put_together_does_not_show_in_the_bytes(lake):
    ids = pl.DataFrame({"order_id": [f"o{number:06}" for number in range(100_000)]})
    whole = sales(MONDAY, ("o", "1")).drop("order_id").join(ids, how="cross").select(VALIDATED_SALES.names)
    files = []
    for rows in (whole, pl.concat(list(whole.iter_slices(9_999)), rechunk=False), whole.reverse()):
        lake.write(VALIDATED_SALES, MONDAY, rows)
        files.append(lake.place.read(f"validated_sales/date={MONDAY}/part-0.parquet"))
    assert files == [files[0]] * 3


def test_the_first_fault_ends_the_write_and_every_day_stays_whole(tmp_path: Path):
    lake, days = Lake(open_place(str(tmp_path))), [date(2024, 3, day) for day in range(1, 32)]
    write_orders(lake, days, "old")
    blocked = tmp_path / "validated_sales" / "date=2024-03-03" / "part-0.parquet"
    blocked.unlink()
    blocked.mkdir()

    with pytest.raises(PermanentError, match=r"Expected to write .*date=2024-03-03/.*, but: Is a directory"):
        write_orders(lake, days, "new")

    assert not any("ThreadPoolExecutor" in thread.name for thread in threading.enumerate())
    blocked.rmdir()
    left = lake.scan(VALIDATED_SALES, [day for day in days if day.day != 3]).collect()["order_id"].to_list()
    assert left[:2] == ["new", "new"]
    assert left[-1] == "old"


def test_readers_never_see_half_a_day(lake, root):
    """Each version has as many rows as its record says, and never another number."""
    versions = {number: sales(MONDAY, *((f"o{row}", "1") for row in range(number))) for number in range(1, 10)}
    key = "validated_sales/date=2024-03-11/part-0.parquet"
    seen = []

    def read() -> None:
        file = pa.parquet.ParquetFile(pa.BufferReader(open_place(root).read(key)))
        seen.append((file.read().num_rows, file.metadata.metadata[b"marketing_assets"].decode()))

    lake.write(VALIDATED_SALES, MONDAY, versions[1], {"rows": 1})
    with polling(read):
        for number, rows in [*versions.items()] * 20:
            lake.write(VALIDATED_SALES, MONDAY, rows, {"rows": number})
            if len(seen) > 5:
                break

    assert len(seen) > 1
    assert set(seen) <= {(number, f'{{"rows": {number}}}') for number in versions}


def test_missing_days_are_named(lake, root):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")))
    with pytest.raises(
        PermanentError,
        match=rf"^validated_sales has no partition for 2024-03-12, 2024-03-13 in {root}.*: materialize it first\.$",
    ):
        lake.scan(VALIDATED_SALES, [date(2024, 3, 13), MONDAY, TUESDAY])
    for read in (lake.records, lake.row_counts):
        with pytest.raises(PermanentError, match=r"validated_sales has no partition for 2024-03-12"):
            read(VALIDATED_SALES, [TUESDAY])


def test_the_days_that_are_there_are_listed(lake):
    for day in (date(2024, 2, 29), MONDAY, TUESDAY):
        lake.write(VALIDATED_SALES, day, sales(day, ("o1", "1")))
    lake.write_undated_sales(date(2024, 3, 1), UNDATED_SALES.empty())
    assert lake.days(VALIDATED_SALES, date(2024, 3, 1), date(2024, 3, 31)) == [MONDAY, TUESDAY]
    assert lake.days(VALIDATED_SALES, date(2024, 2, 29), MONDAY) == [date(2024, 2, 29), MONDAY]


def test_rows_of_another_day_are_refused(lake):
    with pytest.raises(ValueError, match="rows of other days than 2024-03-12 for validated_sales"):
        lake.write(VALIDATED_SALES, TUESDAY, sales(MONDAY, ("o1", "1")))
    assert lake.place.keys() == []


def test_rows_of_another_type_are_refused(lake):
    with pytest.raises(ValueError, match="validated_sales: expected the columns"):
        lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")).with_columns(pl.col("revenue").cast(pl.Float64)))
    assert lake.place.keys() == []


def test_undated_sales_are_replaced_whole_by_month(lake):
    march = date(2024, 3, 1)
    rows = pl.DataFrame(
        {"reason": ["unreadable_date", "outside_month"], "order_date": ["?", "2023-03-01"], "line_number": [9, 4]},
        schema_overrides={"line_number": pl.Int64},
    )
    rows = pl.concat([UNDATED_SALES.empty(), rows], how="diagonal")
    lake.write_undated_sales(march, pl.concat([rows, rows]))
    lake.write_undated_sales(march, rows)

    assert lake.place.keys() == ["quarantine/raw_sales/month=2024-03/part-0.parquet"]
    read = pl.read_parquet(lake.place.read("quarantine/raw_sales/month=2024-03/part-0.parquet"))
    assert read.select("line_number", "reason").rows() == [(4, "outside_month"), (9, "unreadable_date")]


def test_a_year_in_s3_is_looked_up_in_one_request(s3):
    lake = Lake(open_place(f"s3://{s3.new_bucket()}/lake"))
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(366)]
    lake.write_days(VALIDATED_SALES, sales(days[59], ("o1", "1")), {day: {} for day in days})
    asked = []
    lake.place.client.meta.events.register("before-call.s3", lambda model, **_: asked.append(model.name))

    assert lake.scan(VALIDATED_SALES, days).collect()["date"].to_list() == [date(2024, 2, 29)]
    assert lake.days(VALIDATED_SALES, days[0], days[-1]) == days
    assert asked == ["ListObjectsV2", "ListObjectsV2"]


def test_one_day_of_a_long_scan_reads_one_file(lake):
    days = [MONDAY, TUESDAY, WEDNESDAY]
    write_orders(lake, days, "o1")
    scan = lake.scan(VALIDATED_SALES, days)
    for day in (TUESDAY, WEDNESDAY):
        lake.place.write(f"validated_sales/date={day}/part-0.parquet", b"no Parquet")
    assert scan.filter(pl.col("date") == MONDAY).collect().height == 1


def test_a_full_disk_is_a_transient_fault_and_leaves_the_old_day(tmp_path: Path):
    """A limit on the size of files stands in for the disk; the system tells it with another number."""
    lake = Lake(open_place(str(tmp_path)))
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")))
    many = sales(MONDAY, *((os.urandom(16).hex(), "1") for _ in range(2_000)))
    with (
        largest_file(10_000),
        pytest.raises(TransientError, match=r"Could not write .*parquet: File too large"),
    ):
        lake.write(VALIDATED_SALES, MONDAY, many)
    assert lake.scan(VALIDATED_SALES, [MONDAY]).collect()["order_id"].to_list() == ["o1"]
    assert [path.name for path in (tmp_path / "validated_sales" / f"date={MONDAY}").iterdir()] == ["part-0.parquet"]


def test_other_readers_see_a_hive_table(lake, root):
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "0.1"), ("o2", "0.2")))
    lake.write(VALIDATED_SALES, TUESDAY, sales(TUESDAY, ("o3", "3")))

    filesystem, path = _arrow_filesystem(root)
    partitioning = pa.dataset.partitioning(pa.schema([("date", pa.date32())]), flavor="hive")
    table = pa.dataset.dataset(f"{path}/validated_sales", filesystem=filesystem, partitioning=partitioning).to_table()
    assert table.schema.field("revenue").type == pa.decimal128(38, 18)
    assert table.schema.field("order_date").type == pa.date32()
    assert table.schema.field("line_number").type == pa.int64()
    assert table.group_by("date").aggregate([("revenue", "sum")]).sort_by("date").to_pylist() == [
        {"date": MONDAY, "revenue_sum": Decimal("0.3")},
        {"date": TUESDAY, "revenue_sum": Decimal("3")},
    ]

    frame = pd.read_parquet(f"{path}/validated_sales", filesystem=filesystem)
    assert frame["order_id"].tolist() == ["o1", "o2", "o3"]
    assert frame["date"].astype(str).tolist() == ["2024-03-11", "2024-03-11", "2024-03-12"]


@pytest.mark.parametrize("name", ["lake [1] *", "売上 レイク", "env=prod", "50%"])
def test_a_folder_may_have_any_name(tmp_path: Path, name):
    lake = Lake(open_place(str(tmp_path / name)))
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")), {"rows_in": 1})
    assert lake.scan(VALIDATED_SALES, [MONDAY]).collect().equals(sales(MONDAY, ("o1", "1")))
    assert lake.record(VALIDATED_SALES, MONDAY) == {"rows_in": 1}


def test_a_store_that_is_away_is_a_transient_fault(s3, monkeypatch, unused_port):
    lake = Lake(open_place(f"s3://{s3.new_bucket()}"))
    lake.write(VALIDATED_SALES, MONDAY, sales(MONDAY, ("o1", "1")))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port}")
    with pytest.raises(TransientError, match=re.escape("S3 did not answer when asked to look for")):
        Lake(open_place(lake.place.uri())).scan(VALIDATED_SALES, [MONDAY])


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file larger than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The signal would end the process; without it the write fails.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def _arrow_filesystem(root: str) -> tuple[pa.fs.FileSystem, str]:
    if not root.startswith("s3://"):
        return pa.fs.LocalFileSystem(), root
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    return pa.fs.S3FileSystem(endpoint_override=endpoint, scheme="http"), root.removeprefix("s3://")
