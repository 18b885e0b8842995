"""What a run of the tests says of tests that it skipped, and when that fails it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.starting import BASE_DIR

TESTS = """
import pytest
from tests.support.lacking import lacks

def test_needs_a_browser():
    lacks("Chromium")

def test_needs_what_nobody_can_bring():
    lacks("a floppy drive", ci_brings_it=False)

@pytest.mark.skip(reason="no time today")
def test_that_somebody_switched_off():
    raise AssertionError

def test_that_runs():
    pass
"""

BROWSER, FLOPPY = "test_needs_a_browser", "test_needs_what_nobody_can_bring"
SWITCHED_OFF, FINE = "test_that_somebody_switched_off", "test_that_runs"


def run(folder: Path, *names: str, ci: bool, processes: int = 0) -> "subprocess.CompletedProcess[str]":
    (folder / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "tests.support.lacking"]
    command += [
        "-n",
        str(processes),
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTHONPATH": str(BASE_DIR), "CI": "true" if ci else "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [*command, *(f"{folder}/test_some.py::{name}" for name in names)],
        cwd=folder, env=env, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


def test_elsewhere_than_under_ci_the_end_names_in_one_line_what_the_machine_lacks(tmp_path: Path) -> None:
    done = run(tmp_path, BROWSER, FLOPPY, SWITCHED_OFF, FINE, ci=False)
    assert done.returncode == 0, done.stdout
    assert "Not tried, for this machine lacks Chromium, a floppy drive." in done.stdout.splitlines()


def test_under_ci_what_ci_brings_must_be_there_and_what_nobody_can_bring_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, BROWSER, FLOPPY, FINE, ci=True)
    assert done.returncode == 1, done.stdout
    assert "this machine lacks Chromium, which .ci/run has to bring" in done.stdout
    assert "Not tried, for this machine lacks a floppy drive." in done.stdout.splitlines()
    assert "1 failed, 1 passed, 1 skipped" in done.stdout


@pytest.mark.parametrize("processes", [0, 1])
def test_under_ci_a_test_that_is_skipped_silently_fails_the_run(tmp_path: Path, processes: int) -> None:
    done = run(tmp_path, FLOPPY, SWITCHED_OFF, FINE, ci=True, processes=processes)
    assert done.returncode == 1, done.stdout
    assert f"{SWITCHED_OFF} is skipped: no time today" in done.stdout
    assert run(tmp_path, FLOPPY, FINE, ci=True, processes=processes).returncode == 0


def test_no_test_is_skipped_in_another_way() -> None:
    """Else a run elsewhere would say nothing of it."""
    ways = ("pytest.skip(", "mark.skip", "importorskip", "pytest.xfail(", "mark.xfail", "unittest.skip")
    here = {Path(__file__), BASE_DIR / "tests" / "support" / "lacking.py"}
    found = [
        f"{path.relative_to(BASE_DIR)}: {way}"
        for path in sorted((BASE_DIR / "tests").rglob("*.py"))
        if path not in here
        for way in ways
        if way in path.read_text()
    ]
    assert found == []
