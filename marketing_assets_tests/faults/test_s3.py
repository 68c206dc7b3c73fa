"""Faults of S3, told by a server that speaks its protocol; lake, reports and sales files are all there."""

from collections.abc import Iterator
from itertools import count

import boto3
import pytest

from marketing_assets_tests.faults.ledger import Ledger
from marketing_assets_tests.faults.object_store import ObjectStore, Script, StoreFault, refusal
from marketing_assets_tests.faults.trial import History, Trial, running_trial
from marketing_assets_tests.support.databases import Databases

pytestmark = pytest.mark.faults

_BUCKETS = count(1)
TRIES = 4
"""Times that a request is sent before S3 counts as away."""


@pytest.fixture
def bucket(store: ObjectStore) -> str:
    name = f"trial-{next(_BUCKETS)}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def s3_trial(
    store: ObjectStore,
    bucket: str,
    databases: Databases,
    history: History,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Trial]:
    """A platform in S3 that comes in by the door of the faults; the reader comes in by the other one."""
    with running_trial(databases, f"s3://{bucket}", history, ledger, monkeypatch) as trial:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.faulty_url)
        yield trial


def writes_to(part: str, fault: StoreFault, times: int | None = None) -> Script:
    """Spoil the first writes (or all of them) below a part of the lake."""
    number = count(1)

    def script(method: str, path: str) -> StoreFault | None:
        is_meant = method == "PUT" and f"/lake/{part}/" in path
        return fault if is_meant and (times is None or next(number) <= times) else None

    return script


def goes_through(trial: Trial, store: ObjectStore, fault: str, script: Script) -> None:
    store.script(script)
    trial.count_by(lambda: store.injected)
    trial.goes_through(fault)


def fails(trial: Trial, store: ObjectStore, fault: str, script: Script, told: str) -> None:
    store.script(script)
    trial.count_by(lambda: store.injected)
    trial.fails(fault, told, store.tell_the_truth)


def test_server_error(s3_trial: Trial, store: ObjectStore) -> None:
    goes_through(s3_trial, store, "S3: HTTP 500", writes_to("validated_sales", refusal(500, "InternalError"), TRIES))


def test_slow_down(s3_trial: Trial, store: ObjectStore) -> None:
    goes_through(s3_trial, store, "S3: HTTP 503 SlowDown", writes_to("raw_crm", refusal(503, "SlowDown"), 2))


def test_server_error_while_reading(s3_trial: Trial, store: ObjectStore) -> None:
    """Polars reads the lake with a client of its own, and asks nine times."""
    number = count(1)

    def script(method: str, path: str) -> StoreFault | None:
        is_meant = method == "GET" and "/lake/raw_crm/date=" in path
        return refusal(503, "SlowDown") if is_meant and next(number) <= 9 else None

    goes_through(s3_trial, store, "S3: HTTP 503 to every GET of a file", script)


def test_slow(s3_trial: Trial, store: ObjectStore) -> None:
    def script(_method: str, path: str) -> StoreFault | None:
        return StoreFault(seconds=0.5) if "date=2024-03-12" in path else None

    goes_through(s3_trial, store, "S3: slow", script)


def test_drop_during_a_write(s3_trial: Trial, store: ObjectStore) -> None:
    goes_through(s3_trial, store, "S3: dropped mid-PUT", writes_to("validated_crm", StoreFault(cut="before"), 2))


def test_drop_after_a_write(s3_trial: Trial, store: ObjectStore) -> None:
    """S3 has the object, and the platform does not know."""
    goes_through(s3_trial, store, "S3: answer to a PUT lost", writes_to("raw_sales", StoreFault(cut="after"), 2))


def test_drop_during_every_write(s3_trial: Trial, store: ObjectStore) -> None:
    told = (
        r"S3 did not answer when asked to write s3://.*/lake/customer_detail/.*"
        "Check that AWS_ENDPOINT_URL can be reached, then run again"
    )
    script = writes_to("customer_detail", StoreFault(cut="before"))
    fails(s3_trial, store, "S3: every PUT dropped", script, told)


def test_denied_key(s3_trial: Trial, store: ObjectStore) -> None:
    told = r"S3 refused to write s3://.*/lake/validated_ads/.*AccessDenied \(HTTP 403\).*the key's permissions"
    fails(s3_trial, store, "S3: key denied", writes_to("validated_ads", refusal(403, "AccessDenied")), told)


def test_missing_bucket(s3_trial: Trial, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URI", "s3://no-such-bucket/lake")
    s3_trial.injected += 1
    told = r"S3 refused to .* s3://no-such-bucket/lake.*NoSuchBucket \(HTTP 404\). Check the bucket's name"
    s3_trial.fails("S3: bucket missing", told, lambda: monkeypatch.setenv("LAKE_URI", f"s3://{bucket}/lake"))
