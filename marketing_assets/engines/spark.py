"""Spark as the engine: a local master, a standalone cluster or a Spark Connect server works on the same lake.

A partition is written by Spark into a staging folder of the lake and moved into its place from here, so that readers
see the old file or the new one. Driver, executors and this process must therefore reach the lake under one address.
"""

import json
import logging
import os
import re
import shutil
import socket
import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from marketing_assets.errors import PermanentError, SettingsError, TransientError, mask_secrets
from marketing_assets.storage.lake import RECORD, Lake, partition_key
from marketing_assets.storage.places import S3Place
from marketing_assets.tables import Table
from marketing_assets.threads import map_ahead

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

STAGING = "_staging"
"""Folder of the lake that holds files on the way to their partition; readers pass over names that begin with `_`."""

_STAGING_DAYS = 2
"""After so many days a staging folder is what a killed run has left."""

_DAYS_AT_ONCE = 4
"""Jobs that write a day each at the same time: one day's rows seldom keep a cluster busy."""

_SQL_TYPES = {pl.String: "string", pl.Int64: "bigint", pl.Float64: "double", pl.Boolean: "boolean", pl.Date: "date"}

_SESSION = {
    "spark.sql.session.timeZone": "UTC",  # no column is a timestamp; casts on the way are the same everywhere
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, not a null
}
_OWN_SESSION = {
    "spark.app.name": "marketing_assets",
    "spark.log.level": "WARN",
    "spark.ui.showConsoleProgress": "false",
}
_ON_LOOPBACK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",  # it would listen on every address of the machine
}

_PORTS = {"spark": 7077, "sc": 15002}
_KNOCK_SECONDS = 10

_MOMENTARY = re.compile(
    r"UNAVAILABLE|DEADLINE_EXCEEDED|ExecutorLost|FetchFailed|Connection (refused|reset)|SESSION_(CLOSED|NOT_FOUND)"
    r"|(?i:cancell?ed)|SparkContext was shut down|stopped SparkContext|unresponsive|No space left|error while sending"
)
"""How Spark words what another try may mend: an executor, the driver or the server that is gone, a full disk."""


