"""Headless Chromium for the browser tests: the machine's, or Playwright's own where it is installed.

Where there is neither the tests are skipped, except under CI=true, where that is a failure.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    """Where Chromium is: $CHROMIUM, the PATH, or None."""
    wanted = os.environ.get("CHROMIUM")
    if wanted and Path(wanted).exists():
        return wanted
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser for as long as the block lasts."""
    with sync_playwright() as playwright:
        path = executable() or playwright.chromium.executable_path
        if not Path(path).exists():
            if os.environ.get("CI") == "true":
                pytest.fail("Chromium is not installed, and CI must run the browser tests.")
            pytest.skip("no Chromium on this machine")
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()
