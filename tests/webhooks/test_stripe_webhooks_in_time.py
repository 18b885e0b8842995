"""Webhooks over the years: a secret that is rolled, and events of other API versions than ours."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from kopeck.orders.models import Order
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import paid_at_stripe
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


def paid_session(sandbox: ShopSandbox, buyer: Client) -> tuple[Order, dict[str, Any]]:
    """An order that is paid at Stripe, of which the shop has not heard, and the event that tells it."""
    payment = paid_at_stripe(sandbox, buyer)
    (event,) = [
        event
        for event in sandbox.events()
        if event["type"] == "checkout.session.completed"
        and event["data"]["object"]["id"] == payment.stripe_id
    ]
    return payment.order, event


def outcomes(sandbox: ShopSandbox, event_id: str) -> list[int | None]:
    deliveries = sandbox.control("POST", "webhooks/deliver", {"event": event_id})
    return [delivery["attempts"][-1]["status"] for delivery in deliveries["data"]]


def test_a_rolled_secret_is_taken_before_and_after_the_shop_knows_it(
    sandbox: ShopSandbox, buyer: Client, live_server: Any, settings: Any
) -> None:
    """pain 24: old secret, then both, then the new one alone; no delivery is lost"""
    settings.ALLOWED_HOSTS = ["*"]
    sandbox.control("PUT", "faults", {"webhooks_paused": True})
    endpoint = sandbox.stripe.v1.webhook_endpoints.create(
        {
            "url": f"{live_server.url}/webhooks/stripe/default",
            "enabled_events": ["checkout.session.completed"],
        }
    )
    default = settings.STRIPE_ACCOUNTS["default"]

    def shop_knows(*secrets: str) -> None:
        settings.STRIPE_ACCOUNTS = {"default": replace(default, webhook_secrets=secrets)}

    old = str(endpoint.secret)
    shop_knows(old)
    _, event = paid_session(sandbox, buyer)
    assert outcomes(sandbox, event["id"]) == [200]
    rolled = sandbox.control("POST", f"webhook_endpoints/{endpoint.id}/roll", {"expires_in": 3600})
    new = rolled["secret"]
    for known in ((old,), (new, old), (new,)):
        shop_knows(*known)
        order, event = paid_session(sandbox, Client())
        assert outcomes(sandbox, event["id"]) == [200], known
        order.refresh_from_db()
        assert order.status == "paid"
    sandbox.control("POST", "clock/advance", {"seconds": 3601})
    shop_knows(old)
    _, event = paid_session(sandbox, Client())
    assert outcomes(sandbox, event["id"]) == [400]
    shop_knows(new)
    assert outcomes(sandbox, event["id"]) == [200]


#: How the session looked in events of earlier versions: other names, other shapes, and fields that are gone.
OLDER = {
    "2020-08-27": {"payment_method_types": ["card"], "display_items": [{"amount": 1}], "url": None},
    "2024-06-20": {"ui_mode": "hosted", "line_items": None, "total_details": {"amount_discount": 99}},
    "2026-08-26.dahlia": {"ui_mode": "hosted_page", "payment_method_types": ["card", "link"]},
}


@pytest.mark.parametrize("version", OLDER)
def test_an_event_of_another_api_version_does_what_ours_does(
    sandbox: ShopSandbox, buyer: Client, deliver: Callable[..., Any], version: str
) -> None:
    """pain 25: only the id of an event's body is used, and the session is asked for in our version"""
    order, event = paid_session(sandbox, buyer)
    session = event["data"]["object"]
    gone = {"amount_subtotal", "amount_total", "payment_status", "status", "currency"}
    body = {name: value for name, value in session.items() if name not in gone} | OLDER[version]
    answer = deliver({**event, "api_version": version, "data": {"object": body}})
    assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    order.refresh_from_db()
    assert (order.status, order.payments.get().amount) == ("paid", 4820)
    assert StripeEvent.objects.get(event_id=event["id"]).api_version == version
