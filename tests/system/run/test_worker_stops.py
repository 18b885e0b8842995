"""A worker that is asked to stop stops within 20 seconds, whatever it is doing, and loses nothing.

What it had not finished is done by the next worker. Servers of this file play a Stripe and a mail server that
are silent or slow.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import psycopg
import pytest

from kopeck_local import postgres
from tests.support.lacking import lacks
from tests.support.starting import BASE_DIR, clean_env
from tests.system.run.test_restarts import wait_for

#: What docs/reliability.md promises; compose.yaml and Kubernetes give a worker more.
SECONDS = 20
NOT_FOUND = b'{"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such."}}'
SWEEP = "kopeck.payments.jobs.sweep"
COMPARE = "kopeck.reconcile.jobs.compare_nightly"
SEND = "kopeck.mail.jobs.send"

MAKE_PAYMENTS = """
from datetime import timedelta
from django.utils import timezone
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
now = timezone.now()
for number in range({count}):
    order = Order.objects.create(currency="usd", email="buyer@shop.example")
    Payment.objects.create(
        order=order, account="default", stripe_id=f"cs_test_{{order.pk}}", status="open", amount=100,
        currency="usd", attempt=1, inputs={{}}, expires_at=now + timedelta(hours=1),
        asked_at=now - timedelta(hours=1),
    )
"""
MAKE_MAIL = """
from kopeck.mail.models import Mail
from kopeck.payments.models import Payment
payment = Payment.objects.first()
words = {"subject": "s", "text": "t", "to": "buyer@shop.example"}
print(Mail.objects.create(order=payment.order, payment=payment, kind="apology", **words).pk)
"""


class Stripe:
    """Knows no object. `pause`: seconds before each answer, which an end of the test cuts short."""

    def __init__(self) -> None:
        self.pause = 0.0
        self.asked = 0
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                outer.over.wait(outer.pause)
                self.send_response(404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(NOT_FOUND)))
                self.end_headers()
                self.wfile.write(NOT_FOUND)

            do_POST = do_DELETE = do_GET

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign] # those who left
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@dataclass
class Shop:
    """A PostgreSQL of its own with the shop's tables, and workers that come and go."""

    folder: Path
    postgres: postgres.EmbeddedPostgres
    stripe: Stripe
    silent_mail: socket.socket
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return clean_env(
            DATABASE_URL=self.postgres.url,
            DATA_DIR=str(self.folder),
            SECRET_KEY="only-for-tests",
            STRIPE_SANDBOX="1",
            STRIPE_API_BASE=self.stripe.url,
            STRIPE_TIMEOUT="60",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=str(self.silent_mail.getsockname()[1]),
            LOG_LEVEL="INFO",
        )

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=BASE_DIR, env=self.env, check=True, timeout=110, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def start_worker(self, *before: str, **more: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [*before, sys.executable, "manage.py", "worker"],
                cwd=BASE_DIR, env=self.env | more, stdout=log, stderr=log,
            )  # fmt: skip
        self.workers.append(worker)
        return worker

    def log(self) -> str:
        return (self.folder / "worker.log").read_text()

    def ask(self, question: str, *facts: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.postgres.url) as connection:
            cursor = connection.execute(question.encode(), facts)
            return cursor.fetchall() if cursor.description else []

    def defer(
        self, task: str, args: str = '{"timestamp": 0}', *, lock: str | None = None, minutes: int = 0
    ) -> int:
        """A job, as the shop makes one, due after so many minutes; its number."""
        question = """
            INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock, scheduled_at)
            VALUES ('default', %s, %s, %s, now() + make_interval(mins => %s)) RETURNING id"""
        return int(str(self.ask(question, task, args, lock, minutes)[0][0]))

    def status(self, job: int) -> object:
        return self.ask("SELECT status::text FROM procrastinate_jobs WHERE id = %s", job)[0][0]

    def is_worked_on(self, *jobs: int) -> bool:
        return all(self.status(job) == "doing" for job in jobs)


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    stripe, mail = Stripe(), socket.create_server(("127.0.0.1", 0))
    shop = Shop(folder, postgres.start(folder, fast=True), stripe, mail)
    try:
        shop.manage("migrate", "-v0")
        yield shop
    finally:
        for worker in shop.workers:
            worker.kill()
            worker.wait()
        stripe.close()
        mail.close()
        shop.postgres.stop()


@pytest.fixture(autouse=True)
def no_worker_is_left(shop: Shop) -> Iterator[None]:
    shop.stripe.pause = 0
    yield
    for worker in shop.workers:
        worker.kill()
        worker.wait()
    shop.workers.clear()


@contextmanager
def promptly(worker: "subprocess.Popen[bytes]", shop: Shop) -> Iterator[None]:
    """SIGTERM, then what the block does, then the end; all within what is promised."""
    began = time.monotonic()
    worker.terminate()
    yield
    left = began + SECONDS - time.monotonic()
    try:
        assert worker.wait(max(left, 0.1)) == 0, shop.log()
    except subprocess.TimeoutExpired:
        pytest.fail(f"still there after {SECONDS} s: {shop.log()}")


