"""What the tests of refunds and disputes share: a paid order, the owner's page, Stripe's events."""

import re
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.shop import ShopSandbox, make_item

Deliver = Callable[..., Any]


def paid_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, card: str = "4242424242424242", **facts: Any
) -> Order:
    """An order of one item at 48.20 USD, paid at Checkout, its event delivered."""
    session_id = buyer.get(f"/buy/{make_item(**facts).pk}").json()["session_id"]
    sandbox.pay(session_id, card)
    return settle(sandbox, deliver, session_id)


def paid_order_of(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, lines: dict[int, int], code: str = ""
) -> Order:
    """An order of several items, by id and quantity."""
    buyer.post("/order", {f"item_{pk}": str(quantity) for pk, quantity in lines.items()})
    order = Order.objects.latest("pk")
    if code:
        buyer.post(f"/order/{order.pk}/discount", {"code": code})
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    sandbox.pay(session_id)
    return settle(sandbox, deliver, session_id)


def settle(sandbox: ShopSandbox, deliver: Deliver, session_id: str) -> Order:
    (event,) = [
        event
        for event in sandbox.events()
        if event["type"] == "checkout.session.completed" and event["data"]["object"]["id"] == session_id
    ]
    assert deliver(event).json()["status"] == "done"
    order = Payment.objects.get(stripe_id=session_id).order
    assert order.status == "paid"
    return order


def events_of(sandbox: ShopSandbox, *beginnings: str) -> list[dict[str, Any]]:
    """Oldest first."""
    return [event for event in sandbox.events() if event["type"].startswith(beginnings)]


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the refund's form."""
    names = ("key", "version", "previewed")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', page) for name in names}
    return {name: match[1] for name, match in found.items() if match}


class Desk:
    """The owner at the refund page of an order."""

    def __init__(self, owner: Client, order: Order) -> None:
        self.owner, self.address = owner, f"/admin/orders/order/{order.pk}/refund/"

    def preview(self, **chosen: Any) -> dict[str, Any]:
        """What the confirming form would send."""
        page = self.owner.get(self.address).content.decode()
        wanted = {"what": "rest", **chosen, **fields(page)}
        page = self.owner.post(self.address, {**wanted, "action": "preview"}).content.decode()
        assert "previewed" in fields(page), page
        return {**wanted, **fields(page), "action": "refund"}

    def confirm(self, form: dict[str, Any], client: Client | None = None) -> str:
        """Sends the form; the page it ends on."""
        return (client or self.owner).post(self.address, form, follow=True).content.decode()

    def refund(self, **chosen: Any) -> str:
        return self.confirm(self.preview(**chosen))


def state(order: Order) -> str:
    order.refresh_from_db()
    return str(order.status)


def at_stripe(sandbox: ShopSandbox) -> list[int]:
    """The amounts of all refunds that Stripe has, oldest first."""
    return [refund.amount for refund in reversed(sandbox.stripe.v1.refunds.list({"limit": 100}).data)]


def forget_jobs() -> None:
    """The queue is no model of Django's: what earlier tests deferred is still in it."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE procrastinate_jobs CASCADE")
