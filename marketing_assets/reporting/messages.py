"""What Slack and mail say, as plain data: what happened, whether it can be trusted, what to do.

Text in a message is as it is in the data; the renderers (`slack_blocks`, `mail_body`) escape it for where it goes.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from marketing_assets.reporting.advice import Advice, explain, explain_shift
from marketing_assets.reporting.figures import NO_FIGURE, round_half_up, write_amount, write_figure
from marketing_assets.reporting.message_words import MESSAGE_WORDS
from marketing_assets.reporting.outcomes import BlockedCheck, RunOutcome
from marketing_assets.reporting.report import DayReport, HistoryDay
from marketing_assets.reporting.restated import tell_restated
from marketing_assets.reporting.words import WORDS, Language
from marketing_assets.storage.reports import kpi_key, mail_html_key, quality_key, report_key

_REPORT = "report "
_CHANGES = {"increase", "reduce", "stop"}
_MOST_LINES = 10
_LONGEST_LINE = 500
_RATINGS = ((300, "excellent"), (200, "good"), (100, "break_even"))
"""Percent of paid ROAS from which a word applies; below all of them it is `poor`."""


@dataclass(frozen=True)
class Section:
    """Lines under a heading."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A file that goes with a message: what it is called, its key in the reports store, and where it lies."""

    label: str
    key: str
    uri: str


