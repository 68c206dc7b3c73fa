"""What becomes of a step when something goes wrong, on real sources; retries wait 0 seconds here."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
import requests
import sqlalchemy

from marketing_assets.defs.faults import RETRY_POLICY, guarded, step_faults, time_limit
from marketing_assets.errors import PermanentError, SettingsError, SourceNotReadyError, TransientError
from marketing_assets_tests.support.ads_server import answer, campaign, hanging, reply
from marketing_assets_tests.support.databases import Databases, run_sql
from marketing_assets_tests.support.stack import Stack, days_between, running_stack
from marketing_assets_tests.support.world import World

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = WEEK = days_between(date(2024, 3, 11), date(2024, 3, 15))

AGAIN_AT_ONCE = {"Retry-After": "0"}
MUCH_LATER = {"Retry-After": "3600"}


@pytest.fixture
def stack(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with running_stack(databases, tmp_path, monkeypatch) as running:
        running.load(
            World(
                ads={day: [campaign("CMP-1", day)] for day in WEEK},
                customers=[("c1", MONDAY, "CMP-1", "Google")],
                sales=[(f"o-{day}", "c1", day, Decimal(1000)) for day in WEEK],
            )
        )
        yield running


def attempts(result: dg.ExecuteInProcessResult, step: str) -> list[str]:
    """List how a step began, went and ended, in order."""
    told = {"STEP_START", "STEP_UP_FOR_RETRY", "STEP_RESTARTED", "STEP_SUCCESS", "STEP_FAILURE"}
    return [
        event.event_type_value
        for event in result.all_events
        if event.step_key == step and event.event_type_value in told
    ]


def told_by(result: dg.ExecuteInProcessResult, step: str) -> str:
    """Return what the step's failure says to people, without any stack trace."""
    [failure] = [
        event.step_failure_data for event in result.all_events if event.step_key == step and event.is_step_failure
    ]
    return failure.user_failure_data.description


def published(result: dg.ExecuteInProcessResult, asset: str) -> list[str]:
    return [
        event.partition
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey(asset)
    ]


ONCE = ["STEP_START", "STEP_FAILURE"]
AT_THE_SECOND_TRY = ["STEP_START", "STEP_UP_FOR_RETRY", "STEP_RESTARTED", "STEP_SUCCESS"]
NEVER = ["STEP_START", *["STEP_UP_FOR_RETRY", "STEP_RESTARTED"] * 3, "STEP_FAILURE"]


def test_here_retries_do_not_wait():
    assert (RETRY_POLICY.max_retries, RETRY_POLICY.delay) == (3, 0)


class TestTransientFaults:
    @pytest.mark.parametrize(
        "script",
        [
            pytest.param([reply(503, headers=AGAIN_AT_ONCE)] * 5, id="the server is down for all tries of a page"),
            pytest.param([reply(429, headers=MUCH_LATER)], id="too long a wait is asked for"),
        ],
    )
    def test_the_step_is_tried_again_and_succeeds(self, stack: Stack, script: list):
        stack.ads.script(script)
        result = stack.materialize(MONDAY, select="raw_ads")
        assert result.success
        assert attempts(result, "raw_ads") == AT_THE_SECOND_TRY
        assert len(stack.ads.report_requests) == len(script) + 1
        assert published(result, "raw_ads") == ["2024-03-11"]

    def test_a_fault_within_the_tries_of_a_page_is_not_even_seen_by_the_step(self, stack: Stack):
        stack.ads.script([reply(503, headers=AGAIN_AT_ONCE)] * 4)
        result = stack.materialize(MONDAY, select="raw_ads")
        assert attempts(result, "raw_ads") == ["STEP_START", "STEP_SUCCESS"]

    def test_after_three_more_tries_the_step_fails_and_nothing_is_published(self, stack: Stack):
        stack.ads.script([reply(429, headers=MUCH_LATER)] * 4)
        result = stack.materialize(MONDAY, select="raw_ads")
        assert not result.success
        assert attempts(result, "raw_ads") == NEVER
        assert stack.lake.keys() == []

    def test_a_database_that_is_away(self, stack: Stack, monkeypatch, unused_port):
        monkeypatch.setenv("CRM_DATABASE_URL", f"postgresql://me:topsecret@127.0.0.1:{unused_port}/crm")
        result = stack.materialize(MONDAY, select="raw_crm")
        assert attempts(result, "raw_crm") == NEVER
        assert "topsecret" not in repr([event.event_specific_data for event in result.all_events])

    def test_a_lake_that_is_away(self, stack: Stack, monkeypatch, unused_port):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "made-up")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port}")
        monkeypatch.setenv("LAKE_URI", "s3://bucket/lake")
        result = stack.materialize(MONDAY, select="raw_crm")
        assert attempts(result, "raw_crm") == NEVER

    def test_a_warehouse_that_is_away(self, stack: Stack, monkeypatch, unused_port):
        assert stack.materialize(MONDAY, select="*channel_merged").success
        before = stack.mart("mart_channel_merged")
        monkeypatch.setenv("WAREHOUSE_DATABASE_URL", f"postgresql://me:topsecret@127.0.0.1:{unused_port}/warehouse")
        result = stack.materialize(MONDAY, select="channel_merged")
        assert attempts(result, "channel_merged") == NEVER
        assert stack.mart("mart_channel_merged") == before


