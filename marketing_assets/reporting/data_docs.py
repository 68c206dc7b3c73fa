"""The quality pages: what every source is checked for, and how each day of it came out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from marketing_assets.quality.checks import CheckOutcome
from marketing_assets.quality.record import QualityRecord
from marketing_assets.quality.suites import SUITES
from marketing_assets.reporting.pages import render_page
from marketing_assets.reporting.quality_words import MEANINGS, WORDS, word_expectation, word_reason
from marketing_assets.reporting.words import WORDS as REPORT_WORDS
from marketing_assets.reporting.words import Language
from marketing_assets.transforms.cleaning import RETURN

Verdict = Literal["published", "warned", "blocked"]

_SUITE_CHECKS = {f"{source}_suite" for source in SUITES}
_MART_CHECKS = ("reconciles", "unknown_customers", "unusual_volume", "window_complete")
_DAY_CHECKS = ("quarantine_rate", "unattributed", "sales_reported", "repeated_orders", "undated_rows")


@dataclass(frozen=True)
class DayQuality:
    """How one day of one source was judged, published or not.

    Attributes:
        day: The day that the data are about.
        record: The suite's result, row counts, quarantine by reason, and what the raw day had warned of.
        checks: Every check of the day, the suite's own included.
    """

    day: date
    record: QualityRecord
    checks: Sequence[CheckOutcome]

    @property
    def source(self) -> str:
        """`ads`, `crm` or `sales`."""
        return self.record.suite.source

    @property
    def verdict(self) -> Verdict:
        """Whether the day may be published, and whether anything was found."""
        if any(check.blocks and not check.passed for check in self.checks):
            return "blocked"
        return "warned" if self.record.warnings else "published"

    @property
    def further_checks(self) -> list[CheckOutcome]:
        """Every check but the suite, which has a table of its own; what the raw day had warned of comes last."""
        named = {check.name for check in self.checks}
        of_raw = [
            CheckOutcome(
                warning.check,
                passed=False,
                blocks=False,
                summary=warning.summary,
                table=[{"row": key} for key in warning.keys],
            )
            for warning in self.record.warnings
            if warning.check not in named
        ]
        return [*(check for check in self.checks if check.name not in _SUITE_CHECKS), *of_raw]


def render_suites(language: Language) -> str:
    """Render the page that says what each suite expects and why, and what every reason of quarantine means."""
    suites = [
        {
            "source": suite.source,
            "key": suite.key,
            "expectations": [
                {
                    "words": word_expectation(expectation, language),
                    "why": word_reason(expectation, language),
                    "severity": expectation.severity,
                    "gx_type": expectation.gx_type,
                }
                for expectation in suite.expectations
            ],
            "reasons": MEANINGS[language].get(suite.source, {}),
        }
        for suite in SUITES.values()
    ]
    words = _words(language)
    return render_page(
        "suites.html",
        language=language,
        title=words["suites_title"],
        words=words,
        suites=suites,
        checks=(*_DAY_CHECKS, *_MART_CHECKS),
    )


def render_day(quality: DayQuality, language: Language) -> str:
    """Render how one day of one source was judged.

    The page tells what the checks found and nothing of the moment, so that a rerun on the same data gives the same
    bytes. It links to `../suites.html` and to the pages of the day's other sources beside it.
    """
    words = _words(language)
    record = quality.record
    expectations = {expectation.name: expectation for expectation in SUITES[quality.source].expectations}
    return render_page(
        "day.html",
        language=language,
        title=words["day_title"].format(source=words[quality.source], day=quality.day),
        words=words,
        meanings=MEANINGS[language].get(quality.source, {}),
        quality=quality,
        record=record,
        results=[(word_expectation(expectations[line.name], language), line) for line in record.suite.results],
        quarantined=sum(record.quarantined.values()),
        returns=RETURN,
        other_sources=[source for source in SUITES if source != quality.source],
    )


def _words(language: Language) -> dict[str, str]:
    """Put the reports' words, which name the reasons of quarantine, under those of these pages."""
    return REPORT_WORDS[language] | WORDS[language]
