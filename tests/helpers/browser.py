"""Chromium for the tests that need a browser: skipped without one, or failed where a browser is required."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def running_browser(*arguments: str) -> Iterator[Any]:
    """Start Debian's Chromium, or playwright's own, with further arguments, and close it at the end."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed: pip install '.[dev]'")
    with sync_playwright() as api:
        path = shutil.which("chromium")
        if path is None and not Path(api.chromium.executable_path).exists():
            _missing("No Chromium: install the Debian package chromium, or run `playwright install chromium`")
        browser = api.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


def _missing(reason: str) -> NoReturn:
    if os.environ.get("GDRD_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason} (GDRD_REQUIRE_BROWSER is 1, so this test must run)", pytrace=False)
    pytest.skip(reason)
