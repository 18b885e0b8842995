"""`manage.py worker`: Procrastinate's worker, which outlives a restart of PostgreSQL.

Procrastinate's own ends with its database. Here it begins anew, with new connections and as a new worker in
its table: what the one before left unfinished counts as stalled a minute later and is taken up again.
"""

import asyncio
import logging
import signal
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.utils import causes
from psycopg import AsyncConnection

from kopeck.pauses import Pauses

log = logging.getLogger(__name__)

#: How long a worker that has lost its database goes on hoping.
POOL_SECONDS = 10


class Command(BaseCommand):
    help = "Work off jobs until stopped. Waits for PostgreSQL where it is away, and goes on when it is back."

    def handle(self, *args: Any, **options: Any) -> None:
        # A connection is tried before a job gets it: else each that a restart cut off costs a job. A web
        # server does not, for it is a round trip a request; its first answer after a restart mends its pool.
        connection.settings_dict["CONN_HEALTH_CHECKS"] = True
        asyncio.run(work())


async def work() -> None:
    """Until SIGTERM or SIGINT, which let the jobs under way end; a second one does not wait for them."""
    loop = asyncio.get_running_loop()
    rounds = asyncio.create_task(_rounds())

    def stop() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        rounds.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.wait([rounds])
    if not rounds.cancelled():
        rounds.result()


async def _rounds() -> None:
    pauses = Pauses()
    while True:
        pauses.begin()
        try:
            await _one_round()
            trouble = "it lost its database"  # Procrastinate has logged how
        except Exception as problem:
            trouble = str(list(causes(problem))[-1]).strip() or type(problem).__name__
        pause = pauses.next()
        log.warning("the worker begins anew in %.0f s: %s", pause, trouble)
        await asyncio.sleep(pause)


async def _one_round() -> None:
    """One worker, until it is cancelled or ends by itself."""
    how = connector_params()
    # Asked for first: it fails at once where a pool goes on trying for half a minute.
    await (await AsyncConnection.connect(**how)).close()
    # A connector of its own each time: one whose pool could not be opened keeps that dead pool.
    with app.replace_connector(PsycopgConnector(kwargs=how, timeout=POOL_SECONDS)) as worker_app:
        async with worker_app.open_async():
            worker = asyncio.create_task(worker_app.run_worker_async(install_signal_handlers=False))
            _end_where_a_job_cannot_be_finished(worker)
            try:
                await worker
            except asyncio.CancelledError:
                us = asyncio.current_task()
                if us and us.cancelling():  # and not the worker alone, by a job that could not be finished
                    raise


def _end_where_a_job_cannot_be_finished(worker: "asyncio.Task[None]") -> None:
    """A job whose end could not be written stays "doing", and is a living worker's: nobody would take it up.

    Its exception gets as far as the loop; the worker then ends, which makes the job a stalled one.
    """

    def on_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        if isinstance(context.get("exception"), Exception):
            worker.cancel()

    asyncio.get_running_loop().set_exception_handler(on_exception)
