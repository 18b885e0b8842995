"""`manage.py worker`: Procrastinate's worker, which outlives a restart of PostgreSQL and stops in time.

Procrastinate's own ends with its database. Here it begins anew, with new connections and as a new worker in
its table: what the one before left unfinished counts as stalled a minute later and is taken up again.

Asked to stop, Procrastinate's own waits for its jobs, however long they take. Here a job ends at its next
safe point (kopeck/stopping.py), and none is waited for longer than GRACE seconds. What is unfinished then is
put back into the queue, for the next worker: every job may run twice.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.utils import causes
from procrastinate.worker import Worker
from psycopg import AsyncConnection

from kopeck import stopping
from kopeck.ops.jobs import take_up_stalled_jobs
from kopeck.ops.starting import Pauses

log = logging.getLogger(__name__)

#: How long a worker that has lost its database goes on hoping.
POOL_SECONDS = 10
#: In seconds: how long jobs have to come to a safe point (long enough for one call of Stripe), how long it
#: may take to put back the others, and when the process is gone, counted from SIGTERM, whatever hangs.
GRACE, WRITING, AT_LAST = 11.5, 2.5, 15.0


class Command(BaseCommand):
    help = "Process jobs until stopped. Waits for PostgreSQL where it is away, and goes on when it is back."

    def handle(self, *args: Any, **options: Any) -> None:
        # A connection is tried before a job gets it: else each that a restart cut off costs a job. A web
        # server does not, for it is a round trip a request; its first answer after a restart cleans its pool.
        connection.settings_dict["CONN_HEALTH_CHECKS"] = True
        asyncio.run(work())


class UnderWay:
    """The jobs of this process that have not ended, by number."""

    def __init__(self) -> None:
        self.running: dict[int | None, str] = {}
        self.stopped: dict[int | None, str] = {}
        self.worker: Worker | None = None

    async def watch(
        self, call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker
    ) -> Any:
        """Around every job. One that ended at a safe point never returns: its end must not be written."""
        self.worker = worker
        self.running[context.job.id] = context.job.task_name
        try:
            return await call_next()
        except stopping.Stopping:
            self.stopped[context.job.id] = self.running.pop(context.job.id)
            return await asyncio.Event().wait()
        finally:
            self.running.pop(context.job.id, None)

    @property
    def names(self) -> str:
        return ", ".join(f"{name} ({number})" for number, name in (self.running | self.stopped).items())


async def work() -> None:
    """Until SIGTERM or SIGINT; a second one ends the process at once."""
    loop, asked, under_way = asyncio.get_running_loop(), asyncio.Event(), UnderWay()
    rounds = asyncio.create_task(_rounds(under_way))

    def stop() -> None:
        log.info("the worker was asked to stop")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, os._exit, 1)
        # Of its own, for whatever may hold up this thread; Python itself would wait for those of the jobs.
        timer = threading.Timer(AT_LAST, os._exit, [0])
        timer.daemon = True
        timer.start()
        stopping.ask()
        rounds.cancel()
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait([rounds, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if asked.is_set():
        await _end(rounds, under_way)
    if not rounds.cancelled():
        rounds.result()


async def _end(rounds: "asyncio.Task[None]", under_way: UnderWay) -> None:
    """Returns where all jobs have ended; else the others are handed on and this process is over."""
    end = asyncio.get_running_loop().time() + GRACE
    while not rounds.done() and asyncio.get_running_loop().time() < end:
        await asyncio.wait([rounds], timeout=0.2)
        if under_way.stopped and not under_way.running:
            await asyncio.wait([rounds], timeout=1)  # for ends that are being written
            break
    if rounds.done():
        return
    log.warning("the worker ends; unfinished and left to the next: %s", under_way.names or "no job")
    try:
        await asyncio.wait_for(_hand_on(under_way.worker), WRITING)
    except Exception as trouble:
        log.warning("they are taken up when this worker counts as dead: %r", trouble)
    os._exit(0)  # threads of jobs may hang: Python would wait for them


async def _hand_on(worker: Worker | None) -> None:
    if worker and worker.worker_id is not None:
        await worker.app.job_manager.unregister_worker(worker.worker_id)
        await take_up_stalled_jobs(worker.app.job_manager)


async def _take_up(queue: JobManager) -> None:
    """What others left unfinished. Trouble with one such job must not keep this worker from the rest."""
    try:
        await take_up_stalled_jobs(queue)
    except ConnectorException as trouble:
        log.warning("unfinished jobs are taken up later: %s", trouble)


async def _rounds(under_way: UnderWay) -> None:
    pauses = Pauses()
    while True:
        pauses.begin()
        try:
            await _one_round(under_way)
            trouble = "it lost its database"  # Procrastinate has logged how
        except Exception as problem:
            trouble = str(list(causes(problem))[-1]).strip() or type(problem).__name__
        pause = pauses.next()
        log.warning("the worker begins anew in %.0f s: %s", pause, trouble)
        await asyncio.sleep(pause)


async def _one_round(under_way: UnderWay) -> None:
    """One worker, until it is cancelled or ends by itself."""
    how = connector_params()
    # Asked for first: it fails at once where a pool goes on trying for half a minute.
    await (await AsyncConnection.connect(**how)).close()
    watched: Any = [*app.worker_defaults.get("worker_middleware", []), under_way.watch]
    # A connector of its own each time: one whose pool could not be opened keeps that dead pool.
    with app.replace_connector(PsycopgConnector(kwargs=how, timeout=POOL_SECONDS)) as worker_app:
        async with worker_app.open_async():
            await _take_up(worker_app.job_manager)
            running = worker_app.run_worker_async(install_signal_handlers=False, worker_middleware=watched)
            worker = asyncio.create_task(running)
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
