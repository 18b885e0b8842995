"""Payments that were taken for lost, for the tests of what becomes of their money: paid after all, late."""

from dataclasses import replace
from typing import Any

from django.test import Client

from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from tests.support.buying import Deliver, events_of, open_session, place_order
from tests.support.shop import ShopSandbox, make_item


def ordered(buyer: Client, **facts: Any) -> Order:
    """An order of one piece at 10.00, made in the window."""
    return place_order(buyer, make_item(**{"price": 1000, "stock": 9} | facts))


def take_for_lost(payment: Payment, settings: Any) -> None:
    """A spell with the keys of another account, to which this session is unknown."""
    accounts = settings.STRIPE_ACCOUNTS
    settings.STRIPE_ACCOUNTS = {
        name: replace(account, secret_key="sk_test_another") for name, account in accounts.items()
    }
    wire.gateway.cache_clear()
    assert sync.refresh(payment).status == "expired"
    settings.STRIPE_ACCOUNTS = accounts
    wire.gateway.cache_clear()


def change_quantity(buyer: Client, order: Order, quantity: int) -> None:
    field = f"item_{order.lines.get().item_id}"
    assert buyer.post(f"/order/{order.pk}/lines", {field: str(quantity)}).status_code == 303


def tell(sandbox: ShopSandbox, deliver: Deliver, payment: Payment) -> None:
    """Its event arrives."""
    for event in events_of(sandbox, "checkout.session.completed"):
        if event["data"]["object"]["id"] == payment.stripe_id:
            assert deliver(event).json()["status"] == "done"


def lost(buyer: Client, settings: Any, **facts: Any) -> tuple[Order, Payment]:
    """An order of one piece, and its session that was taken for lost."""
    order = ordered(buyer, **facts)
    payment = open_session(buyer, order)
    take_for_lost(payment, settings)
    return order, payment
