"""Slack and mail: sensors that tell people what became of runs, each thing once, in order, however long it takes.

Each sensor keeps its own place in the order of ended runs, and moves on only when what a run gave occasion for has been
taken. What was taken is noted in Dagster's storage at once, apart from the cursor, which is stored when the tick ends:
a process that dies in between repeats nothing. Only if it dies between the other side's yes and that note does a
message go out twice, and then with the same id as before (`client_msg_id`, `Message-ID`).
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Protocol, Self

import dagster as dg

from marketing_assets.defs.outcomes import (
    backfill_has_ended,
    ends_after,
    latest_end,
    read_newest_report,
    read_outcome,
    runs_of_backfill,
)
from marketing_assets.errors import MarketingError
from marketing_assets.notify.mail import Mail
from marketing_assets.notify.slack import RateLimitedError, Slack
from marketing_assets.reporting.messages import Message, mark_updated, tell_backlog, tell_many, tell_outcome
from marketing_assets.reporting.outcomes import RunOutcome
from marketing_assets.settings import NotificationSettings, load_notification_settings

MOST_MESSAGES = 5
"""Messages that wait; of more, one summary is made."""
MOST_RUNS = 100
"""Ended runs that one tick looks at."""

_MOST_REMEMBERED = 500
_TICK_SECONDS = 30
_LONGEST_TICK = 40
"""Seconds after which a tick sends nothing more; Dagster ends a tick after 60."""
_LONGEST_PAUSE = 3600
_OFF = "off"
_HOW_TO_TURN_ON = {
    Slack.name: "set SLACK_BOT_TOKEN and SLACK_CHANNEL, or SLACK_WEBHOOK_URL.",
    Mail.name: "set SMTP_URL, EMAIL_FROM and EMAIL_TO.",
}


class Channel(Protocol):
    """A way out: Slack or mail."""

    name: str
    seconds_between: float

    def send(self, message: Message) -> None:
        """Hand over a message; raises `TransientError` or `PermanentError` when it was not taken."""


@dataclass(frozen=True)
class Progress:
    """How far a sensor is.

    Attributes:
        position: The last ended run that has been dealt with.
        backfills: Backfills of which runs have ended but not all.
        not_before: Time (seconds since 1970) before which nothing is sent, at the other side's request.
    """

    position: int
    backfills: tuple[str, ...] = ()
    not_before: float = 0.0

    @classmethod
    def from_cursor(cls, cursor: str) -> Self:
        """Read back what `to_cursor` returned."""
        data = json.loads(cursor)
        return cls(**data | {"backfills": tuple(data["backfills"])})

    def to_cursor(self) -> str:
        """Return the progress as the text that a sensor keeps."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Alert:
    """A message, and all that counts as said once it has been taken."""

    message: Message
    says: Sequence[Message]


@dataclass(frozen=True)
class Step:
    """What there is to say about a run or a backfill, and how far the sensor is once it has been said."""

    after: Progress
    alerts: Sequence[Alert] = ()
    outcomes: Sequence[RunOutcome] = ()


class Memory:
    """What was said last about each subject; kept in Dagster's storage, the oldest forgotten first."""

    def __init__(self, instance: dg.DagsterInstance, channel: str) -> None:
        self._storage = instance.daemon_cursor_storage
        self._key = f"marketing_assets/notifications/{channel}"
        stored = self._storage.get_cursor_values({self._key}).get(self._key)
        self._said: dict[str, str] = json.loads(stored) if stored else {}

    def has(self, message: Message) -> bool:
        """Tell whether a message has been said; one with figures only if nothing else was said about them since."""
        said = self._said.get(message.subject)
        return said == message.version if message.is_report else said is not None

    def has_subject(self, subject: str) -> bool:
        """Tell whether anything was said about a subject."""
        return subject in self._said

    def note(self, messages: Sequence[Message]) -> None:
        """Note at once that messages have been said."""
        for message in messages:
            self._said.pop(message.subject, None)
            self._said[message.subject] = message.version
        self._said = dict(list(self._said.items())[-_MOST_REMEMBERED:])
        self._storage.set_cursor_values({self._key: json.dumps(self._said)})


