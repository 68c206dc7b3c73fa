"""Two hundred days in weather: one call in ten to the ads API, to S3 and to PostgreSQL fails, in one way or another."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

import boto3
import pytest

from marketing_assets_tests.faults.faulty_wire import FaultyWire
from marketing_assets_tests.faults.ledger import Ledger, Line
from marketing_assets_tests.faults.object_store import ObjectStore, StoreFault, refusal
from marketing_assets_tests.faults.published import Published, count_lost_rows, take_published
from marketing_assets_tests.faults.reader import Reader
from marketing_assets_tests.faults.trial import COHORT_DAYS, SETTINGS, differing
from marketing_assets_tests.support.ads_server import Fault, dropped, reply, truncated
from marketing_assets_tests.support.databases import Databases
from marketing_assets_tests.support.polling import polling
from marketing_assets_tests.support.stack import Stack, days_between, errors_of, running_stack
from marketing_assets_tests.support.worlds import seeded_world

pytestmark = pytest.mark.faults

FIRST, LAST = date(2024, 1, 1), date(2024, 7, 18)
DAYS = days_between(FIRST, LAST)
DAYS_IN_A_RUN = 25
RUNS_AT_MOST = 6
"""Runs over the same days until all goes well."""

SELECTED = 'not key:"report"'
"""Reports take as long as all else together, and no mart comes from them."""

ONE_IN = 10

AT_ONCE = {"Retry-After": "0"}
ADS_FAULTS = [
    reply(503, "maintenance", AT_ONCE),
    reply(429, "slow down", AT_ONCE),
    reply(502, "bad gateway"),
    dropped(after=100),
    truncated(at=100),
]
STORE_FAULTS = [
    refusal(500, "InternalError"),
    refusal(503, "SlowDown"),
    StoreFault(cut="before"),
    StoreFault(cut="after"),
    StoreFault(seconds=0.2),
]
"""A slow answer is late and right; all others are none."""

LONGEST_WORD = 3_000
"""Bytes from a client after which its connection breaks at the latest: a login takes a hundred, a load thousands."""


class Weather:
    """Chance with a seed, and a count of the calls and of those that fail."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self.calls = 0
        self.failed = 0

    def strikes(self) -> bool:
        self.calls += 1
        struck = self._chance.randrange(ONE_IN) == 0
        self.failed += struck
        return struck

    def on_ads_api(self) -> Iterator[Fault | None]:
        while True:
            yield self._chance.choice(ADS_FAULTS) if self.strikes() else None

    def on_store(self, _method: str, _path: str) -> StoreFault | None:
        return self._chance.choice(STORE_FAULTS) if self.strikes() else None

    def on_wire(self) -> int | None:
        return self._chance.randrange(LONGEST_WORD) if self.strikes() else None


def test_soak(databases: Databases, store: ObjectStore, tmp_path: Path, ledger: Ledger) -> None:
    world = seeded_world(3, DAYS, COHORT_DAYS)
    with (
        pytest.MonkeyPatch.context() as environment,
        running_stack(databases, tmp_path, environment, **SETTINGS) as undisturbed,
    ):
        undisturbed.load(world)
        assert errors_of(undisturbed.materialize(FIRST, LAST, SELECTED)) == {}
        expected = take_published(undisturbed)

    boto3.client("s3").create_bucket(Bucket="soak")
    ads, s3, crm, warehouse = weathers = [Weather(seed) for seed in range(4)]
    with (
        pytest.MonkeyPatch.context() as environment,
        running_stack(databases, "s3://soak", environment, **SETTINGS) as stack,
        FaultyWire(stack.crm_url, crm.on_wire) as crm_wire,
        FaultyWire(stack.warehouse_url, warehouse.on_wire) as warehouse_wire,
    ):
        stack.load(world)
        reader = Reader(stack.lake.read, stack.warehouse_url, Published(), expected, pause=3)
        reader.look()  # comes in by the true door, and stays there
        stack.ads.script(ads.on_ads_api())
        store.script(s3.on_store)
        environment.setenv("AWS_ENDPOINT_URL", store.faulty_url)
        environment.setenv("CRM_DATABASE_URL", crm_wire.url)
        environment.setenv("WAREHOUSE_DATABASE_URL", warehouse_wire.url)
        with polling(reader.look):
            runs = sum(run_until_done(stack, first) for first in DAYS[::DAYS_IN_A_RUN])
        found = take_published(stack)

    lost, injected = count_lost_rows(world, found, DAYS), sum(weather.failed for weather in weathers)
    calls = sum(weather.calls for weather in weathers)
    outcome = f"{len(DAYS)} days in {runs} runs; of {calls} calls {injected / calls:.1%} failed"
    ledger.lines.append(Line("soak: any call, 10 %", injected, outcome, lost, len(reader.partial), reader.looks))
    assert all(weather.failed for weather in weathers)
    assert reader.partial == []
    assert lost == 0
    assert differing(found, expected) == []


def run_until_done(stack: Stack, first: date) -> int:
    """Run over some days until all of them are published, and tell how many runs it took."""
    last = min(first + timedelta(days=DAYS_IN_A_RUN - 1), LAST)
    for number in range(1, RUNS_AT_MOST + 1):
        told = errors_of(stack.materialize(first, last, SELECTED))
        if not told:
            return number
    pytest.fail(f"{first}…{last} not done after {RUNS_AT_MOST} runs: {told}")
