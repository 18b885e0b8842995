"""Starts PostgreSQL before Django reads its settings: one server a run, a database for each worker.

With DATABASE_URL set that server is used instead.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    if not os.environ.get("DATABASE_URL") and "PYTEST_XDIST_WORKER" not in os.environ:
        from kopeck import postgres

        # One folder for each checkout, kept: making a cluster costs more than most of the tests.
        checkout = Path(__file__).resolve().parent.parent
        folder = (
            Path(tempfile.gettempdir())
            / f"kopeck-tests-{os.getuid()}"
            / checkout.as_posix().strip("/").replace("/", "-")
        )
        folder.mkdir(parents=True, exist_ok=True)
        server = postgres.start(folder, fast=True)
        os.environ["DATABASE_URL"] = server.url
        early_config.add_cleanup(server.stop)
    return (yield)
