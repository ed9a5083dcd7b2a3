"""The browser of the system, driven by playwright, for tests that `make browser` runs."""

import shutil
from contextlib import contextmanager

import pytest

__all__ = ["started_browser"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def started_browser():
    """Start it; skip the test, with the reason, where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser installs it")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path (apt-get install chromium)")
    with api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()
