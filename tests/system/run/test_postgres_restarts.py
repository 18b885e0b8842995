"""Worker and web server on a PostgreSQL that is stopped and started: they go on by themselves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import requests

from kopeck.ops.serve import granian
from kopeck_local import postgres
from tests.support.starting import BASE_DIR, clean_env, free_port
from tests.system.run.test_restarts import wait_for

TASK = "kopeck.ops.jobs.tidy"


@dataclass
class Shop:
    """A PostgreSQL of its own, and the two programs beside it."""

    folder: Path
    url: str
    postgres: postgres.EmbeddedPostgres
    env: dict[str, str]
    worker: "subprocess.Popen[bytes]"
    web: "subprocess.Popen[bytes]"

    def status(self) -> int:
        try:
            # Not the window, which is kept ready and needs no database.
            return requests.get(f"{self.url}/cart", timeout=30).status_code
        except requests.ConnectionError:
            return 0

    def browse(self) -> list[int]:
        """Twenty pages at once, so that the pool has many connections."""
        with ThreadPoolExecutor(20) as visitors:
            return list(visitors.map(lambda _: self.status(), range(20)))

    def stop_postgres(self, number: signal.Signals) -> None:
        self.postgres.process.send_signal(number)
        self.postgres.process.wait(30)
        self.postgres.stop()

    def start_postgres(self) -> None:
        self.postgres = postgres.start(self.folder, fast=True)

    def defer(self, task: str = TASK) -> int:
        """A job, as the shop makes one; its number."""
        question = (
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
            " VALUES ('default', %s, '{\"timestamp\": 0}') RETURNING id"
        )
        with psycopg.connect(self.postgres.url) as connection:
            found = connection.execute(question, [task]).fetchone()
        assert found
        return int(found[0])

    def is_done(self, job: int) -> bool:
        with psycopg.connect(self.postgres.url) as connection:
            question = "SELECT status FROM procrastinate_jobs WHERE id = %s"
            return connection.execute(question, [job]).fetchone() == ("succeeded",)

    def log(self) -> str:
        return (self.folder / "worker.log").read_text()


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    server = postgres.start(folder, fast=True)
    port = free_port()
    env = clean_env(
        DATABASE_URL=server.url,
        DATA_DIR=str(folder),
        SECRET_KEY="only-for-tests",
        STRIPE_SANDBOX="1",
        LOG_LEVEL="WARNING",
    )

    def start(name: str, *words: str) -> "subprocess.Popen[bytes]":
        with (folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(words, cwd=BASE_DIR, env=env, stdout=log, stderr=log)

    migrate = [sys.executable, "manage.py", "migrate", "-v0"]
    subprocess.run(migrate, cwd=BASE_DIR, env=env, check=True, timeout=120)
    worker = start("worker", sys.executable, "manage.py", "worker")
    web = start("web", *granian("127.0.0.1", port, threads=32))
    shop = Shop(folder, f"http://127.0.0.1:{port}", server, env, worker, web)
    try:
        assert wait_for(lambda: shop.status() == 200)
        yield shop
    finally:
        for process in (worker, web):
            process.terminate()
        for process in (worker, web):
            process.wait(20)  # whatever jobs are under way, with no Stripe to ask
        shop.postgres.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_job_deferred_after_a_restart_is_processed_by_the_same_worker(
    shop: Shop, number: signal.Signals
) -> None:
    job = shop.defer()
    assert wait_for(lambda: shop.is_done(job)), shop.log()
    shop.stop_postgres(number)
    shop.start_postgres()
    job = shop.defer()
    assert wait_for(lambda: shop.is_done(job)), shop.log()
    assert shop.worker.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_the_web_server_answers_again_after_a_restart(shop: Shop, number: signal.Signals) -> None:
    assert wait_for(lambda: set(shop.browse()) == {200})
    shop.stop_postgres(number)
    assert shop.status() == 503
    shop.start_postgres()
    assert wait_for(lambda: shop.status() == 200)
    assert set(shop.browse()) == {200}
    assert shop.web.poll() is None


def test_a_worker_waits_for_a_postgres_that_is_away_and_says_so(shop: Shop) -> None:
    began = shop.log().count("the worker begins anew")
    shop.stop_postgres(signal.SIGINT)
    assert wait_for(lambda: shop.log().count("the worker begins anew") > began + 1), shop.log()
    shop.start_postgres()
    job = shop.defer()
    assert wait_for(lambda: shop.is_done(job)), shop.log()


def test_a_job_whose_end_could_not_be_written_is_left_by_a_new_worker(shop: Shop) -> None:
    """It would else be "doing" for as long as this worker lives."""
    refuse = """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'cut off'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON procrastinate_jobs FOR EACH ROW
        WHEN (OLD.status = 'doing' AND NEW.status <> 'doing') EXECUTE FUNCTION refuse()"""
    # The worker may still be busy with coming back from what a test before this one did to it.
    job = shop.defer()
    assert wait_for(lambda: shop.is_done(job)), shop.log()
    with psycopg.connect(shop.postgres.url, autocommit=True) as connection:
        (old,) = connection.execute("SELECT max(id) FROM procrastinate_workers").fetchone() or (None,)
        connection.execute(refuse)
        job = shop.defer()
        newer = "SELECT id FROM procrastinate_workers WHERE id > %s"
        assert wait_for(lambda: bool(connection.execute(newer, [old]).fetchone())), shop.log()
        connection.execute("DROP TRIGGER refuse ON procrastinate_jobs")
        dead = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes' WHERE id = %s"
        connection.execute(dead, [old])
        shop.defer("kopeck.ops.jobs.retry_stalled_jobs")
        assert wait_for(lambda: shop.is_done(job)), shop.log()


def test_a_worker_that_is_asked_to_stop_stops_even_where_postgres_is_away(shop: Shop) -> None:
    shop.stop_postgres(signal.SIGINT)
    began = shop.log().count("the worker begins anew")
    assert wait_for(lambda: shop.log().count("the worker begins anew") > began), shop.log()
    os.kill(shop.worker.pid, signal.SIGTERM)
    assert shop.worker.wait(20) == 0
    shop.start_postgres()