class TestPermanentFaults:
    """Exactly one attempt, and the message is the platform's own words."""

    @pytest.mark.parametrize(
        ("script", "told"),
        [
            pytest.param([reply(404, "no such report")], "expected HTTP 200, found 404", id="4xx"),
            pytest.param([answer({"campaigns": [], "page": 1, "has_next_page": False})], "found none", id="no rows"),
        ],
    )
    def test_the_ads_api_refuses(self, stack: Stack, script: list, told: str):
        stack.ads.script(script)
        result = stack.materialize(MONDAY, select="raw_ads")
        assert attempts(result, "raw_ads") == ONCE
        assert len(stack.ads.report_requests) == 1
        assert told in told_by(result, "raw_ads")

    def test_a_token_is_refused(self, stack: Stack):
        stack.ads.revoke_tokens()
        result = stack.materialize(MONDAY, select="raw_ads")
        assert attempts(result, "raw_ads") == ONCE
        assert "ADS_ACCESS_TOKEN" in told_by(result, "raw_ads")

    def test_the_months_file_is_missing(self, stack: Stack):
        result = stack.materialize(date(2024, 5, 1), select="raw_sales")
        assert attempts(result, "raw_sales") == ONCE
        assert "sales_2024-05.csv" in told_by(result, "raw_sales")

    def test_the_crm_refuses_the_login(self, stack: Stack, monkeypatch):
        monkeypatch.setenv("CRM_DATABASE_URL", stack.crm_url.replace("postgres:@", "nobody:topsecret@"))
        result = stack.materialize(MONDAY, select="raw_crm")
        assert attempts(result, "raw_crm") == ONCE
        assert "the CRM (CRM_DATABASE_URL)" in told_by(result, "raw_crm")
        assert "topsecret" not in repr([event.event_specific_data for event in result.all_events])

    def test_settings_are_missing(self, stack: Stack, monkeypatch):
        monkeypatch.delenv("LAKE_URI")
        monkeypatch.delenv("REPORTS_URI")
        result = stack.materialize(MONDAY, select="raw_ads")
        assert attempts(result, "raw_ads") == ONCE
        assert told_by(result, "raw_ads").startswith("Missing settings: LAKE_URI, REPORTS_URI. Set them in")
        assert stack.ads.requests == []

    def test_the_day_before_is_not_materialized(self, stack: Stack):
        result = stack.materialize(MONDAY, select="validated_crm")
        assert attempts(result, "validated_crm") == ONCE
        assert "raw_crm has no partition for 2024-03-11" in told_by(result, "validated_crm")


class TestRanges:
    """Good days are published, whatever becomes of the others."""

    def test_a_days_own_fault_leaves_the_others_alone(self, stack: Stack):
        stack.ads.campaigns[WEDNESDAY] = []
        result = stack.materialize(MONDAY, FRIDAY, select="raw_ads")
        assert attempts(result, "raw_ads") == ONCE
        assert published(result, "raw_ads") == ["2024-03-11", "2024-03-12", "2024-03-14", "2024-03-15"]
        assert stack.lake.keys() == [
            f"raw_ads/date={day}/part-0.parquet" for day in (MONDAY, TUESDAY, THURSDAY, FRIDAY)
        ]
        assert told_by(result, "raw_ads").startswith("raw_ads was not published for 1 of 5 days.\n2024-03-13: ")

    def test_after_a_fault_of_the_moment_the_days_before_are_published_and_the_step_is_tried_again(self, stack: Stack):
        stack.ads.script([None, None, reply(429, headers=MUCH_LATER)])
        result = stack.materialize(MONDAY, FRIDAY, select="raw_ads")
        assert result.success
        assert attempts(result, "raw_ads") == AT_THE_SECOND_TRY
        dates = [request.query["date"] for request in stack.ads.report_requests]
        # The second try goes on where the first one stopped, and publishes the days that it has from it once more.
        assert dates == ["2024-03-11", "2024-03-12", "2024-03-13", *map(str, WEEK[2:])]
        assert published(result, "raw_ads") == ["2024-03-11", "2024-03-12", *map(str, WEEK)]

    def test_when_the_moment_does_not_pass_the_days_before_stay_published(self, stack: Stack):
        gone = reply(429, headers=MUCH_LATER)
        stack.ads.script([None, None, gone, gone, gone, gone])
        result = stack.materialize(MONDAY, FRIDAY, select="raw_ads")
        assert attempts(result, "raw_ads") == NEVER
        assert Counter(published(result, "raw_ads")) == {"2024-03-11": 4, "2024-03-12": 4}
        assert stack.lake.keys() == ["raw_ads/date=2024-03-11/part-0.parquet", "raw_ads/date=2024-03-12/part-0.parquet"]

    def test_a_permanent_fault_before_a_transient_one_does_not_keep_the_step_from_being_tried_again(self, stack: Stack):
        stack.ads.campaigns[MONDAY] = []
        stack.ads.script([None, None, reply(429, headers=MUCH_LATER)])
        result = stack.materialize(MONDAY, WEDNESDAY, select="raw_ads")
        assert attempts(result, "raw_ads") == ["STEP_START", "STEP_UP_FOR_RETRY", "STEP_RESTARTED", "STEP_FAILURE"]
        assert told_by(result, "raw_ads").startswith("raw_ads was not published for 1 of 3 days.\n2024-03-11: ")
        assert set(published(result, "raw_ads")) == {"2024-03-12", "2024-03-13"}

    def test_days_are_asked_for_in_their_order(self, stack: Stack):
        stack.materialize(MONDAY, WEDNESDAY, select="raw_ads")
        assert [request.query["date"] for request in stack.ads.report_requests] == [
            "2024-03-11",
            "2024-03-12",
            "2024-03-13",
        ]


