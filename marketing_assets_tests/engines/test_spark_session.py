"""What keeps Spark from starting is told before it is tried; no Spark is needed for that."""

import sys
from pathlib import Path

import pytest

from marketing_assets.engines.spark import SparkEngine
from marketing_assets.errors import SettingsError, TransientError
from marketing_assets.storage.lake import Lake
from marketing_assets.storage.places import FolderPlace
from marketing_assets.tables import VALIDATED_SALES

LAKE = Lake(FolderPlace(Path("/no/lake")))


@pytest.fixture
def with_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import pyspark` succeed; nothing of it is used before the faults that are looked for."""
    from types import ModuleType

    module = ModuleType("pyspark.sql")
    module.SparkSession = type("SparkSession", (), {"builder": None})
    monkeypatch.setitem(sys.modules, "pyspark.sql", module)
    monkeypatch.setitem(sys.modules, "pyspark", ModuleType("pyspark"))


def test_without_pyspark_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(SettingsError, match=r"install marketing_assets\[spark\], or set MARKETING_ENGINE=polars"):
        SparkEngine(LAKE).open(VALIDATED_SALES.empty())


@pytest.mark.usefixtures("with_pyspark")
def test_without_java_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/no/programs")
    with pytest.raises(SettingsError, match="needs Java 17 or newer here"):
        _ = SparkEngine(LAKE).session


@pytest.mark.usefixtures("with_pyspark")
@pytest.mark.parametrize(
    ("master", "remote", "told"),
    [
        ("spark://127.0.0.1:{port}", None, r"SPARK_MASTER \(spark://127\.0\.0\.1:{port}\)"),
        ("spark://127.0.0.1:{port},127.0.0.1:{port}", None, "SPARK_MASTER"),
        ("local[*]", "sc://127.0.0.1:{port}/;token=made-up-secret", r"SPARK_REMOTE \(127\.0\.0\.1\)"),
    ],
)
def test_a_server_that_is_away_is_a_transient_fault(
    monkeypatch: pytest.MonkeyPatch, unused_port: int, master: str, remote: str | None, told: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/java")
    addresses = [address and address.format(port=unused_port) for address in (master, remote)]
    with pytest.raises(TransientError, match=f"Nobody answers at {told.format(port=unused_port)}") as raised:
        _ = SparkEngine(LAKE, *addresses).session
    assert "made-up-secret" not in str(raised.value)


@pytest.mark.usefixtures("with_pyspark")
def test_an_address_with_a_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/java")
    with pytest.raises(SettingsError, match=r"the port of SPARK_MASTER \(spark://127\.0\.0\.1:main\) to be a number"):
        _ = SparkEngine(LAKE, "spark://127.0.0.1:main").session
