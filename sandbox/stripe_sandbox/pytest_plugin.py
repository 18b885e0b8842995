"""pytest plugin: a sandbox of the test run's own, empty at the start of each test.

def test_a_buyer_pays(stripe_sandbox):
    stripe_sandbox.send_webhooks_to("http://127.0.0.1:8000/hook", secret="whsec_mine")
    ...  # your shop, with stripe_sandbox.url and stripe_sandbox.secret_key, makes a Checkout Session
    stripe_sandbox.pay_session(session_id)
    stripe_sandbox.advance(days=1)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stripe_sandbox.app import SandboxServer
from stripe_sandbox.box import Box
from stripe_sandbox.command.client import Client, Json, SandboxError
from stripe_sandbox.core.ids import letters

GOOD = "4242424242424242"


class Declined(Exception):
    """The card was refused; `code` and `decline_code` are Stripe's."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code, self.decline_code = error.get("code"), error.get("decline_code")


class PytestSandbox(Client):
    """The sandbox of a test: `url`, `secret_key` and `publishable_key` for the shop, and the control API.

    `post`, `get` and `delete` speak Stripe's API without a library: `post("customers", email="a@b.example")`.
    """

    def pay_session(self, id: str, card: str = GOOD, **buyer: Any) -> Json:
        """Pay a Checkout Session as its buyer (`email`, `name`, `authenticate`). Raises Declined."""
        return self._paid(f"sessions/{id}/pay", card, buyer)

    def pay_intent(self, id: str, card: str = GOOD, **buyer: Any) -> Json:
        """Pay a PaymentIntent as its buyer. Raises Declined."""
        return self._paid(f"intents/{id}/pay", card, buyer)

    def _paid(self, path: str, card: str, buyer: Json) -> Json:
        answer = self.control("POST", path, card=card, **buyer)
        if "error" in answer:
            raise Declined(answer["error"])
        return answer

    def send_webhooks_to(self, url: str, *events: str, secret: str | None = None) -> str:
        """Send events (all, if none are named) to `url`; the secret that they are signed with."""
        endpoint = self.post("webhook_endpoints", url=url, enabled_events=list(events) or ["*"])
        if secret is None:
            return str(endpoint["secret"])
        self.control("PUT", f"webhook_endpoints/{endpoint['id']}", secret=secret)
        return secret

    def deliver(self, event: str | None = None) -> list[Json]:
        """Send what is pending now, or that event again; the deliveries."""
        sent: list[Json] = self.control("POST", "webhooks/deliver", **({"event": event} if event else {}))[
            "data"
        ]
        return sent

    def events(self, type: str = "*") -> list[Json]:
        """What has happened in this account, oldest first; `type` may be a pattern, such as `charge.*`."""
        found: list[Json] = self.get("events", limit=100, type=type)["data"]
        return found[::-1]

    def advance(self, *, seconds: int = 0, minutes: int = 0, hours: int = 0, days: int = 0) -> int:
        """Move the clock forward; what is over by then expires, with its events. The new time."""
        whole = seconds + 60 * minutes + 3600 * hours + 86_400 * days
        return int(self.control("POST", "clock/advance", seconds=whole)["now"])

    def faults(self, **settings: Any) -> Json:
        """Errors, delays and lost answers from now on; `GET /_sandbox/faults/help` says which there are."""
        return self.control("PUT", "faults", **settings)


@pytest.fixture(scope="session")
def stripe_sandbox_server() -> Iterator[SandboxServer]:
    """The server of this test process, on a free port of 127.0.0.1, with everything in memory."""
    box = Box()
    server = SandboxServer(box).start()
    yield server
    server.stop()
    box.close()


@pytest.fixture
def stripe_sandbox(stripe_sandbox_server: SandboxServer) -> Iterator[PytestSandbox]:
    """An empty sandbox with keys that nobody had before; its time is real time at the start."""
    sandbox = PytestSandbox(stripe_sandbox_server.url, f"sk_test_{letters(24)}")
    yield sandbox
    sandbox.control("POST", "reset")


__all__ = ["Declined", "PytestSandbox", "SandboxError", "stripe_sandbox", "stripe_sandbox_server"]
