import os
import shutil
from collections.abc import Iterator

import pytest

from marketing_assets_tests.support.browser import Browser, open_browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if shutil.which("chromium") is None and "CI" not in os.environ:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with open_browser() as running:
        yield running
