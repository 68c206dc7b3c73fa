"""How a step ends when something goes wrong: retried when time may mend it, failed at once when not."""

import functools
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ParamSpec

import dagster as dg
import polars as pl
import sqlalchemy
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils import interrupts

from marketing_assets.defs.partitions import SETTINGS
from marketing_assets.errors import MarketingError, SourceNotReadyError, TransientError

RETRY_POLICY = dg.RetryPolicy(
    max_retries=3,
    delay=SETTINGS.retry_delay_seconds,
    backoff=dg.Backoff.EXPONENTIAL,
    jitter=dg.Jitter.PLUS_MINUS,
)
"""For every step; only `TransientError` gets this far, see `step_faults`."""

SOURCE_NOT_READY_KEY = "source_not_ready"
"""Metadata of a failed step that failed for nothing else than a source that does not have the day yet."""

INTERRUPTED_KEY = "interrupted"
"""Metadata of a step that did nothing wrong: its process was told to end."""

_DAGSTERS_DATABASE = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.DisconnectionError,
)
"""What a database that is away looks like through SQLAlchemy; the platform's own ones are not reached by it."""

_Parameters = ParamSpec("_Parameters")


@contextmanager
def step_faults() -> Iterator[None]:
    """Let transient faults through to the retry policy; end the step at once on every other one.

    A message of this platform's own speaks for itself; an unforeseen error keeps its stack trace. An interrupt ends
    the run: left alone, Dagster would keep the step for its retry policy and go on with the others.
    """
    try:
        yield
    except (KeyboardInterrupt, DagsterExecutionInterruptedError):
        # Delivered again before the next step starts, outside of what the retry policy covers.
        interrupts._received_interrupt["received"] = True
        text = "Interrupted while the step was at work."
        raise dg.Failure(text, metadata={INTERRUPTED_KEY: True}, allow_retries=False) from None
    except (dg.Failure, TransientError):
        raise
    except MarketingError as error:
        raise give_up(str(error), [error]) from None
    except Exception as error:
        described = f"{type(error).__name__}: {error}"
        if _is_lake_away(error):
            raise TransientError(
                f"The lake (LAKE_URI) did not answer: {described} Check that it can be reached, then run again."
            ) from error
        if isinstance(error, _DAGSTERS_DATABASE):
            raise TransientError(
                f"Dagster's own database (DAGSTER_POSTGRES_URL) did not answer: {described} "
                "Check that it is up and can be reached, then run again."
            ) from error
        raise dg.Failure(described, allow_retries=False) from error


def _is_lake_away(error: Exception) -> bool:
    """Tell faults of the moment that Polars meets, which reads the lake in S3 by itself, with errors of its own."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return False
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError | pl.exceptions.ComputeError) and "object-store error" in str(error)


def give_up(text: str, faults: Collection[MarketingError]) -> dg.Failure:
    """Make the failure that ends a step at once; of sources that are not ready, and nothing else, it says so.

    Args:
        text: What to tell people.
        faults: What has ended the step; none if it was something else, such as a check that blocks.
    """
    not_ready = bool(faults) and all(isinstance(fault, SourceNotReadyError) for fault in faults)
    return dg.Failure(text, metadata={SOURCE_NOT_READY_KEY: True} if not_ready else {}, allow_retries=False)


def guarded(
    minutes: int,
) -> Callable[[Callable[_Parameters, Iterator[Any]]], Callable[_Parameters, Iterator[Any]]]:
    """Give an asset's body a time limit for each of its days, and its faults their kind."""

    def decorate(body: Callable[_Parameters, Iterator[Any]]) -> Callable[_Parameters, Iterator[Any]]:
        @functools.wraps(body)
        def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> Iterator[Any]:
            context = args[0] if args else kwargs.get("context")
            days = len(context.partition_keys) if isinstance(context, dg.AssetExecutionContext) else 1
            with step_faults(), time_limit(minutes * 60 * days):
                yield from body(*args, **kwargs)

        return run

    return decorate


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TransientError` in the block after some seconds; a hanging source may answer the next try.

    Works by SIGALRM, which Python delivers to the main thread, where every executor runs its steps, and between two
    of its own instructions: a call into PostgreSQL ends by the database's own limits. In another thread there is none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TransientError(f"The step took longer than its {seconds / 60:g} minutes. It is tried again.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
