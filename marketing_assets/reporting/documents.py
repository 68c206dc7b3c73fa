"""A day's report in every form that people take it in; of many days, drawn by all processors at once."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial

from marketing_assets.reporting.html import render_html
from marketing_assets.reporting.report import DayReport
from marketing_assets.reporting.text import render_text
from marketing_assets.reporting.words import Language
from marketing_assets.reporting.xlsx import render_xlsx
from marketing_assets.storage.reports import report_key

Renderer = Callable[[Sequence[DayReport]], list[dict[str, bytes]]]
"""Renders some days' reports: of each its files by key."""

_WORTH_PROCESSES = 24
"""Days from which starting processes takes less time than it saves: charts are nearly all of the work."""


@contextmanager
def rendering(days: int, language: Language) -> Iterator[Renderer]:
    """Give what renders the reports of some days, in this process or, of many days, in one for each processor."""
    render = partial(render_documents, language=language)
    if days < _WORTH_PROCESSES:
        yield lambda reports: list(map(render, reports))
        return
    # Not by plain forking: the process may have threads, which a fork would leave behind in the middle of their work.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("forkserver")) as pool:
        yield lambda reports: list(pool.map(render, reports))


def render_documents(report: DayReport, language: Language) -> dict[str, bytes]:
    """Render a day's report as text, page and workbook."""
    return {
        report_key(report.day, "txt"): render_text(report, language).encode(),
        report_key(report.day, "html"): render_html(report, language).encode(),
        report_key(report.day, "xlsx"): render_xlsx(report, language),
    }