class SparkEngine:
    """Works on the lake's tables with Spark; frames are DataFrames, of classic Spark or of Spark Connect.

    Args:
        lake: The lake; under `s3://` Spark reads and writes it as `s3a://`, for which the cluster needs hadoop-aws.
        master: SPARK_MASTER: `local[*]`, `spark://host:7077`.
        remote: SPARK_REMOTE, the address of a Spark Connect server (`sc://host:15002`); goes before `master`.
    """

    def __init__(self, lake: Lake, master: str = "local[*]", remote: str | None = None) -> None:
        self._lake = lake
        self._master = master
        self._remote = remote

    @property
    def session(self) -> "SparkSession":
        """The process's one session, opened at first use.

        Raises:
            SettingsError: pyspark or Java is missing, or the address is not one.
            TransientError: nobody answers at the address.
        """
        return _open_session(self._master, self._remote)

    def scan(self, table: Table, days: Sequence[date]) -> "DataFrame":
        """Read some days of a table lazily; raises `PermanentError` naming the days that are not there."""
        self._lake.require(table, days)
        if not days:
            return self.open(table.empty())
        session, folder = self.session, self._uri(table.name)
        with _spark_faults(f"read {table.name}"):
            # What a kept frame holds of a partition would otherwise be taken for what the partition holds now.
            session.catalog.refreshByPath(folder)
            return (
                session.read.schema(_columns(table.schema))
                .option("basePath", folder)
                .parquet(*(self._uri(partition_key(table, day)) for day in sorted(days)))
                .select(table.names)
            )

    def batches(self, table: Table, days: Sequence[date]) -> list[list[date]]:
        """Group days: all at once, for Spark spills what does not fit its memory."""
        return [sorted(days)] if days else []

    def keep(self, frame: "DataFrame") -> "DataFrame":
        """Compute a frame that is used several times once; it is kept for as long as the returned frame lives."""
        kept = frame.persist()
        shown = kept.select(*kept.columns)
        weakref.finalize(shown, _forget, kept)
        return shown

    def open(self, frame: pl.DataFrame) -> "DataFrame":
        """Make a small Polars frame a DataFrame; the rows travel with the plan."""
        session = self.session
        with _spark_faults("take a small table"):
            return session.createDataFrame(frame.to_arrow(compat_level=pl.CompatLevel.oldest()), _columns(frame.schema))

    def collect(self, frame: "DataFrame") -> pl.DataFrame:
        """Bring a small result here, decimals exact."""
        with _spark_faults("compute a result"):
            return pl.DataFrame(frame.toArrow())

    def write(self, table: Table, frame: "DataFrame", records: Mapping[date, Mapping[str, Any]]) -> None:
        """Replace the partitions of some days, each at once with its record.

        All days are computed before the first one is replaced: a job that fails leaves the lake as it was.

        Args:
            table: The table; `frame` must have its columns and types.
            frame: The rows of those days; a day without rows is a partition too.
            records: The days, each with JSON-able facts about its partition.

        Raises:
            ValueError: the columns or types are others.
            TransientError: an executor, the driver, the server or the disk failed.
            PermanentError: the data or the lake's address are at fault.
        """
        expected = _columns(table.schema)
        found = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in frame.select(table.names).schema)
        if found != expected:
            raise ValueError(f"{table.name}: expected the columns {expected}; found {found}")
        self._remove_leftovers()
        staging = f"{STAGING}/{datetime.now(UTC):%Y-%m-%d}/{uuid.uuid4().hex}"

        def stage(day: date) -> str:
            return self._stage(table, frame, day, records[day], f"{staging}/date={day}")

        days = sorted(records)
        try:
            with _logger_class_kept():
                staged = dict(zip(days, map_ahead(stage, days, _DAYS_AT_ONCE), strict=True))
            for day, key in staged.items():
                self._lake.place.move(key, partition_key(table, day))
        finally:
            self._lake.place.remove(staging)

    def _stage(self, table: Table, frame: "DataFrame", day: date, record: Mapping[str, Any], folder: str) -> str:
        """Compute one day's rows into a folder of their own; return the key of the one file."""
        order = [name for name in table.key if name != "date"]
        names = [name for name in table.names if name != "date"]
        with _spark_faults(f"write {table.name} of {day}"):
            rows = frame.where(frame["date"] == day).select(names).repartition(1)
            ordered = rows.sortWithinPartitions(*(rows[name].asc_nulls_last() for name in order))
            text = json.dumps(record, ensure_ascii=False, sort_keys=True)
            # Spark puts its schema into the Parquet footer, what is told of a column included.
            told = ordered.withMetadata(names[0], {RECORD: text})
            told.write.option("compression", "zstd").parquet(self._uri(folder))
        files = [key for key in self._lake.place.keys(f"{folder}/") if key.endswith(".parquet")]
        if len(files) != 1:
            raise PermanentError(
                f"Expected one Parquet file of Spark in {self._lake.place.uri(folder)}, found {len(files)}. "
                "LAKE_URI must be a place that Spark's driver, its executors and this process share."
            )
        return files[0]

    def _remove_leftovers(self) -> None:
        """Remove what runs that were killed on the way have left in the staging folder."""
        oldest = f"{datetime.now(UTC) - timedelta(days=_STAGING_DAYS):%Y-%m-%d}"
        for day in {key.split("/")[1] for key in self._lake.place.keys(f"{STAGING}/")}:
            if day < oldest:
                self._lake.place.remove(f"{STAGING}/{day}")

    def _uri(self, key: str) -> str:
        """Return the address under which Spark finds a key of the lake."""
        uri = self._lake.place.uri(key)
        return uri.replace("s3://", "s3a://", 1) if isinstance(self._lake.place, S3Place) else f"file://{uri}"


