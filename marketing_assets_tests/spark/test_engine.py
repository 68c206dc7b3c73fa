"""The lake under Spark: the same tables as Polars reads and writes, each partition whole or not at all."""

import gc
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("pyspark")

from marketing_assets.engines.spark import STAGING, SparkEngine
from marketing_assets.errors import PermanentError, TransientError
from marketing_assets.storage.lake import Lake
from marketing_assets.tables import (
    CENTS,
    CHANNEL_KPI,
    CHANNEL_MERGED,
    CUSTOMER_DETAIL,
    MONEY,
    QUARANTINE_SALES,
    RAW_ADS,
    RAW_CRM,
    VALIDATED_ADS,
    VALIDATED_SALES,
    Table,
)
from marketing_assets_tests.support.polling import polling

DAY = date(2024, 2, 29)
NEXT = DAY + timedelta(days=1)
EMPTY = DAY + timedelta(days=2)
AWKWARD: dict[pl.DataType, list[Any]] = {
    pl.String(): ["", "売上 １", 'a "quoted"\n\t,line', None],
    pl.Int64(): [0, 2**63 - 1, -(2**63), None],
    pl.Float64(): [0.1 + 0.2, -1e308, 5e-324, None],
    pl.Boolean(): [True, False, True, None],
    pl.Date(): [date(1, 1, 1), date(1582, 10, 10), date(9999, 12, 31), None],
    MONEY: [Decimal("99999999999999999999.999999999999999999"), Decimal("-1e-18"), Decimal("0.1"), None],
    CENTS: [Decimal("9999999999999999.99"), Decimal("-0.01"), Decimal("0.10"), None],
}


def sales(day: date, *orders: str, revenue: str = "12.5") -> pl.DataFrame:
    """Make VALIDATED_SALES rows of a day, one for each order id."""
    rows = [
        {"date": day, "order_id": order, "customer_id": "C-1", "order_date": day, "revenue": Decimal(revenue)}
        for order in orders
    ]
    return pl.DataFrame(rows, schema=VALIDATED_SALES.schema)


def awkward(table: Table, day: date) -> pl.DataFrame:
    """Make four rows of a table, the values of each column awkward for its type."""
    columns = {name: [day] * 4 if name == "date" else AWKWARD[dtype] for name, dtype in table.schema.items()}
    return in_order(table, pl.DataFrame(columns, schema=table.schema))


