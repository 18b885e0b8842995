"""Starts PostgreSQL before Django reads its settings: one server a run, a database for each worker.

With DATABASE_URL set that server is used instead.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kopeck import postgres

#: Runs of the tests that may go side by side in one checkout, each on a server of its own.
RUNS = 8


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    if not os.environ.get("DATABASE_URL") and "PYTEST_XDIST_WORKER" not in os.environ:
        server = _start()
        os.environ["DATABASE_URL"] = server.url
        early_config.add_cleanup(server.stop)
    return (yield)


def _start() -> postgres.EmbeddedPostgres:
    """On a folder that is kept, since making a cluster costs more than most tests; else on the next one."""
    checkout = Path(__file__).resolve().parent.parent.as_posix().strip("/").replace("/", "-")
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
