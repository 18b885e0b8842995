"""Programs that some machines lack: the one way to skip a test, and what is said of it at the end of the run.

`lacks` is called where a program is missing. It skips the test, except under CI=true: there it fails the test
where `.ci/run` brings the program, and skips it where nothing can. Any other skip fails a run
under CI=true. One line at the end of every run names what the machine lacked.
"""

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest
from _pytest.terminal import TerminalReporter

PREFIX = "this machine lacks "


def lacks(what: str, *, ci_brings_it: bool = True) -> NoReturn:
    """Skips the running test, or fails it where CI must have what is missing. `what`: "Chromium"."""
    if _is_ci() and ci_brings_it:
        pytest.fail(f"{PREFIX}{what}, which .ci/run has to bring.")
    pytest.skip(f"{PREFIX}{what}")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    lacking = sorted({why.removeprefix(PREFIX) for _test, why in _skipped(terminalreporter) if _is_lack(why)})
    if lacking:
        terminalreporter.write_line(f"Not tried, for {PREFIX}{', '.join(lacking)}.", yellow=True)
    for test, why in _silent(terminalreporter):
        terminalreporter.write_line(f"CI must try everything, and {test} is skipped: {why}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and any(_silent(reporter)) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _silent(reporter: TerminalReporter) -> Iterator[tuple[str, str]]:
    """Under CI=true: tests that were skipped for another reason than a lack, and the reason."""
    return ((test, why) for test, why in _skipped(reporter) if _is_ci() and not _is_lack(why))


def _skipped(reporter: TerminalReporter) -> Iterator[tuple[str, str]]:
    for report in reporter.stats.get("skipped", []):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        yield report.nodeid, why.removeprefix("Skipped: ")


def _is_lack(why: str) -> bool:
    return why.startswith(PREFIX)


def _is_ci() -> bool:
    return os.environ.get("CI") == "true"
