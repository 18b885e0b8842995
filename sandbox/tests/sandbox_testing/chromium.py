"""Headless Chromium for the browser tests: the machine's, or Playwright's own where it is installed.

Where there is neither the tests are skipped, except under CI=true, which has to bring one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Milliseconds after which a page hangs; Playwright's own 5 and 30 s are less than a busy machine takes.
PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)
#: Of each browser: the contexts that visitors share one after the other, by what was asked of them.
_kept: WeakKeyDictionary[Browser, dict[str, BrowserContext]] = WeakKeyDictionary()


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
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("this machine lacks Chromium")
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """The context of somebody who was never here, for as long as the block lasts.

    Making one with its first process takes longer than what most tests do in it, so one of each kind is kept
    alive by an empty page. Between two visitors pages, cookies and routes go; our pages store nothing else.
    A test that puts scripts or listeners into the context itself makes its own.
    """
    contexts = _kept.setdefault(browser, {})
    context = contexts.get(repr(options))
    if context is None:
        context = contexts[repr(options)] = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        context.new_page()
    try:
        yield context
    finally:
        for page in context.pages[1:]:
            page.close()
        context.unroute_all()
        context.clear_cookies()