@dataclass(frozen=True)
class Newest:
    """The newest day that has a report, and what is to be said about it; nothing when that has been said."""

    day: date
    message: Message | None


def deliver(
    instance: dg.DagsterInstance,
    channel: Channel,
    settings: NotificationSettings,
    progress: Progress,
    save: Callable[[Progress], None],
) -> str:
    """Say everything that there is to say after a point, until it is said or somebody does not take it.

    Args:
        instance: Where the runs are.
        channel: Where it is said.
        settings: Language and links.
        progress: The point.
        save: Takes the new point whenever there is one.

    Returns:
        What was done, or what kept it from being done, as one sentence.
    """
    wait = progress.not_before - time.time()
    if wait > 0:
        return f"{channel.name} has asked for a pause; {wait:.0f} s of it are left."
    memory = Memory(instance, channel.name)
    steps = list(_plan(instance, memory, settings, progress))
    alerts = [alert for step in steps for alert in step.alerts]
    if len(alerts) > MOST_MESSAGES:
        steps = [_as_one(steps, progress, settings)]
    return _send(channel, memory, steps, progress, save)


def _plan(
    instance: dg.DagsterInstance, memory: Memory, settings: NotificationSettings, progress: Progress
) -> Iterator[Step]:
    """Go through the runs that have ended since, and the backfills that have; what has been said is left out."""
    planned: set[str] = set()

    def step(subject: str, outcomes: Sequence[RunOutcome]) -> Step:
        alerts = _alerts(subject, outcomes, newest, settings)
        new = [alert for alert in alerts if not memory.has(alert.message) and alert.message.subject not in planned]
        planned.update(message.subject for alert in new for message in alert.says)
        return Step(progress, new, outcomes)

    ends = ends_after(instance, progress.position, MOST_RUNS)
    if not ends and not progress.backfills:
        return
    newest = _read_newest(instance, memory, settings)
    for end in ends:
        progress = replace(progress, position=end.position)
        outcome = read_outcome(instance, end.run_id)
        backfill = outcome.backfill
        if backfill is None or memory.has_subject(_backfill_subject(backfill)):
            yield step(f"run {end.run_id}", [outcome])
        else:
            progress = replace(progress, backfills=tuple(dict.fromkeys([*progress.backfills, backfill])))
            yield Step(progress)
    if latest_end(instance) > progress.position:
        return  # further runs of the backfills may be among those that were not looked at
    for backfill in progress.backfills:
        if backfill_has_ended(instance, backfill):
            progress = replace(progress, backfills=tuple(other for other in progress.backfills if other != backfill))
            outcomes = [read_outcome(instance, run_id) for run_id in runs_of_backfill(instance, backfill)]
            yield step(_backfill_subject(backfill), outcomes)


def _alerts(
    subject: str, outcomes: Sequence[RunOutcome], newest: Newest | None, settings: NotificationSettings
) -> list[Alert]:
    """Choose the messages: of one day each thing by itself, of many days one that holds everything."""
    days = {day for outcome in outcomes for day in outcome.days}
    told_days = {day for outcome in outcomes if not outcome.quiet for day in outcome.report_days}
    figures = newest.message if newest and newest.day in told_days else None
    language = settings.report_language
    told: list[Message] = []
    if len(days) <= 1:
        for outcome in outcomes:
            told += tell_outcome(outcome, settings.run_url(outcome.run_id), language)
    elif any(outcome.awaited or not outcome.is_clean for outcome in outcomes):
        run_url = settings.run_url(outcomes[0].run_id) if len(outcomes) == 1 else ""
        summary = tell_many(subject, outcomes, figures, run_url, language)
        return [Alert(summary, [summary, *([figures] if figures else [])])]
    return [Alert(message, [message]) for message in [*told, *([figures] if figures else [])]]