def test_stripe_and_the_mail_server_are_silent(shop: Shop) -> None:
    shop.manage("shell", "-v0", "-c", MAKE_PAYMENTS.format(count=1))
    mail = shop.manage("shell", "-v0", "-c", MAKE_MAIL)
    shop.stripe.pause = 100
    worker = shop.start_worker()
    jobs = [shop.defer(COMPARE), shop.defer(SEND, f'{{"mail_id": {mail}}}')]
    asked = shop.stripe.asked
    assert wait_for(lambda: shop.is_worked_on(*jobs) and shop.stripe.asked > asked), shop.log()
    with promptly(worker, shop):
        pass
    # Both are the next worker's at once, though nobody could end what they waited for.
    assert [shop.status(job) for job in jobs] == ["todo", "todo"], shop.log()
    assert shop.ask("SELECT status FROM mail_mail WHERE id = %s", int(mail)) == [("waiting",)]
    shop.stripe.pause = 0
    shop.start_worker()
    assert wait_for(lambda: shop.status(jobs[0]) == "succeeded"), shop.log()


def test_a_sweep_is_in_the_midst_of_many_payments(shop: Shop) -> None:
    shop.manage("shell", "-v0", "-c", MAKE_PAYMENTS.format(count=70))
    shop.stripe.pause = 0.5
    worker, job, asked = shop.start_worker(), shop.defer(SWEEP), shop.stripe.asked
    assert wait_for(lambda: shop.is_worked_on(job) and shop.stripe.asked > asked + 2), shop.log()
    with promptly(worker, shop):
        pass
    assert shop.status(job) == "todo", shop.log()
    left = "SELECT count(*) FROM payments_payment WHERE status = 'open'"
    assert shop.ask(left) != [(0,)]  # else this would be no test of an end in between
    # Where a slow machine ended the worker within a call, that payment's next turn is minutes away.
    shop.ask("UPDATE payments_payment SET asked_at = asked_at - interval '10 minutes' WHERE status = 'open'")
    shop.stripe.pause = 0
    shop.start_worker()
    assert wait_for(lambda: shop.status(job) == "succeeded" and shop.ask(left) == [(0,)]), shop.log()


def test_a_job_that_a_younger_one_replaces_is_not_put_back_beside_it(shop: Shop) -> None:
    shop.stripe.pause = 100
    worker, job = shop.start_worker(), shop.defer(COMPARE, lock="twins")
    assert wait_for(lambda: shop.is_worked_on(job)), shop.log()
    younger = shop.defer(COMPARE, lock="twins", minutes=60)
    with promptly(worker, shop):
        pass
    assert (shop.status(job), shop.status(younger)) == ("failed", "todo"), shop.log()


def test_postgres_is_away(shop: Shop) -> None:
    """Nothing can be written down at the end: the job is taken up when its worker's heart has stopped."""
    shop.stripe.pause = 100
    worker, job, asked = shop.start_worker(), shop.defer(COMPARE), shop.stripe.asked
    assert wait_for(lambda: shop.is_worked_on(job) and shop.stripe.asked > asked), shop.log()
    shop.postgres.process.send_signal(signal.SIGINT)
    shop.postgres.process.wait(30)
    shop.postgres.stop()
    try:
        with promptly(worker, shop):
            pass
    finally:
        shop.postgres = postgres.start(shop.folder, fast=True)
    assert shop.status(job) == "doing"
    shop.stripe.pause = 0
    shop.ask("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")
    shop.start_worker()
    assert wait_for(lambda: shop.status(job) == "succeeded"), shop.log()


def test_a_second_signal_waits_for_nothing(shop: Shop) -> None:
    shop.stripe.pause = 100
    worker, job = shop.start_worker(), shop.defer(COMPARE)
    assert wait_for(lambda: shop.is_worked_on(job)), shop.log()
    worker.terminate()
    assert wait_for(lambda: "asked to stop" in shop.log()), shop.log()
    worker.terminate()
    assert worker.wait(SECONDS) != 0


def as_in_a_container() -> list[str]:
    """Starts a program as process 1, to whom Linux gives no signal that it does not ask for."""
    command = ["unshare", "--pid", "--fork", "--kill-child"]
    if os.getuid():
        command.append("--map-root-user")
    if not shutil.which("unshare") or subprocess.run([*command, "true"], capture_output=True).returncode:
        lacks("leave to make a PID namespace (unshare --pid)", ci_brings_it=False)
    return command


def test_it_is_just_starting(shop: Shop, tmp_path: Path) -> None:
    """It reads its settings, and they are a pipe in which nothing comes."""
    pipe = tmp_path / "env"
    os.mkfifo(pipe)
    outer, writers = shop.start_worker(*as_in_a_container(), ENV_FILE=str(pipe)), []

    def is_reading() -> bool:
        with suppress(OSError):  # as long as nobody has it open
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    try:
        assert wait_for(is_reading), shop.log()
        (worker,) = psutil.Process(outer.pid).children()
        worker.terminate()
        assert outer.wait(SECONDS) == 128 + signal.SIGTERM
    finally:
        for writer in writers:
            os.close(writer)