def in_order(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(table.key, nulls_last=True)


def partition(lake: Lake, table: Table, day: date) -> pl.DataFrame:
    return lake.scan(table, [day]).collect()


def files(lake: Lake) -> list[str]:
    return lake.place.keys()


def endless(engine: SparkEngine, day: date) -> Any:
    """Make VALIDATED_SALES rows of a day that no machine will ever finish."""
    never = engine.session.range(0, 10**13, 1, 2).where("id % 10 = 11").selectExpr("CAST(id AS STRING) AS order_id")
    return engine.open(sales(day, "new")).drop("order_id").crossJoin(never).select(VALIDATED_SALES.names)


def cancel_jobs(engine: SparkEngine) -> None:
    if hasattr(engine.session, "interruptAll") and not hasattr(engine.session, "_jsparkSession"):
        engine.session.interruptAll()
    else:
        engine.session.sparkContext.cancelAllJobs()


@pytest.mark.parametrize(
    "table", [RAW_ADS, RAW_CRM, VALIDATED_ADS, CUSTOMER_DETAIL, QUARANTINE_SALES, CHANNEL_MERGED], ids=lambda t: t.name
)
def test_every_type_goes_there_and_back(engine: SparkEngine, lake: Lake, table: Table) -> None:
    by_polars, by_spark = awkward(table, DAY), awkward(table, NEXT)
    lake.write_days(table, by_polars, {DAY: {}})
    engine.write(table, engine.open(by_spark), {NEXT: {}})

    both = lake.scan(table, [DAY, NEXT]).collect()
    assert both.schema == table.schema
    assert both.equals(pl.concat([by_polars, by_spark]))
    assert in_order(table, engine.collect(engine.scan(table, [DAY, NEXT]))).equals(both)


def test_exactly_the_partitions_of_the_records_are_replaced_each_with_its_own(engine: SparkEngine, lake: Lake) -> None:
    old = {day: {"by": "polars"} for day in (DAY, NEXT, EMPTY)}
    lake.write_days(VALIDATED_SALES, pl.concat([sales(day, "old") for day in old]), old)
    rows = pl.concat([sales(DAY, "b", "a", "c"), sales(NEXT, "other day")])
    engine.write(VALIDATED_SALES, engine.open(rows), {DAY: {"通貨": "¥", "n": [1, None]}, EMPTY: {}})

    assert partition(lake, VALIDATED_SALES, DAY)["order_id"].to_list() == ["a", "b", "c"]
    assert partition(lake, VALIDATED_SALES, NEXT)["order_id"].to_list() == ["old"]
    assert partition(lake, VALIDATED_SALES, EMPTY).equals(VALIDATED_SALES.empty())
    assert lake.records(VALIDATED_SALES, old) == {DAY: {"通貨": "¥", "n": [1, None]}, NEXT: {"by": "polars"}, EMPTY: {}}
    assert lake.row_counts(VALIDATED_SALES, old) == {DAY: 3, NEXT: 1, EMPTY: 0}
    assert files(lake) == [f"validated_sales/date={day}/part-0.parquet" for day in old]


def test_rows_of_other_columns_or_types_are_refused(engine: SparkEngine, lake: Lake) -> None:
    rows = engine.open(sales(DAY, "a").with_columns(pl.col("revenue").cast(pl.Float64)))
    with pytest.raises(ValueError, match=r"revenue decimal\(38,18\),.*; found .*revenue double,"):
        engine.write(VALIDATED_SALES, rows, {DAY: {}})
    assert files(lake) == []


def test_a_scan_names_the_days_that_are_not_there(engine: SparkEngine, lake: Lake) -> None:
    lake.write_days(VALIDATED_SALES, sales(DAY, "a"), {DAY: {}})
    with pytest.raises(PermanentError, match="validated_sales has no partition for 2024-03-01, 2024-03-02 in"):
        engine.scan(VALIDATED_SALES, [DAY, NEXT, EMPTY])


def test_a_scan_of_no_day_is_the_empty_table(engine: SparkEngine) -> None:
    assert engine.collect(engine.scan(CHANNEL_KPI, [])).equals(CHANNEL_KPI.empty())


def test_days_are_worked_on_all_at_once(engine: SparkEngine) -> None:
    assert engine.batches(VALIDATED_SALES, [NEXT, DAY]) == [[DAY, NEXT]]
    assert engine.batches(VALIDATED_SALES, []) == []


def test_a_kept_frame_is_computed_once_and_given_up_with_its_last_user(engine: SparkEngine, lake: Lake) -> None:
    lake.write_days(VALIDATED_SALES, sales(DAY, "first"), {DAY: {}})
    scanned = engine.scan(VALIDATED_SALES, [DAY])
    kept = engine.keep(scanned)
    assert engine.collect(kept)["order_id"].to_list() == ["first"]
    Path(lake.uri(VALIDATED_SALES, DAY)).unlink()
    assert engine.collect(kept)["order_id"].to_list() == ["first"]

    del kept
    gc.collect()
    with pytest.raises(PermanentError, match=r"compute a result.*part-0\.parquet"):
        engine.collect(scanned)


def test_what_is_kept_of_a_partition_is_not_taken_for_what_it_holds_now(engine: SparkEngine, lake: Lake) -> None:
    lake.write_days(VALIDATED_SALES, sales(DAY, "first"), {DAY: {}})
    kept = engine.keep(engine.scan(VALIDATED_SALES, [DAY]))
    assert engine.collect(kept).height == 1
    lake.write_days(VALIDATED_SALES, sales(DAY, "second", "third"), {DAY: {}})
    assert engine.collect(engine.scan(VALIDATED_SALES, [DAY]).select("order_id"))["order_id"].to_list() == [
        "second",
        "third",
    ]


def test_a_reader_sees_the_old_partition_or_the_new_one(engine: SparkEngine, lake: Lake) -> None:
    versions = {name: sales(DAY, *(f"{name}-{number:03}" for number in range(300))) for name in ("old", "new")}
    lake.write_days(VALIDATED_SALES, versions["old"], {DAY: {"is": "old"}})
    seen = set()

    def read() -> None:
        rows = partition(lake, VALIDATED_SALES, DAY)
        [name] = {order.split("-")[0] for order in rows["order_id"]}
        assert rows.equals(versions[name])
        assert lake.record(VALIDATED_SALES, DAY)["is"] in versions
        assert list((Path(lake.uri(VALIDATED_SALES, DAY)).parent).iterdir()) == [Path(lake.uri(VALIDATED_SALES, DAY))]
        seen.add(name)

    with polling(read):
        for name in ("new", "old", "new"):
            engine.write(VALIDATED_SALES, engine.open(versions[name]), {DAY: {"is": name}})
    assert seen == {"old", "new"}
    assert lake.record(VALIDATED_SALES, DAY) == {"is": "new"}


def test_one_day_that_cannot_be_computed_leaves_every_day_as_it_was(engine: SparkEngine, lake: Lake) -> None:
    lake.write_days(VALIDATED_SALES, pl.concat([sales(DAY, "old"), sales(NEXT, "old")]), {DAY: {}, NEXT: {}})
    rows = engine.open(pl.concat([sales(DAY, "2", "3"), sales(NEXT, "4", "many")]))
    unreadable = rows.withColumn("line_number", rows["order_id"].cast("bigint"))
    with pytest.raises(PermanentError, match=r"write validated_sales of .*CAST_INVALID_INPUT.*'many'"):
        engine.write(VALIDATED_SALES, unreadable, {DAY: {}, NEXT: {}})
    for day in (DAY, NEXT):
        assert partition(lake, VALIDATED_SALES, day).equals(sales(day, "old"))
    assert len(files(lake)) == 2


def test_jobs_that_fail_side_by_side_leave_the_class_of_loggers_alone(
    engine: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_of_loggers, set_class = logging.getLoggerClass(), logging.setLoggerClass

    def set_slowly(given: type[logging.Logger]) -> None:
        set_class(given)
        time.sleep(0.3)

    monkeypatch.setattr(logging, "setLoggerClass", set_slowly)
    days = [DAY + timedelta(days=number) for number in range(4)]
    rows = engine.open(pl.concat([sales(day, "many") for day in days]))
    unreadable = rows.withColumn("line_number", rows["order_id"].cast("bigint"))
    with pytest.raises(PermanentError, match="CAST_INVALID_INPUT"):
        engine.write(VALIDATED_SALES, unreadable, {day: {} for day in days})
    assert logging.getLoggerClass() is class_of_loggers


def test_a_job_that_is_cancelled_midway_leaves_the_old_partition(engine: SparkEngine, lake: Lake) -> None:
    lake.write_days(VALIDATED_SALES, sales(DAY, "old"), {DAY: {"is": "old"}})
    rows = endless(engine, DAY)
    faults: list[Exception] = []

    def write() -> None:
        try:
            engine.write(VALIDATED_SALES, rows, {DAY: {"is": "new"}})
        except TransientError as fault:
            faults.append(fault)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        cancel_jobs(engine)
        writer.join(timeout=1)

    assert len(faults) == 1
    assert partition(lake, VALIDATED_SALES, DAY).equals(sales(DAY, "old"))
    assert lake.record(VALIDATED_SALES, DAY) == {"is": "old"}
    assert len(files(lake)) == 1


def test_what_killed_runs_left_is_removed_in_time(engine: SparkEngine, lake: Lake) -> None:
    today = f"{STAGING}/{datetime.now(UTC):%Y-%m-%d}/of-another-run/part-0.parquet"
    lake.place.write(f"{STAGING}/2024-01-31/killed/part-0.parquet", b"half")
    lake.place.write(today, b"half")
    engine.write(VALIDATED_SALES, engine.open(sales(DAY, "a")), {DAY: {}})
    assert files(lake) == [today, f"validated_sales/date={DAY}/part-0.parquet"]


def test_there_is_one_session(engine: SparkEngine, lake: Lake, new_engine: Callable[[Lake], SparkEngine]) -> None:
    assert new_engine(lake).session is engine.session
    assert engine.session.conf.get("spark.sql.session.timeZone") == "UTC"
    assert engine.session.conf.get("spark.sql.ansi.enabled") == "true"