def _as_one(steps: Sequence[Step], progress: Progress, settings: NotificationSettings) -> Step:
    """Make one summary of all that waits."""
    alerts = [alert for step in steps for alert in step.alerts]
    said = [message for alert in alerts for message in alert.says]
    newest = next((message for message in said if message.is_report), None)
    outcomes = [outcome for step in steps if step.alerts for outcome in step.outcomes]
    subject = f"backlog {progress.position} {steps[-1].after.position}"
    message = tell_backlog(subject, len(alerts), outcomes, newest, settings.report_language)
    return Step(steps[-1].after, [Alert(message, [message, *said])], outcomes)


def _send(
    channel: Channel,
    memory: Memory,
    steps: Sequence[Step],
    progress: Progress,
    save: Callable[[Progress], None],
) -> str:
    sent, began = 0, time.monotonic()
    for step in steps:
        for alert in step.alerts:
            if time.monotonic() - began > _LONGEST_TICK:
                return f"{sent} messages sent; the rest follows."
            if sent:
                time.sleep(channel.seconds_between)
            try:
                channel.send(alert.message)
            except RateLimitedError as error:
                save(replace(progress, not_before=time.time() + min(error.seconds, _LONGEST_PAUSE)))
                return f"{error} Everything from “{alert.message.title}” on is sent after it."
            except MarketingError as error:
                return f"{error} Everything from “{alert.message.title}” on is tried again."
            memory.note(alert.says)
            sent += 1
        progress = step.after
        save(progress)
    return f"{sent} messages sent." if sent else "Nothing new."


def _read_newest(instance: dg.DagsterInstance, memory: Memory, settings: NotificationSettings) -> Newest | None:
    found = read_newest_report(instance)
    if found is None:
        return None
    day, message = found
    if message is None or memory.has(message):
        return Newest(day, None)
    updated = memory.has_subject(message.subject)
    return Newest(day, mark_updated(message, settings.report_language) if updated else message)


def _backfill_subject(backfill: str) -> str:
    return f"backfill {backfill}"


def _tick(
    context: dg.SensorEvaluationContext, name: str, open_channel: Callable[[NotificationSettings], Channel | None]
) -> dg.SkipReason:
    """Deliver what is new; the first time, only take note of where things stand.

    Raises:
        SettingsError: a way is set by half, or a setting is unreadable; nothing is lost meanwhile.
    """
    settings = load_notification_settings()
    channel = open_channel(settings)
    if channel is None:
        is_told = context.cursor == _OFF
        context.update_cursor(_OFF)
        return dg.SkipReason(f"{name} is off." if is_told else f"{name} is off: {_HOW_TO_TURN_ON[name]}")
    if context.cursor in {None, "", _OFF}:
        context.update_cursor(Progress(latest_end(context.instance)).to_cursor())
        return dg.SkipReason(f"{name} is on: it hears of every run that ends from now on.")
    progress = Progress.from_cursor(context.cursor)

    def save(reached: Progress) -> None:
        context.update_cursor(reached.to_cursor())

    return dg.SkipReason(deliver(context.instance, channel, settings, progress, save))


@dg.sensor(
    name="slack_notifications",
    minimum_interval_seconds=_TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Posts the newest day's figures, blocked checks and failed runs to Slack, each once and in order.",
)
def slack_notifications(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell Slack what became of the runs that have ended."""
    return _tick(context, Slack.name, lambda settings: Slack(settings) if settings.slack_is_on else None)


@dg.sensor(
    name="mail_notifications",
    minimum_interval_seconds=_TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Mails the newest day's report, blocked checks and failed runs, each once and in order.",
)
def mail_notifications(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tell the mail's recipients what became of the runs that have ended."""
    return _tick(context, Mail.name, lambda settings: Mail(settings) if settings.mail_is_on else None)
