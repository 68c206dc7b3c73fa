from collections.abc import Iterator
from pathlib import Path

import pytest

from marketing_assets_tests.faults.ledger import Ledger
from marketing_assets_tests.faults.object_store import ObjectStore
from marketing_assets_tests.faults.trial import (
    History,
    Trial,
    make_history,
    new_world,
    old_world,
    running_trial,
)
from marketing_assets_tests.support.databases import Databases

_LEDGER = pytest.StashKey[Ledger]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEDGER] = Ledger()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[_LEDGER].lines:
        terminalreporter.section("faults")
        terminalreporter.write_line(config.stash[_LEDGER].render())


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    return pytestconfig.stash[_LEDGER]


@pytest.fixture(scope="session")
def history(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> History:
    return make_history(databases, str(tmp_path_factory.mktemp("undisturbed")), old_world(), new_world())


@pytest.fixture
def trial(
    databases: Databases, tmp_path: Path, history: History, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trial]:
    """A platform in folders."""
    with running_trial(databases, str(tmp_path), history, ledger, monkeypatch) as running:
        yield running


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    with ObjectStore() as running:
        yield running


@pytest.fixture
def store(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """S3 without faults so far, and the environment that leads to its true door."""
    settings = {
        "AWS_ENDPOINT_URL": object_store.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    object_store.tell_the_truth()
    return object_store
