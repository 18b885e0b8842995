"""A sandbox of a test's own, its control address, and a real HTTP receiver for its webhooks."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

from sandbox_testing.server import start_checked_sandbox
from stripe_sandbox.core.ids import letters

SECRET = "whsec_of_the_tests"


def control(url: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """(status, JSON) of a request to `/_sandbox/{path}`."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_sandbox/{path}", data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@dataclass
class Received:
    body: bytes
    headers: dict[str, str]
    at: float = field(default_factory=time.time)

    @property
    def signature(self) -> str:
        return self.headers["Stripe-Signature"]

    @property
    def timestamp(self) -> int:
        return int(self.signature.partition(",")[0].removeprefix("t="))

    def event(self, secret: str = SECRET) -> stripe.Event:
        """The event as the stripe library reads it; it raises where the signature is not good."""
        return stripe.Webhook.construct_event(self.body, self.signature, secret)


class Receiver:
    """A shop's endpoint: keeps every request, and answers with what `answers` has left, else with 200."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, bytes]] = []
        self.hold = 0.0
        self._over = threading.Event()
        self.at_once = self.most_at_once = 0
        self._changed = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = receiver._note(Received(body, dict(self.headers)))
                receiver._over.wait(receiver.hold)
                receiver._leave()
                try:
                    self.send_response(status)
                    if 300 <= status < 400:
                        self.send_header("Location", "/elsewhere")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def _note(self, received: Received) -> tuple[int, bytes]:
        with self._changed:
            self.received.append(received)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._changed.notify_all()
            return self.answers.pop(0) if self.answers else (200, b"ok")

    def _leave(self) -> None:
        with self._changed:
            self.at_once -= 1

    def wait(self, count: int, seconds: float = 120) -> list[Received]:
        """The requests so far, at least `count` of them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, seconds), (
                f"{len(self.received)} of {count} webhooks came"
            )
            return list(self.received)

    def types(self) -> list[str]:
        return [json.loads(received.body)["type"] for received in self.received]

    def stop(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()


class Own:
    """A running sandbox that no other test shares: `url`, `box`, `client` of one account with the key tail
    `tail`."""

    def __init__(
        self, path: str = ":memory:", webhooks: tuple[str, ...] = (), tail: str | None = None
    ) -> None:
        self._server = start_checked_sandbox(webhooks, path=path)
        self.box, self.url = self._server.box, self._server.url
        self.tail = tail or letters(12)
        self._pool = stripe.RequestsClient(timeout=120)
        self.client = self.client_of(self.tail)

    def client_of(self, tail: str, retries: int = 0) -> stripe.StripeClient:
        return stripe.StripeClient(
            f"sk_test_{tail}",
            base_addresses={"api": self.url},
            http_client=self._pool,
            max_network_retries=retries,
        )

    def control(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return control(self.url, method, path, body)

    def faults(self, **settings: Any) -> None:
        status, answer = self.control("PUT", "faults", settings)
        assert status == 200, answer

    def deliveries(self, **filters: str) -> list[Any]:
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return self.control("GET", f"deliveries?{query}")[1]["data"]

    def stop(self) -> None:
        self._pool.close()
        self._server.stop()

    def check(self) -> None:
        """Nothing was said or accepted that Stripe's spec does not have."""
        assert not self._server.violations, "against Stripe's spec:\n" + "\n".join(self._server.violations)


@contextmanager
def own_sandbox(
    path: str = ":memory:", *, webhooks: tuple[str, ...] = (), tail: str | None = None
) -> Iterator[Own]:
    own = Own(path, webhooks, tail)
    try:
        yield own
        own.check()
    finally:
        own.stop()


def eventually(condition: Any, seconds: float = 120) -> None:
    """Wait until `condition()` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
