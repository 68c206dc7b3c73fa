"""HTML as plain text, for assertions that read like the page."""

import re
from html.parser import HTMLParser

_LINES = {"h1", "h2", "h3", "p", "div", "tr", "section", "nav", "table", "svg"}
_CELLS = {"th", "td"}
_UNSEEN = {"style", "title"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._parts: list[str] = []
        self._unseen = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen = tag in _UNSEEN
        if tag in _LINES:
            self._end_line()
        if tag in _CELLS and self._parts:
            self._parts.append("|")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = False
        if tag in _LINES:
            self._end_line()

    def handle_data(self, data: str) -> None:
        if not self._unseen and data.strip():
            self._parts.append(" ".join(data.split()))

    def _end_line(self) -> None:
        if self._parts:
            self.lines.append(" ".join(self._parts))
        self._parts = []


def text_lines(page: str) -> list[str]:
    """List what a page says: a line per heading, paragraph and table row, its cells with ` | ` between them."""
    reader = _Reader()
    reader.feed(page)
    return reader.lines


def outside_references(page: str) -> list[str]:
    """List every address in a page that leads outside, XML namespaces left out."""
    return [
        address
        for address in re.findall(r"""(?:https?:)?//[^\s"'<>)]+""", page)
        if not address.startswith("http://www.w3.org/")
    ]
