"""What Slack and mail say, read as people read it; the golden files hold whole messages."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest

from marketing_assets.reporting.mail_body import render_html_body, render_text_body
from marketing_assets.reporting.message_words import MESSAGE_WORDS
from marketing_assets.reporting.messages import (
    Message,
    Section,
    mark_updated,
    rate_roas,
    tell_backlog,
    tell_many,
    tell_outcome,
    tell_report,
)
from marketing_assets.reporting.outcomes import BlockedCheck, Fault, RunOutcome
from marketing_assets.reporting.slack_blocks import MOST_BLOCKS, render_slack
from marketing_assets.reporting.words import WORDS, Language
from marketing_assets_tests.support.golden import golden
from marketing_assets_tests.support.messages import HOSTILE, hostile_message, message
from marketing_assets_tests.support.reports import DAY, HOSTILE_NAMES, small_report

LANGUAGES: list[Language] = ["ja", "en"]
RUN_URL = "https://dagster.example.com/runs/run-1"
BLOCKED = BlockedCheck(
    "validated_crm",
    DAY,
    "crm_suite",
    "crm 4/5. Not met: customer_id is unique: 2 of 9 rows (rows C-1)",
)
FAILED = RunOutcome("run-1", days=[DAY], faults=[Fault("raw_ads", ["The ads API rejects the token (401)."])])


def told(language: Language = "en", **changes: Any) -> Message:
    return tell_report(small_report(**changes), lambda key: f"/reports/{key}", language)


def texts_of(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List the text objects of a block, however deep."""
    for value in block.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                yield from [part] if "text" in part and isinstance(part["text"], str) else texts_of(part)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["report", "blocked", "failed", "many"])
def test_messages_read_as_they_did_when_they_were_found_good(kind: str, language: Language):
    days = [DAY - timedelta(days=age) for age in (2, 1, 0)]
    range_run = RunOutcome("run-1", days, frozenset(days[1:]), [BLOCKED], FAILED.faults)
    [written] = {
        "report": lambda: [told(language)],
        "blocked": lambda: tell_outcome(RunOutcome("run-1", [DAY], blocked=[BLOCKED]), RUN_URL, language),
        "failed": lambda: tell_outcome(FAILED, RUN_URL, language),
        "many": lambda: [tell_many("run run-1", [range_run], None, RUN_URL, language)],
    }[kind]()

    text = render_text_body(written, None, language)
    assert text == golden(f"message_{kind}.{language}.txt", text)


@pytest.mark.parametrize("kind", ["report", "failed"])
def test_slack_gets_the_blocks_that_it_got_when_they_were_found_good(kind: str):
    written = told() if kind == "report" else tell_outcome(FAILED, RUN_URL, "en")[0]
    slack = json.dumps(render_slack(written, None, "en"), ensure_ascii=False, indent=1) + "\n"

    assert slack == golden(f"message_{kind}.json", slack)


@pytest.mark.parametrize(
    ("percent", "rating"),
    [
        (299.94, "good"),
        (299.96, "excellent"),
        (300, "excellent"),
        (200, "good"),
        (199.9, "break_even"),
        (100, "break_even"),
        (99.9, "poor"),
        (0, "poor"),
    ],
)
def test_roas_is_rated_as_it_is_shown(percent: float, rating: str):
    assert rate_roas(percent) == rating


def test_both_languages_have_the_same_words():
    assert MESSAGE_WORDS["ja"].keys() == MESSAGE_WORDS["en"].keys()


def test_a_missing_roas_is_not_rated():
    report = small_report()
    summary = {**report.summary, "paid_roas": None, "best_channel": None}
    figures = dict(told(summary=summary).figures)

    assert figures[WORDS["en"]["paid_roas"]] == "—"
    assert figures[WORDS["en"]["best_channel"]] == "—"


def test_a_message_comes_back_from_json_as_it_was():
    message = told()

    assert Message.from_dict(json.loads(json.dumps({**message.to_dict(), "of_a_later_version": 1}))) == message


def test_the_version_tells_what_is_said_apart_and_nothing_else():
    message = told()

    assert mark_updated(message, "en").version == message.version
    assert mark_updated(message, "en").title == f"{message.title} (updated)"
    assert told(summary={**small_report().summary, "total_customers": 61}).version != message.version


