"""The worker in the test's own process, and its queue: what a test deferred, and no periodic jobs."""

import asyncio
from typing import Any
from unittest.mock import patch

from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.periodic import PeriodicRegistry


def work() -> None:
    """Runs the worker in this process until no job is ready."""
    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    # Else what was due in the last ten minutes would run too, and wait for a Stripe that a test has away.
    with (
        app.replace_connector(connector) as worker,
        patch.object(worker, "periodic_registry", PeriodicRegistry()),
    ):
        asyncio.run(_run(worker))


async def _run(worker: Any) -> None:
    async with worker.open_async():
        await worker.run_worker_async(
            wait=False, install_signal_handlers=False, listen_notify=False, concurrency=1
        )


def forget_jobs() -> None:
    """The queue is no model of Django's: what earlier tests deferred is still in it."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs CASCADE")


def wait_for_retries() -> None:
    """As if the time had come for every job that waits."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
