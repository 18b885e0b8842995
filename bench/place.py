"""The shop in this process, with a PostgreSQL and a sandbox of its own, for what is measured call by call."""

import io
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

import psutil
import requests

from bench.servers import KEY, WEBHOOK_SECRET, Answer, control, database, local_stripe, shop_env

CARD = "4242424242424242"


@dataclass
class Cost:
    """One call: microseconds of this process, and statements."""

    us: float
    statements: int


class Order(NamedTuple):
    """A paid order: microseconds by program, and bytes that PostgreSQL wrote."""

    web_us: float
    mails_us: float
    postgres_us: float
    table_bytes: float
    log_bytes: float


class Place:
    """The shop in this process, its PostgreSQL and the sandbox beside it."""

    def __init__(self, stripe_url: str, postgres: "subprocess.Popen[bytes]") -> None:
        self.stripe_url, self.postgres = stripe_url, psutil.Process(postgres.pid)
        self.asked = 0.0  # microseconds in Gateway.retrieve since it was last set to 0
        self.bare: Any = None  # the shared client, and what it asks for
        self.orders: list[Order] = []  # of each round

    def set_up(self) -> None:
        """Loads Django, makes tables and goods."""
        import django

        django.setup()
        from django.core.management import call_command

        from kopeck.catalog.models import Item, Tax

        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
        Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, is_default=True)
        self.item = Item.objects.create(name="Moka pot", description="For three cups.", price=4820).pk
        self.few = Item.objects.create(name="Grinder", price=12900, stock=10**6).pk
        from kopeck.stripe_api.client import Gateway
        from kopeck.wsgi import application

        self.application = application
        ask = Gateway.retrieve

        def timed(*words: Any) -> dict[str, Any]:
            began = time.process_time()
            try:
                return ask(*words)
            finally:
                self.asked += (time.process_time() - began) * 1e6

        patch.object(Gateway, "retrieve", timed).start()

    def call(self, method: str, path: str, body: bytes = b"", app: Any = None, **headers: str) -> Answer:
        """One request to the application, as the web server makes it."""
        url = urlsplit(path)
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/json" if body else "",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
            **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
        }
        said: list[Any] = []
        answer = (app or self.application)(environ, lambda *words: said.extend(words))
        text = b"".join(answer)
        getattr(answer, "close", lambda: None)()
        return Answer(int(said[0][:3]), dict(said[1]), text)

    def cost(self, *works: Callable[[], Any], expect: Callable[[Any], bool] = lambda answer: True) -> Cost:
        """What one of these calls costs, a mean; what they ask Stripe about again is not counted."""
        from django.db import connection

        count = 0

        def counted(execute: Any, *words: Any) -> Any:
            nonlocal count
            count += 1
            return execute(*words)

        self.asked = 0.0
        with connection.execute_wrapper(counted):
            began = time.process_time()
            found = [work() for work in works]
            spent = (time.process_time() - began) * 1e6
        if wrong := [answer for answer in found if not expect(answer)]:
            raise SystemExit(f"bench.flows: unexpected answer {wrong[0]}")
        return Cost((spent - self.asked) / len(works), count // len(works))

    def stored(self) -> tuple[int, int]:
        """Bytes of the database, and of its log since it began."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_database_size(current_database()), "
                "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
            )
            size, log = cursor.fetchone()
        return size, log

    def cookie(self) -> str:
        """Of a browser that has none of the shop's orders yet."""
        return f"kopeck_visitor={secrets.token_urlsafe(32)}"

    def control(self, path: str, body: dict[str, Any]) -> None:
        control(self.stripe_url, path, body)

    def events_of(self, session: str) -> list[dict[str, Any]]:
        """The events that the payment of this session made, oldest first."""
        asked = requests.get(f"{self.stripe_url}/v1/events", {"limit": 20}, auth=(KEY, ""), timeout=60)
        objects = {session}
        found: list[dict[str, Any]] = asked.json()["data"]
        for event in found:
            if event["data"]["object"]["id"] == session:
                objects.add(event["data"]["object"].get("payment_intent"))
        return [
            event
            for event in reversed(found)
            if {event["data"]["object"]["id"], event["data"]["object"].get("payment_intent")} & objects
        ]

    def post(self, event: dict[str, Any]) -> Callable[[], Answer]:
        """The webhook call of this event, signed now."""
        import stripe

        body = json.dumps(event, indent=2)
        signature = str(stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET))
        return lambda: self.call(
            "POST", "/webhooks/stripe/default", body.encode(), stripe_signature=signature
        )


@contextmanager
def place() -> Iterator[Place]:
    """PostgreSQL and a sandbox for one run, and the environment of a shop in production. Once a process."""
    with tempfile.TemporaryDirectory(prefix="kopeck-bench-") as name:
        folder = Path(name)
        with database(folder) as server, local_stripe(folder) as (stripe_url, _process):
            os.environ |= shop_env(folder, server.url, stripe_url)
            try:
                yield Place(stripe_url, server.process)
            finally:
                with suppress(Exception):
                    from django.db import connection

                    connection.close()
                    connection.close_pool()
