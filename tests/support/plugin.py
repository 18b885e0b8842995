"""Starts PostgreSQL before Django reads its settings: one server a run, a database for each worker.

With DATABASE_URL set that server is used instead. Here too it is said which tests are slow. And the longest
tests come first, so that no worker is left with one when the others are done.
"""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kopeck_local import postgres

#: Runs of the tests that may go side by side in one checkout, each on a server of its own.
RUNS = 8
#: Where tests start or storm whole servers, or hold the contract against a second sandbox in runs of pytest.
SLOW = ("tests/system/", "sandbox/tests/contract/test_known_differences.py")
#: The files whose tests take longest, the longest first.
LONGEST = (
    "test_chaos.py",
    "test_random_orders.py",
    "test_arrivals.py",
    "test_crash_points.py",
    "test_many_machines.py",
    "test_rolling_update.py",
    "test_make_run.py",
    "test_purchase_in_browser.py",
    "test_bodies.py",
    "test_who_may_open_what.py",
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    if not os.environ.get("DATABASE_URL") and "PYTEST_XDIST_WORKER" not in os.environ:
        server = _start()
        os.environ["DATABASE_URL"] = server.url
        early_config.add_cleanup(server.stop)
    return (yield)


@pytest.hookimpl(tryfirst=True)  # before that of xdist itself
def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: half as many again as there are cores, for tests of servers and browsers mostly wait."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_itemcollected(item: pytest.Item) -> None:
    in_a_browser = item.get_closest_marker("browser") is not None
    if (in_a_browser or item.nodeid.startswith(SLOW)) and not item.get_closest_marker("quick"):
        item.add_marker("slow")


@pytest.hookimpl(trylast=True)  # after pytest-django has put those first that roll back
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    # Thousands of tests and all that they import stay to the end: not to be looked through for garbage.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _start() -> postgres.EmbeddedPostgres:
    """On a folder that is kept, since making a cluster costs more than most tests; else on the next one."""
    checkout = Path(__file__).resolve().parents[2].as_posix().strip("/").replace("/", "-")
    folder = Path(tempfile.gettempdir()) / f"kopeck-tests-{os.getuid()}"
    for number in range(1, RUNS + 1):
        data = folder / f"{checkout}-{number}"
        data.mkdir(parents=True, exist_ok=True)
        try:
            return postgres.start(data, fast=True)
        except postgres.PostgresFailed as problem:
            if "Another process" not in str(problem) or number == RUNS:
                raise
    raise AssertionError("unreachable")
