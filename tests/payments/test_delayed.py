"""Bank debits: completed is not paid. Fulfilled when the money comes, payable again if it does not."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from kopeck.orders.models import Order
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def start(sandbox: ShopSandbox, buyer: Client, way: str) -> str:
    """An order whose buyer has signed the debit; the path of the thing that waits for its bank."""
    answer = buyer.get(f"/{'buy' if way == 'sessions' else 'intent'}/{make_item(currency='eur').pk}").json()
    path = f"{way}/{answer.get('session_id') or answer.get('payment_intent_id')}"
    sandbox.control("POST", f"{path}/pay", {"delayed": "succeeds"})
    return path


def deliver_all(sandbox: ShopSandbox, deliver: Callable[..., Any]) -> None:
    for event in sandbox.events():
        assert deliver(event).status_code == 200


@pytest.mark.parametrize("way", ["sessions", "intents"])
@pytest.mark.parametrize(("outcome", "status"), [("succeeded", "paid"), ("failed", "open")])
def test_a_debit_is_processing_until_the_bank_has_spoken(
    sandbox: ShopSandbox, buyer: Client, deliver: Callable[..., Any], way: str, outcome: str, status: str
) -> None:
    """pain 16"""
    path = start(sandbox, buyer, way)
    deliver_all(sandbox, deliver)
    order = Order.objects.get()
    assert (order.status, order.paid_at) == ("processing", None)
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert 'data-order-status="processing"' in page
    sandbox.control("POST", f"{path}/settle", {"outcome": outcome})
    deliver_all(sandbox, deliver)
    order.refresh_from_db()
    assert order.status == status
    again = buyer.get(f"/order/{order.pk}/buy")
    assert again.status_code == (409 if status == "paid" else 200)