class TestTimeLimit:
    def test_a_source_that_hangs_is_cut_off_and_the_fault_is_transient(self, stack: Stack, monkeypatch):
        """The API takes the request and never answers; the step's minutes are made short."""
        stack.ads.script([hanging()])

        @guarded(minutes=0.005)  # 0.3 seconds
        def body() -> Iterator[int]:
            yield 1
            requests.get(f"{stack.ads.url}/reports", params={"date": str(MONDAY)}, timeout=60)

        yielded = []
        with pytest.raises(
            TransientError, match=r"^The step took longer than its 0\.005 minutes\. It is tried again\.$"
        ):
            yielded.extend(body())
        assert stack.ads.report_requests[0].query == {"date": "2024-03-11"}

    def test_a_query_that_hangs_is_cut_off(self, databases):
        url = databases.create()
        with pytest.raises(TransientError, match=r"longer than its 0\.005 minutes"), time_limit(0.3):
            run_sql(url, *["SELECT pg_sleep(0.05)"] * 1000)

    def test_what_is_in_time_is_left_alone_and_the_alarm_is_off_afterwards(self):
        with time_limit(60):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)

    def test_the_alarm_is_off_after_an_error_too_and_an_earlier_handler_is_back(self):
        handler = signal.getsignal(signal.SIGALRM)
        with pytest.raises(KeyError), time_limit(60):
            raise KeyError
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        assert signal.getsignal(signal.SIGALRM) is handler

    def test_in_another_thread_there_is_no_limit(self):
        passed = threading.Event()

        def work() -> None:
            with time_limit(60):
                passed.set()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert passed.is_set()


class TestStepFaults:
    def test_transient_faults_go_through(self):
        with pytest.raises(TransientError, match="network"), step_faults():
            raise TransientError("network")

    @pytest.mark.parametrize("error", [OSError("object-store error: 503"), ConnectionResetError(), TimeoutError()])
    def test_a_lake_that_polars_finds_away_is_a_transient_fault(self, error):
        with pytest.raises(TransientError, match="The lake"), step_faults():
            raise error

    def test_a_database_of_dagsters_that_is_away_is_a_transient_fault(self):
        engine = sqlalchemy.create_engine("postgresql+psycopg2://dagster@127.0.0.1:1/dagster")  # nobody listens there
        with pytest.raises(TransientError, match=r"DAGSTER_POSTGRES_URL.*refused"), step_faults():
            engine.connect()

    @pytest.mark.parametrize("error", [PermissionError("object-store error: 403"), OSError("no room")])
    def test_other_faults_of_files_are_not_retried(self, error):
        with pytest.raises(dg.Failure) as raised, step_faults():
            raise error
        assert not raised.value.allow_retries

    @pytest.mark.parametrize("kind", [PermanentError, SettingsError, SourceNotReadyError])
    def test_permanent_faults_end_the_step_in_their_own_words(self, kind):
        with pytest.raises(dg.Failure) as raised, step_faults():
            raise kind("Expected this, found that. Do so.")
        assert (raised.value.description, raised.value.allow_retries) == ("Expected this, found that. Do so.", False)
        assert raised.value.__cause__ is None

    def test_failures_go_through(self):
        failure = dg.Failure("blocked", allow_retries=False)
        with pytest.raises(dg.Failure) as raised, step_faults():
            raise failure
        assert raised.value is failure

    def test_unforeseen_errors_are_not_retried_and_keep_their_stack_trace(self, stack: Stack, monkeypatch):
        def broken(*_: object) -> None:
            raise ZeroDivisionError("a fault of the platform")

        monkeypatch.setattr("marketing_assets.defs.assets.raw.CustomerHistory", broken)
        result = stack.materialize(MONDAY, select="raw_crm")
        assert attempts(result, "raw_crm") == ONCE
        assert told_by(result, "raw_crm") == "ZeroDivisionError: a fault of the platform"
        [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
        assert "in broken" in "".join(failure.error.cause.stack)