def test_what_is_urgent_mentions_everybody_and_nothing_else_does():
    [failure] = tell_outcome(FAILED, RUN_URL, "en")

    assert render_slack(failure, None, "en")["text"].startswith("<!channel> Run failed: 2024-04-30\n")
    assert "<!channel>" in json.dumps(render_slack(failure, None, "en")["blocks"])
    assert "<!channel>" not in json.dumps(render_slack(told(), None, "en"))


def test_a_run_may_block_one_thing_and_fail_at_another():
    outcome = RunOutcome("run-1", [DAY], blocked=[BLOCKED], faults=FAILED.faults)

    assert [message.title for message in tell_outcome(outcome, "", "en")] == [
        "Not published: validated_crm 2024-04-30",
        "Run failed: 2024-04-30",
    ]


def test_many_days_hold_the_newest_days_figures():
    days = [DAY - timedelta(days=1), DAY]
    summary = tell_many("run run-1", [RunOutcome("run-1", days, frozenset(days))], told(), "", "en")

    assert summary.title == "Many days have been run: 2024-04-29 to 2024-04-30 (2 days)"
    assert dict(summary.figures)["Days with a report published"] == "2"
    assert set(told().figures) <= set(summary.figures)
    assert summary.documents == told().documents
    assert not summary.urgent


def test_a_year_of_failures_fits_into_one_message():
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(366)]
    outcomes = [RunOutcome(f"run-{day}", [day], blocked=[BLOCKED], faults=FAILED.faults) for day in days]

    message = tell_backlog("backlog", 732, outcomes, told(), "en")
    slack = render_slack(message, None, "en")

    assert message.title == "Messages that could not be delivered: 2024-01-01 to 2024-12-31 (366 days)"
    assert message.urgent
    assert [len(section.lines) for section in message.sections[:2]] == [11, 11]
    assert message.sections[0].lines[-1] == "and 356 more"
    assert len(slack["blocks"]) <= MOST_BLOCKS


def test_data_can_neither_mention_anyone_nor_be_markup_in_slack():
    slack = render_slack(hostile_message(), None, "en")

    for block in slack["blocks"]:
        for text in texts_of(block):
            assert text["type"] == "plain_text" or text["text"] in {"*Best channel*", "*Ad cost*", "*Warnings*"}
            assert "<" not in text["text"]
    assert "<" not in slack["text"]
    shown = [unescape(text["text"]) for block in slack["blocks"] for text in texts_of(block)]
    assert sum(" ".join(HOSTILE) in text for text in shown) == 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_channels_are_names_wherever_a_report_names_them(language: Language):
    report = small_report(names=HOSTILE_NAMES)
    summary = {**report.summary, "best_channel": HOSTILE_NAMES[0]}
    message = tell_report(small_report(names=HOSTILE_NAMES, summary=summary), lambda key: key, language)

    slack, html = render_slack(message, None, language), render_html_body(message, None, language)

    assert "<" not in slack["text"]
    assert "<script" not in html
    assert "<script" not in json.dumps(slack)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_texts_are_cut_to_what_slack_takes_and_never_within_an_escape():
    long = "&" * 10_000
    slack = render_slack(
        message(title=long, lead=long, figures=(("x", long),), sections=(Section("y", (long, long)),)), None, "en"
    )

    assert len(slack["text"]) <= 3000
    limits = {"header": 150, "section": 3000}
    for block in slack["blocks"]:
        for text in texts_of(block):
            assert len(text["text"]) <= limits[block["type"]]
            assert "&" not in text["text"].replace("&amp;", "")
        assert all(len(field["text"]) <= 2000 for field in block.get("fields", ()))


def test_more_than_fifty_blocks_are_cut():
    sections = tuple(Section(f"part {number}", ("line",)) for number in range(40))

    assert len(render_slack(message(sections=sections), None, "en")["blocks"]) == MOST_BLOCKS


def test_files_are_linked_where_they_can_be_opened():
    base = "https://files.example.com/kpi/"
    slack, html = (render(told(), base, "en") for render in (render_slack, render_html_body))
    address = "https://files.example.com/kpi/reports/daily/2024/04/marketing_report_2024-04-30.xlsx"

    assert f"<{address}|Excel>" in json.dumps(slack)
    assert f'<a href="{address}">Excel</a>' in html
    assert "/reports/reports/daily/2024/04/marketing_report_2024-04-30.xlsx" in json.dumps(
        render_slack(told(), None, "en")
    )