@dataclass(frozen=True)
class Message:
    """One message, before it is rendered.

    Attributes:
        subject: What it is about, such as `report 2024-01-15`. A subject is told once; a report, once more whenever
            its figures have changed.
        title: One line.
        lead: One sentence below it; may be empty.
        urgent: Whether everybody in the channel must look now.
        figures: Labels and values.
        sections: What else there is to say.
        documents: Files that go with it.
        run_url: Address of the run; empty without one.
        mail_html: Key of the page that a mail shows instead of the message; empty without one.
    """

    subject: str
    title: str
    lead: str = ""
    urgent: bool = False
    figures: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()
    documents: tuple[Document, ...] = ()
    run_url: str = ""
    mail_html: str = ""

    @property
    def is_report(self) -> bool:
        """Whether it tells a day's figures."""
        return self.subject.startswith(_REPORT)

    @property
    def version(self) -> str:
        """Tell messages of one subject that say different things apart."""
        said = [self.lead, self.figures, [asdict(section) for section in self.sections]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the message as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Message":
        """Read back what `to_dict` returned, JSON in between or not; what other versions said beside it is left out."""
        known = {field.name for field in fields(cls)}
        return cls(
            **{
                **{name: value for name, value in data.items() if name in known},
                "figures": tuple((label, value) for label, value in data["figures"]),
                "sections": tuple(Section(part["heading"], tuple(part["lines"])) for part in data["sections"]),
                "documents": tuple(Document(**document) for document in data["documents"]),
            }
        )


def tell_report(report: DayReport, uri_of: Callable[[str], str], language: Language) -> Message:
    """Tell a day's figures, how far they can be trusted, and what to do.

    Args:
        report: The day's report; its window is what the figures are about.
        uri_of: Tells where a key of the reports store lies.
        language: Language of the message.
    """
    words = WORDS[language] | MESSAGE_WORDS[language]
    summary = report.summary
    period = words["period"].format(
        first=report.first_day,
        last=report.day,
        window=report.window_days,
        covered=summary["days_covered"],
        sales=summary["sales_days_covered"],
    )
    day = report.history[-1] if report.history and report.window_days > 1 else HistoryDay(report.day)
    best = summary["best_channel"]
    roas = write_figure("paid_roas", summary["paid_roas"])
    rating = "" if summary["paid_roas"] is None else words[rate_roas(summary["paid_roas"])]

    def with_day(figure: str, of_day: str | None) -> str:
        return figure if of_day is None else words["of_day"].format(figure=figure, of_day=of_day)

    figures = (
        (words["ad_cost"], with_day(write_amount(summary["total_ad_cost"]), _amount(day.ad_cost))),
        (words["revenue"], with_day(write_figure("total_revenue", summary["total_revenue"]), _amount(day.revenue))),
        (words["paid_roas"], words["rated"].format(figure=roas, rating=rating).strip()),
        (words["paid_cac"], write_figure("paid_cac", summary["paid_cac"])),
        (words["new_customers"], with_day(f"{summary['total_customers']:,}", _count(day.new_customers))),
        (
            words["best_channel"],
            words["best"].format(channel=best, roas=write_figure("roas", summary["best_channel_roas"]))
            if best
            else NO_FIGURE,
        ),
        (words["quality"], report.quality_line),
    )
    return Message(
        subject=f"{_REPORT}{report.day}",
        title=f"{words['title']} {report.day}",
        lead=" ".join([period, *([] if report.sales_complete else [words["sales_missing"]])]),
        figures=tuple((label, _line(value)) for label, value in figures),
        sections=_sections(
            words,
            ("restated", [] if report.restated is None else [tell_restated(report.restated, report.day, language)]),
            ("warnings", _tell_warnings(report, words)),
            ("quarantine", _tell_quarantine(report, words)),
            ("advice", _tell_advice(report.advice, language)),
        ),
        documents=tuple(Document(label, key, uri_of(key)) for label, key in _report_files(report, words)),
        mail_html=mail_html_key(report.day),
    )


def rate_roas(percent: float) -> str:
    """Rate a ROAS: `excellent` from 300 %, `good` from 200, `break_even` from 100, else `poor`.

    It is rated as it is shown, with one decimal.
    """
    return next((word for least, word in _RATINGS if round_half_up(percent, 1) >= least), "poor")


def tell_outcome(outcome: RunOutcome, run_url: str, language: Language) -> list[Message]:
    """Tell what went wrong in a run over one day: a message for each check that blocked, one for a failure."""
    words = MESSAGE_WORDS[language]
    blocked = [_tell_blocked(check, outcome.run_id, run_url, words) for check in outcome.blocked]
    if not outcome.faults:
        return blocked
    if not blocked and all(fault.not_ready for fault in outcome.faults):
        return [_tell_not_ready(outcome, run_url, words)]
    return [*blocked, _tell_failure(outcome, run_url, words)]


def tell_many(
    subject: str, outcomes: Sequence[RunOutcome], newest: Message | None, run_url: str, language: Language
) -> Message:
    """Tell what became of many days in one message, with the newest day's figures if they are among them."""
    words = MESSAGE_WORDS[language]
    days = sorted({day for outcome in outcomes for day in outcome.days})
    title = words["backfill_title"].format(days=_span(days, words))
    return _summarize(subject, title, "", outcomes, newest, run_url, words)


def tell_backlog(
    subject: str, waiting: int, outcomes: Sequence[RunOutcome], newest: Message | None, language: Language
) -> Message:
    """Tell in one message what could not be delivered for a while.

    Args:
        subject: What the message is about.
        waiting: How many messages it stands for.
        outcomes: The runs that they are about.
        newest: The newest day's figures, if they are among them.
        language: Language of the message.
    """
    words = MESSAGE_WORDS[language]
    days = sorted({day for outcome in outcomes for day in outcome.days})
    title = words["backlog_title"].format(days=_span(days, words))
    return _summarize(subject, title, words["backlog_lead"].format(count=waiting), outcomes, newest, "", words)


def mark_updated(message: Message, language: Language) -> Message:
    """Say in the title that the figures have changed since the last message about them."""
    return replace(message, title=message.title + MESSAGE_WORDS[language]["updated"])


def _tell_blocked(check: BlockedCheck, run_id: str, run_url: str, words: Mapping[str, str]) -> Message:
    return Message(
        subject=f"blocked {run_id} {check.asset} {check.day} {check.check}",
        title=_line(words["blocked_title"].format(asset=check.asset, day=check.day)),
        lead=words["blocked_lead"],
        figures=(
            (words["asset"], check.asset),
            (words["day"], str(check.day)),
            (words["check"], check.check),
        ),
        sections=_sections(words, ("found", [check.summary, *check.rows])),
        run_url=run_url,
    )


def _tell_not_ready(outcome: RunOutcome, run_url: str, words: Mapping[str, str]) -> Message:
    """Tell once for a day, however often it is tried, that a source does not have it yet."""
    days = _span(outcome.days, words)
    return replace(
        _tell_failure(outcome, run_url, words),
        subject=f"not ready {days}",
        title=words["not_ready_title"].format(days=days),
        lead=words["not_ready_lead"],
    )


def _tell_failure(outcome: RunOutcome, run_url: str, words: Mapping[str, str]) -> Message:
    """Tell what ended a run; of what may mend by itself, once for a day and its steps, however often it is tried."""
    days = _span(outcome.days, words)
    steps = ", ".join(fault.step or words["no_step"] for fault in outcome.faults)
    errors = [line for fault in outcome.faults for line in fault.error]
    return Message(
        subject=f"failing {days} {steps}" if outcome.may_mend and outcome.days else f"failed {outcome.run_id}",
        title=words["failed_title"].format(days=days),
        lead=words["tried_again_lead" if outcome.may_mend else "failed_lead"],
        urgent=True,
        figures=((words["day"], days), (words["step"], _line(steps)), (words["run"], outcome.run_id)),
        sections=_sections(words, ("error", errors)),
        run_url=run_url,
    )


def _summarize(
    subject: str,
    title: str,
    lead: str,
    outcomes: Sequence[RunOutcome],
    newest: Message | None,
    run_url: str,
    words: Mapping[str, str],
) -> Message:
    published = {day for outcome in outcomes for day in outcome.report_days}
    blocked = [check for outcome in outcomes for check in outcome.blocked]
    failed = [outcome for outcome in outcomes if outcome.faults]
    figures = (
        (words["runs"], f"{len(outcomes):,}"),
        (words["published"], f"{len(published):,}"),
        (words["blocked"], f"{len({(check.asset, check.day) for check in blocked}):,}"),
        (words["failed"], f"{len(failed):,}"),
    )
    told = _sections(
        words,
        ("blocked", [f"{check.day} {check.asset} / {check.check}: {check.summary}" for check in blocked]),
        ("failed", [_tell_shortly(outcome, words) for outcome in failed]),
    )
    if newest is not None:
        told += (Section(newest.title, (newest.lead,)), *newest.sections)
    return Message(
        subject=subject,
        title=title,
        lead=lead,
        urgent=bool(failed),
        figures=figures + (newest.figures if newest else ()),
        sections=told,
        documents=newest.documents if newest else (),
        run_url=run_url,
    )


def _tell_shortly(outcome: RunOutcome, words: Mapping[str, str]) -> str:
    fault = outcome.faults[0]
    return f"{_span(outcome.days, words)} {fault.step or words['no_step']}: {' '.join(fault.error)}"


def _report_files(report: DayReport, words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for extension in ("html", "xlsx", "txt"):
        yield words[extension], report_key(report.day, extension)
    yield words["csv"], kpi_key(report.day)
    for source in report.quality:
        yield f"{words['quality']} {source}", quality_key(report.day, source)


def _tell_warnings(report: DayReport, words: Mapping[str, str]) -> list[str]:
    return [
        f"{place} / {warning.check}: {warning.summary}"
        + (f" ({words['rows']}: {', '.join(warning.keys)})" if warning.keys else "")
        for place, warning in report.warnings
    ]


def _tell_advice(advice: Advice, language: Language) -> list[str]:
    """Tell what to change and why, what the shift would mean, and of the other channels only which they are."""
    words = WORDS[language]
    told = [
        f"{channel.channel}: {words[channel.verdict]} — {explain(channel, advice.rules, language)}"
        for channel in advice.channels
        if channel.verdict in _CHANGES
    ]
    if advice.shift:
        told.append(explain_shift(advice.shift, advice.rules, language))
    for verdict in ("keep", "not_enough_data"):
        names = [channel.channel for channel in advice.channels if channel.verdict == verdict]
        told += [f"{words[verdict]}: {', '.join(names)}"] if names else []
    return told


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else write_amount(value)


def _count(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _tell_quarantine(report: DayReport, words: Mapping[str, str]) -> list[str]:
    return [
        f"{source}: " + ", ".join(f"{words[reason]} {count}" for reason, count in sorted(record.quarantined.items()))
        for source, record in report.quality.items()
        if record.quarantined
    ]


def _sections(words: Mapping[str, str], *parts: tuple[str, Iterable[str]]) -> tuple[Section, ...]:
    """Make sections of those parts that have lines; a long one ends on how many more there are."""
    sections = []
    for heading, lines in parts:
        told = [_line(line) for line in lines]
        rest = len(told) - _MOST_LINES
        shown = told if rest <= 0 else [*told[:_MOST_LINES], words["more"].format(count=rest)]
        if shown:
            sections.append(Section(words[heading], tuple(shown)))
    return tuple(sections)


def _span(days: Sequence[date], words: Mapping[str, str]) -> str:
    if not days:
        return words["no_day"]
    if len(days) == 1:
        return str(days[0])
    return words["days"].format(first=days[0], last=days[-1], count=len(days))


def _line(text: str) -> str:
    """Put a text on one line of bearable length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
