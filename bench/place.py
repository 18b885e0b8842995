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
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import requests

from bench.chaos.world import BASE_DIR, _free_port
from kopeck_local import postgres
from kopeck_local.child import spawn

CARD = "4242424242424242"
SECRET = "whsec_bench"


@dataclass
class Cost:
    """One call: microseconds of this process, and statements."""

    us: float
    statements: int


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Place:
    """The shop in this process, its PostgreSQL and the sandbox beside it."""

    def __init__(self, stripe_url: str, postgres_pid: int) -> None:
        self.stripe_url, self.postgres_pid = stripe_url, postgres_pid
        self.asked = 0.0  # microseconds in Gateway.retrieve since it was last set to 0
        self.bare: Any = None  # the shared client, and what it asks for

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
        from django.conf import settings

        from kopeck.stripe_api.client import Gateway
        from kopeck.wsgi import application

        self.application = application
        self.key = settings.STRIPE_ACCOUNTS["default"].secret_key
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

    def cookie(self) -> str:
        """Of a browser that has none of the shop's orders yet."""
        return f"kopeck_visitor={secrets.token_urlsafe(32)}"

    def control(self, path: str, body: dict[str, Any]) -> None:
        requests.post(f"{self.stripe_url}/_sandbox/{path}", json=body, timeout=60).raise_for_status()

    def events_of(self, session: str) -> list[dict[str, Any]]:
        """The events that the payment of this session made, oldest first."""
        asked = requests.get(f"{self.stripe_url}/v1/events", {"limit": 20}, auth=(self.key, ""), timeout=60)
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
        signature = str(stripe.WebhookSignature.generate_signature_header(body, SECRET))
        return lambda: self.call(
            "POST", "/webhooks/stripe/default", body.encode(), stripe_signature=signature
        )


@contextmanager
def place(**env: str) -> Iterator[Place]:
    """PostgreSQL and a sandbox for one run, and the environment of a shop in production. Once a process."""
    with tempfile.TemporaryDirectory(prefix="kopeck-bench-") as name:
        folder = Path(name)
        server = postgres.start(folder)
        port = _free_port()
        sandbox = spawn(
            [
                sys.executable,
                "-m",
                "stripe_sandbox",
                "--port",
                str(port),
                "--data",
                str(folder / "s.sqlite3"),
            ],
            log=folder / "sandbox.log",
            cwd=BASE_DIR,
            env={**os.environ, "PYTHONPATH": str(BASE_DIR / "sandbox")},
        )
        try:
            os.environ |= {
                "ENV_FILE": os.devnull,
                "DATA_DIR": name,
                "DATABASE_URL": server.url,
                "DJANGO_SETTINGS_MODULE": "kopeck.settings",
                "SECRET_KEY": secrets.token_urlsafe(50),
                "STRIPE_SANDBOX": "1",
                "STRIPE_API_BASE": f"http://127.0.0.1:{port}",
                "STRIPE_WEBHOOK_SECRET": SECRET,
                "BUDGET_VISITOR": "100000/1h",
                "BUDGET_ADDRESS": "10000000/1h",
                "ALLOWED_HOSTS": "localhost,127.0.0.1",
                **env,
            }
            _wait_for(f"http://127.0.0.1:{port}/")
            yield Place(f"http://127.0.0.1:{port}", server.process.pid)
        finally:
            with suppress(Exception):
                from django.db import connection

                connection.close()
                connection.close_pool()
            _stop(sandbox)
            server.stop()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(requests.RequestException):
            requests.get(url, timeout=5)
            return
        time.sleep(0.1)
    raise SystemExit("bench.flows: the sandbox did not start.")


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
