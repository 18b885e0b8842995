"""Three people (owner, buyer, stranger), a real sandbox behind the shop, and a browser for those who ask."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import hypothesis
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from kopeck.stripe_api import client as wire
from kopeck.stripe_api import listing
from sandbox_testing.server import CheckedSandbox, start_checked_sandbox
from tests.support import database, emptying
from tests.support.browsing import browser, context, shop
from tests.support.depth import DEEP
from tests.support.in_process import answered_here
from tests.support.shop import ShopSandbox, sign

__all__ = ["browser", "context", "shop"]

# A slow machine makes no random test red.
hypothesis.settings.register_profile("kopeck", deadline=None, max_examples=400 if DEEP else 30)
hypothesis.settings.load_profile("kopeck")


def pytest_runtest_setup() -> None:
    """A request leaves its language to the thread, and a form that is made without one would speak it."""
    translation.deactivate()


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
def sandbox(
    _sandbox_server: CheckedSandbox,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[ShopSandbox]:
    """The local Stripe, empty and without faults, with the shop's gateway pointed at it."""
    settings.STRIPE_API_BASE = settings.SANDBOX_URL = _sandbox_server.url
    settings.STRIPE_JS_URL = f"{_sandbox_server.url}/v3/"
    monkeypatch.setattr(listing, "PAUSES", (0.01, 0.01))  # as many, and not five seconds
    _sandbox_server.box.reset()
    wire.gateway.cache_clear()
    over_sockets = any(request.node.get_closest_marker(mark) for mark in ("sockets", "slow"))
    with nullcontext() if over_sockets else answered_here(_sandbox_server):
        yield ShopSandbox(_sandbox_server.url, _sandbox_server.box)
    _sandbox_server.box.faults.reset()
    wire.gateway.cache_clear()
    # Whatever shop and sandbox said to each other is held against Stripe's spec.
    found, _sandbox_server.violations[:] = list(_sandbox_server.violations), []
    assert not found, "against Stripe's spec:\n" + "\n".join(found)


@pytest.fixture
def deliver() -> Callable[..., Any]:
    """Posts an event to the shop as Stripe does."""

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
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("owner"))
    return client
