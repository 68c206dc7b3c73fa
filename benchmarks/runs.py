"""Runs of the platform: one day from the command line, many days as the UI backfills them."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from socket import socket
from typing import Any

import requests

from benchmarks.measuring import ROOT, BenchmarkError, run_module
from benchmarks.table import Sample
from marketing_assets.sandbox.processes import child_process, error_in

PLATFORM = "marketing_assets.definitions"
"""The module that Dagster loads the platform from."""

_START_SECONDS = 180
_LONGEST_BACKFILL_SECONDS = 60 * 60
_LOOK_SECONDS = 0.5

_REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
_ASSETS = """
{ assetNodes { assetKey { path } partitionStats { numMaterialized numPartitions numFailed } } }
"""
_LAUNCH = """
mutation Launch($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
_STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    __typename
    ... on PartitionBackfill { status }
    ... on PythonError { message }
  }
}
"""


def materialize(
    environment: Mapping[str, str], folder: Path, first: date, last: date | None = None, **config: Any
) -> Sample:
    """Materialize every asset for a day, or for a range of days in a single run, from process start to exit.

    Args:
        environment: All environment variables of the process.
        folder: Where it runs and keeps its log.
        first: The day, or the first one.
        last: Last day of the range; it needs BACKFILL_DAYS_PER_RUN=0.
        config: Run configuration.

    Raises:
        BenchmarkError: the run failed.
    """
    days = ("--partition", str(first)) if last is None else ("--partition-range", f"{first}...{last}")
    given = ("--config-json", json.dumps(config)) if config else ()
    command = ("asset", "materialize", "-m", PLATFORM, "--select", "*", *days, *given)
    return run_module("dagster", *command, folder=folder, environment=environment)


class Deployment:
    """A running Dagster: webserver, daemon and code server, asked over GraphQL as the UI asks."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between this machine and itself

    def backfill(self, days: Sequence[date]) -> Sample:
        """Backfill every asset for some days, from the launch until the backfill says that it is complete.

        Raises:
            BenchmarkError: it failed, or some partition is not materialized afterwards.
        """
        assets = [node["assetKey"] for node in self._ask(_ASSETS)["assetNodes"]]
        parameters = {
            "assetSelection": assets,
            "partitionNames": [str(day) for day in days],
            "tags": [],
        }
        started = time.perf_counter()
        launched = self._ask(_LAUNCH, parameters=parameters)["launchPartitionBackfill"]
        if "backfillId" not in launched:
            raise BenchmarkError(f"Expected the backfill to start, found {launched}.")
        self._await_end(launched["backfillId"], started + _LONGEST_BACKFILL_SECONDS)
        seconds = time.perf_counter() - started
        self._require_materialized(len(days))
        return Sample(seconds)

    def is_ready(self) -> bool:
        """Tell whether the UI answers and its definitions are loaded."""
        try:
            answer = self._ask(_REPOSITORIES)
        except (requests.RequestException, BenchmarkError):
            return False
        return bool(answer["repositoriesOrError"].get("nodes"))

    def _await_end(self, backfill: str, deadline: float) -> None:
        while time.perf_counter() < deadline:
            found = self._ask(_STATUS, id=backfill)["partitionBackfillOrError"]
            if found.get("status") == "COMPLETED_SUCCESS":
                return
            if found.get("status") not in {"REQUESTED"}:
                raise BenchmarkError(f"Expected the backfill to succeed, found {found}.")
            time.sleep(_LOOK_SECONDS)
        raise BenchmarkError(f"Expected the backfill to end within {_LONGEST_BACKFILL_SECONDS} s; it has not.")

    def _require_materialized(self, days: int) -> None:
        for node in self._ask(_ASSETS)["assetNodes"]:
            found = node["partitionStats"]
            if found["numMaterialized"] < days:
                name = "/".join(node["assetKey"]["path"])
                raise BenchmarkError(f"Expected {days} days of {name} to be materialized, found {found}.")

    def _ask(self, query: str, **variables: Any) -> Any:
        request: dict[str, Any] = {"query": query, "variables": variables}
        answer = self._session.post(f"{self._url}/graphql", json=request, timeout=60).json()
        if "errors" in answer:
            raise BenchmarkError(f"Expected an answer, found {answer['errors']}.")
        return answer["data"]


@contextmanager
def serving(module: str, environment: Mapping[str, str], folder: Path) -> Iterator[Deployment]:
    """Serve definitions with `dagster dev`, and stop it at the end.

    Args:
        module: Where the definitions are.
        environment: All environment variables of its processes.
        folder: Where it runs and keeps its log.

    Raises:
        BenchmarkError: it does not start.
    """
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / f"{module}.dev.log"
    command = ("dagster", "dev", "-m", module, "-d", str(ROOT), "-h", "127.0.0.1", "-p", str(port))
    with child_process(command, dict(environment), folder, log) as process:
        deployment = Deployment(port)
        deadline = time.monotonic() + _START_SECONDS
        while not deployment.is_ready():
            if time.monotonic() > deadline or process.poll() is not None:
                raise BenchmarkError(f"Dagster did not start.{error_in(log)}")
            time.sleep(_LOOK_SECONDS)
        yield deployment