def _columns(schema: Mapping[str, pl.DataType]) -> str:
    return ", ".join(f"{name} {_sql_type(dtype)}" for name, dtype in schema.items())


def _sql_type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision},{dtype.scale})"
    return _SQL_TYPES[type(dtype)]


def _open_session(master: str, remote: str | None) -> "SparkSession":
    """Open the process's session, or give the one that is open."""
    if not os.environ.get("SPARK_REMOTE"):
        os.environ.pop("SPARK_REMOTE", None)  # pyspark takes an empty one for an address
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SettingsError(
            "MARKETING_ENGINE=spark needs pyspark: install marketing_assets[spark], or set MARKETING_ENGINE=polars."
        ) from error
    if not (remote or os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise SettingsError(
            "MARKETING_ENGINE=spark needs Java 17 or newer here: install one, set JAVA_HOME, or name a Spark Connect "
            "server in SPARK_REMOTE."
        )
    where = f"SPARK_REMOTE ({urlsplit(remote).hostname})" if remote else f"SPARK_MASTER ({master})"
    _require_listener(remote or master, where)
    builder: Any = SparkSession.builder
    config = _SESSION if remote else _SESSION | _OWN_SESSION | (_ON_LOOPBACK if _is_on_loopback(master) else {})
    for name, value in config.items():
        builder = builder.config(name, value)
    with _spark_faults(f"start with {where}"):
        session: SparkSession = (builder.remote(remote) if remote else builder.master(master)).getOrCreate()
    return session


def _require_listener(address: str, where: str) -> None:
    """Knock at a server before Spark does, which would knock for ten minutes; of several masters one is enough."""
    scheme, _, hosts = address.partition("://")
    if scheme not in {"spark", "sc"}:
        return
    for host in hosts.split(","):
        target = urlsplit(f"//{host}")
        try:
            socket.create_connection((target.hostname, target.port or _PORTS[scheme]), _KNOCK_SECONDS).close()
            return
        except ValueError as error:
            raise SettingsError(f"Expected the port of {where} to be a number.") from error
        except OSError as error:
            fault = error
    raise TransientError(
        f"Nobody answers at {where}: {fault.strerror or fault}. Start the server or correct the address."
    )


def _is_on_loopback(master: str) -> bool:
    return master.startswith("local") or urlsplit(master).hostname in {"127.0.0.1", "localhost"}


def _forget(kept: "DataFrame") -> None:
    """Free what Spark keeps of a frame; with its session gone there is nothing to free."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        kept.unpersist()
    except (PySparkException, Py4JError, OSError):
        return


def _cause(text: str) -> str:
    """Say in a line what a stack trace ends on: what everything else in it was caused by."""
    first, *_ = (re.findall(r"^Caused by: (?:[\w.$]+: )?(.+)", text, re.MULTILINE) or [text])[::-1]
    return " ".join(first.split("\n\tat ")[0].split())[:600]


@contextmanager
def _logger_class_kept() -> Iterator[None]:
    """Keep the process's class of loggers, which pyspark exchanges for a moment when a job fails.

    Of jobs that fail side by side, one may put back what another has put there: then Dagster could not log any more.
    """
    logger_class = logging.getLoggerClass()
    try:
        yield
    finally:
        logging.setLoggerClass(logger_class)


@contextmanager
def _spark_faults(doing: str) -> Iterator[None]:
    """Turn Spark's faults into this platform's: what another try may mend, and what it cannot."""
    from py4j.protocol import Py4JError, Py4JNetworkError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, OSError) as error:
        said = mask_secrets(_cause(str(error)))
        if isinstance(error, Py4JNetworkError | ConnectionError) or _MOMENTARY.search(str(error)):
            raise TransientError(
                f"Spark could not {doing} now: {said} Check the cluster, and SPARK_REMOTE or SPARK_MASTER."
            ) from error
        raise PermanentError(f"Spark cannot {doing}: {said}") from error
