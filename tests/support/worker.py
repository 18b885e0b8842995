"""The worker in the test's own process, and its queue."""

import asyncio
from typing import Any

from django.db import connection
from procrastinate.contrib.django import app


def work() -> None:
    """Runs the worker in this process until no job is ready."""
    with app.replace_connector(app.connector.get_worker_connector()) as worker:  # type: ignore[attr-defined]
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
