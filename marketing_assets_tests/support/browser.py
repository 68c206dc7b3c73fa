"""A real browser, headless, that notes what a page asks for and complains about."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, sync_playwright

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Shown:
    """A page on the screen: what it asked for, its own address included, and what the console said."""

    page: Page
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


class Browser:
    """Shows pages, one at a time."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium

    @contextmanager
    def show(self, html: str, width: int = 1280) -> Iterator[Shown]:
        """Show a page from a file, as someone does who was sent it."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "page.html"
            file.write_text(html, encoding="utf-8")
            page = self._chromium.new_page(viewport={"width": width, "height": 800})
            shown = Shown(page, file.as_uri())
            page.on("request", lambda request: shown.requests.append(request.url))
            page.on("console", lambda message: shown.complaints.append(message.text))
            page.on("pageerror", lambda error: shown.complaints.append(str(error)))
            page.on("dialog", lambda dialog: (shown.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
            page.goto(shown.address, wait_until="networkidle")
            yield shown
            page.close()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the machine's Chromium, or Playwright's own where there is none."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        yield Browser(chromium)
        chromium.close()
