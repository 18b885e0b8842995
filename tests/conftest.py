"""Three people (owner, buyer, stranger), a real sandbox behind the shop, and plain helpers."""

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import stripe
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.stripe_api import client as wire
from sandbox_testing.server import CheckedSandbox, start_checked_sandbox
from stripe_sandbox.box import Box
from tests import database, emptying

WEBHOOK_SECRET = "whsec_tests"
#: The window of a budget in tests, in seconds: windows begin by the clock, and this one ends in 2038.
LONG_WINDOW = 2**31
# A slow machine makes no random test red.
hypothesis.settings.register_profile("kopeck", deadline=None)
hypothesis.settings.load_profile("kopeck")


def make_item(**facts: Any) -> Item:
    """An item on sale; `facts` replace the usual ones."""
    usual = {"name": "Moka pot", "description": "For three cups.", "price": 4820, "currency": "usd"}
    return Item.objects.create(**(usual | facts))


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """In place of pytest-django's: no migrating in each worker, and less time to empty after each test."""
    with django_db_blocker.unblock(), database.copy_of_the_template(), emptying.only_what_is_filled():
        yield


@pytest.fixture(scope="session")
def _sandbox_server() -> Iterator[CheckedSandbox]:
    handle = start_checked_sandbox()
    yield handle
    handle.stop()


@pytest.fixture
def sandbox(_sandbox_server: CheckedSandbox, settings: Any) -> Iterator["ShopSandbox"]:
    """The local Stripe, empty and without faults, with the shop's gateway pointed at it."""
    settings.STRIPE_API_BASE = settings.SANDBOX_URL = _sandbox_server.url
    settings.STRIPE_JS_URL = f"{_sandbox_server.url}/v3/"
    _sandbox_server.box.reset()
    wire.gateway.cache_clear()
    yield ShopSandbox(_sandbox_server.url, _sandbox_server.box)
    _sandbox_server.box.faults.reset()
    wire.gateway.cache_clear()
    # Whatever shop and sandbox said to each other is held against Stripe's spec.
    found, _sandbox_server.violations[:] = list(_sandbox_server.violations), []
    assert not found, "against Stripe's spec:\n" + "\n".join(found)


class ShopSandbox:
    """What the tests do at Stripe's side: pay, look at the ledger, deliver events."""

    def __init__(self, url: str, box: Box) -> None:
        self.url, self.box = url, box
        self.stripe = stripe.StripeClient(
            "sk_test_kopeck",
            base_addresses={"api": url},
            http_client=stripe.RequestsClient(timeout=120),
        )

    def sessions(self) -> list[Any]:
        return list(self.stripe.v1.checkout.sessions.list({"limit": 100}).auto_paging_iter())

    def events(self) -> list[dict[str, Any]]:
        """Oldest first, as plain dicts."""
        found = self.stripe.v1.events.list({"limit": 100}).auto_paging_iter()
        return [event.to_dict(for_json=True) for event in reversed(list(found))]

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        import requests

        answer = requests.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=120)
        if answer.status_code >= 500:
            raise AssertionError(answer.text)
        return answer.json()

    def pay(self, session_id: str, card: str = "4242424242424242", **more: Any) -> Any:
        return self.control("POST", f"sessions/{session_id}/pay", {"card": card, **more})

    def charges(self) -> list[Any]:
        return list(self.stripe.v1.charges.list({"limit": 100}).auto_paging_iter())


def sign(body: str, secret: str = WEBHOOK_SECRET, *, timestamp: int | None = None) -> str:
    """The Stripe-Signature header, made by the library's own routine."""
    return stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=timestamp)


@pytest.fixture
def deliver() -> Callable[..., Any]:
    """Posts an event to the shop as Stripe does."""
    import json

    def post(
        event: dict[str, Any], *, client: Client | None = None, account: str = "default", **sign_with: Any
    ) -> Any:
        body = json.dumps(event)
        headers = {"Stripe-Signature": sign(body, **sign_with)}
        return (client or Client()).post(
            f"/webhooks/stripe/{account}", body, content_type="application/json", headers=headers
        )

    return post


@pytest.fixture
def buyer() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def stranger() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def owner(db: None) -> Client:
    from django.contrib.auth.models import User

    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("owner"))
    return client
