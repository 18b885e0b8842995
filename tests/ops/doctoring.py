"""What the tests of the doctor share: a shop that is well, and what the doctor says of it."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from kopeck.reconcile.models import Run
from kopeck.stripe_api import client as wire
from kopeck.stripe_api.accounts import SANDBOX_TAIL
from kopeck.webhooks import endpoints
from tests.support.shop import ShopSandbox


class Patient:
    """The shop, its sandbox, and the doctor's findings by (area, name)."""

    def __init__(self, sandbox: ShopSandbox, settings: Any, url: str) -> None:
        self.sandbox, self.settings, self.url = sandbox, settings, url
        self.code = 0

    def examine(self) -> dict[tuple[str, str], tuple[str, str]]:
        """(level, said) of each check; where one name has several, the worst. `code`: the exit status."""
        out, self.code = io.StringIO(), 0
        try:
            call_command("doctor", "--json", stdout=out)
        except SystemExit as end:
            self.code = int(end.code or 0)
        answer = json.loads(out.getvalue())
        assert answer["ok"] == (self.code == 0)
        order = ["ok", "warn", "fail"]
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for check in sorted(answer["checks"], key=lambda check: order.index(check["level"])):
            assert check["level"] == "ok" or check["do"] or check["name"] == "clock"
            found[check["area"], check["name"]] = check["level"], check["said"]
        return found

    def account(self, name: str = "default", **facts: Any) -> None:
        """Changes an account, or makes one as the default one is but for these facts."""
        known = self.settings.STRIPE_ACCOUNTS
        account = replace(known.get(name, known["default"]), name=name, **facts)
        self.settings.STRIPE_ACCOUNTS = {**known, name: account}
        wire.gateway.cache_clear()

    def endpoint(self, **changes: Any) -> None:
        """Changes the endpoint at Stripe, even where Stripe's API has no way to."""
        store = self.sandbox.box.store
        (endpoint,) = store.list(SANDBOX_TAIL, "webhook_endpoint")[0]
        store.save(SANDBOX_TAIL, {**endpoint, **changes})


@pytest.fixture
def patient(sandbox: ShopSandbox, live_server: Any, settings: Any) -> Iterator[Patient]:
    """A running shop that lacks nothing."""
    settings.SITE_URL = live_server.url
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
    well = Patient(sandbox, settings, live_server.url)
    made = endpoints.sync(settings.STRIPE_ACCOUNTS["default"], live_server.url)
    well.account(webhook_secrets=(made.secret,))
    work("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")
    heartbeat(0)
    Run.objects.create(account="default", kind="session", started=timezone.now(), ended=timezone.now())
    yield well
    work("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")


def work(sql: str, *values: Any) -> None:
    """The queue is no model of Django's."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)


def heartbeat(seconds_ago: int) -> None:
    ago = "now() - %s * interval '1 second'"
    work(f"INSERT INTO procrastinate_workers (last_heartbeat) VALUES ({ago})", seconds_ago)


def job(status: str, minutes_late: int) -> None:
    at = "now() - %s * interval '1 minute'"
    names = "queue_name, task_name, status, scheduled_at"
    work(f"INSERT INTO procrastinate_jobs ({names}) VALUES ('default', 'x', %s, {at})", status, minutes_late)


@contextmanager
def somebody_else(status: int, body: str = "", **headers: str) -> Iterator[str]:
    """Another server's address, which answers every POST alike."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
