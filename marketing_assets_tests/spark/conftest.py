"""One Spark for all tests: a standalone cluster, or what SPARK_TESTS_ON says (`cluster`, `local`, `connect`)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from marketing_assets.storage.lake import Lake
from marketing_assets.storage.places import FolderPlace
from marketing_assets_tests.support.spark_cluster import configure_spark, connect_server, standalone_cluster

if TYPE_CHECKING:
    from marketing_assets.engines.spark import SparkEngine


@pytest.fixture(scope="session")
def spark_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings that lead to the one Spark."""
    folder = tmp_path_factory.mktemp("spark")
    configure_spark(folder)
    match os.environ.get("SPARK_TESTS_ON", "cluster"):
        case "local":
            yield {"SPARK_MASTER": "local[2]"}
        case "connect":
            with connect_server(folder) as remote:
                yield {"SPARK_REMOTE": remote}
        case "cluster":
            with standalone_cluster(folder) as master:
                yield {"SPARK_MASTER": master}
        case other:
            raise ValueError(f"Expected SPARK_TESTS_ON to be cluster, local or connect, found {other}.")


@pytest.fixture(scope="session")
def new_engine(spark_settings: dict[str, str]) -> "Callable[[Lake], SparkEngine]":
    """Make engines that work on a lake with the one Spark."""
    from marketing_assets.engines.spark import SparkEngine

    master, remote = spark_settings.get("SPARK_MASTER", "local[*]"), spark_settings.get("SPARK_REMOTE")
    return lambda lake: SparkEngine(lake, master, remote)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderPlace(tmp_path / "lake of 東京"))


@pytest.fixture
def engine(lake: Lake, new_engine: "Callable[[Lake], SparkEngine]") -> "SparkEngine":
    return new_engine(lake)
