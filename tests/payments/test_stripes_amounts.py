"""Stripe rounds otherwise than it says: near enough is adopted before the buyer leaves, more is refused."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from kopeck.catalog.models import Discount, Tax
from kopeck.orders.models import Order
from kopeck.stripe_api import client as wire
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def order_with_ties(buyer: Client) -> Order:
    """Three lines of 4.50 with 5 %: 0.225 each, which is 0.23 by the documents and 0.22 by half-even."""
    Tax.objects.create(display_name="Sales tax", percentage=Decimal(5), is_default=True)
    items = [make_item(price=450) for _ in range(3)]
    buyer.post("/order", {f"item_{item.pk}": "1" for item in items})
    return Order.objects.get()


@pytest.mark.parametrize(("rounding", "tax"), [("half_even", 66), ("total", 68)])
def test_near_enough_is_adopted_line_by_line_noted_and_charged(
    sandbox: ShopSandbox, buyer: Client, rounding: str, tax: int
) -> None:
    order = order_with_ties(buyer)
    assert (order.tax_total, order.total) == (69, 1419)
    sandbox.control("PUT", "faults", {"rounding": rounding})
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    order.refresh_from_db()
    assert (order.tax_total, order.total) == (tax, 1350 + tax)
    assert sum(line.tax_amount for line in order.lines.all()) == tax == order.taxes.get().amount
    assert "Stripe's amounts were taken: the total is " in order.notes.get().text
    shown = f"${order.total // 100}.{order.total % 100:02}"
    assert shown in buyer.get(f"/order/{order.pk}").content.decode()
    assert buyer.get(f"/order/{order.pk}/buy").json()["session_id"] == session_id
    sandbox.pay(session_id)
    buyer.get(f"/order/{order.pk}/return")
    order.refresh_from_db()
    (charge,) = sandbox.charges()
    assert (order.status, order.total) == ("paid", charge.amount)


def test_an_adopted_order_is_not_called_dearer_at_its_next_session(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    order = order_with_ties(buyer)
    sandbox.control("PUT", "faults", {"rounding": "half_even"})
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    sandbox.stripe.v1.checkout.sessions.expire(session_id)
    sandbox.control("PUT", "faults", {"rounding": "half_up"})
    buyer.get(f"/order/{order.pk}/return")
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200
    order.refresh_from_db()
    assert order.total == 1419


@pytest.mark.parametrize("what", ["price", "tax", "discount"])
def test_more_than_rounding_is_refused_the_session_closed_and_the_owner_told(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    order = order_with_ties(buyer)
    create = wire.Gateway.create

    def otherwise(self: wire.Gateway, kind: str, inputs: Any, *, idempotency_key: str) -> Any:
        if kind != "checkout":  # the order's own coupon and tax rates
            return create(self, kind, inputs, idempotency_key=idempotency_key)
        for line in inputs["line_items"]:
            if what == "price":
                line["price_data"]["unit_amount"] += 1
            if what == "tax":
                del line["tax_rates"]
        if what == "discount":
            coupon = sandbox.stripe.v1.coupons.create({"percent_off": 50})
            inputs["discounts"] = [{"coupon": coupon.id}]
        return create(self, kind, inputs, idempotency_key=idempotency_key)

    monkeypatch.setattr(wire.Gateway, "create", otherwise)
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "amount_mismatch")
    assert [session.status for session in sandbox.sessions()] == ["expired"]
    order.refresh_from_db()
    assert (order.total, order.status) == (1419, "expired")
    assert "Refused" in order.notes.get().text


def test_a_total_of_nothing_is_completed_at_checkout_without_a_card(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    Discount.objects.create(name="All of it", code="FREE", percent_off=100)
    item = make_item(price=1000)
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order = Order.objects.get()
    assert buyer.post(f"/order/{order.pk}/discount", {"code": "free"}).status_code == 303
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    sandbox.pay(session_id)
    buyer.get(f"/order/{order.pk}/return")
    order.refresh_from_db()
    payment = order.payments.get()
    assert (order.status, order.total, payment.payment_intent) == ("paid", 0, "")
    assert sandbox.charges() == []
    assert "$0.00" in buyer.get(f"/order/{order.pk}").content.decode()
