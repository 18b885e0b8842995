"""`make run` when one of its children ends by itself: the shop goes on, and it is said what happened."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kopeck.ops.starting import FIRST, LONGEST, STEADY, Pauses
from tests.support.starting import Started


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Started]:
    run = Started(folder / "data")
    try:
        yield run.wait_until_ready()
        run.end(signal.SIGINT)
    finally:
        run.process.kill()


def child(run: Started, *words: str) -> psutil.Process | None:
    """The living child with these words in its command line."""
    for process in psutil.Process(run.process.pid).children():
        try:
            said = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if all(any(word in each for each in said) for word in words):
            return process
    return None


def wait_for(what: Callable[[], bool], seconds: float = 240) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("name", "words", "number"),
    [
        ("web", ("granian",), signal.SIGKILL),
        ("worker", ("kopeck.ops.prepare", "--then-work"), signal.SIGKILL),
        ("PostgreSQL", ("bin/postgres",), signal.SIGINT),
        ("PostgreSQL", ("bin/postgres",), signal.SIGKILL),
    ],
    ids=["a killed web server", "a killed worker", "a stopped PostgreSQL", "a killed PostgreSQL"],
)
def test_make_run_starts_again_and_goes_on_selling(
    run: Started, name: str, words: tuple[str, ...], number: signal.Signals
) -> None:
    web, before = child(run, "granian"), child(run, *words)
    assert web
    assert before
    said = run.output.count(f"{name} stopped unexpectedly")
    before.send_signal(number)
    assert wait_for(lambda: (now := child(run, *words)) is not None and now.pid != before.pid), run.output
    assert run.output.count(f"{name} stopped unexpectedly") == said + 1
    assert "It will be started again in" in run.output
    assert wait_for(lambda: '"worker": "ok"' in ready(run)), run.output
    bought = run.buy(1)
    assert bought["order"] == "paid"
    same = child(run, "granian")
    assert same
    assert name == "web" or same.pid == web.pid


def ready(run: Started) -> str:
    try:
        return run.get("/readyz")[1]
    except OSError:
        return ""


def test_pauses_grow_and_are_short_again_after_a_quiet_time() -> None:
    now = 0.0
    pauses = Pauses(clock=lambda: now)
    assert [pauses.next() for _ in range(7)] == [FIRST, 2, 4, 8, 16, LONGEST, LONGEST]
    pauses.begin()
    now += STEADY
    assert pauses.next() == FIRST
