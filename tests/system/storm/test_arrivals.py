"""Webhook and buyer arrive in either order, or at once, or many times: one payment, and never "failed"."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from kopeck.orders.lines import OrderNote
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds.models import Refund
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought
from tests.support.depth import DEEP
from tests.support.refunding import at_stripe
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
Deliver = Callable[..., Any]

#: A thousand in `make test-all`; by itself enough to see both orders of arrival, and neither.
RACES = int(os.environ.get("RACES") or (1000 if DEEP else 36))
#: So many at a time, so that every core has its share.
SHARE = 100
COPIES = 50 if DEEP else 16


def together(*acts: Callable[[], None]) -> None:
    """Each in a thread of its own, all let go at once."""
    start = threading.Barrier(len(acts))

    def go(act: Callable[[], None]) -> None:
        start.wait()
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(go, acts))


def race(sandbox: ShopSandbox, deliver: Deliver, number: int, pages: list[str]) -> Order:
    """One purchase: by turns the event comes first, the buyer comes back first, or both at once."""
    way = "buy" if number % 2 else "intent"
    buyer = Client(raise_request_exception=False)
    payment = bought(buyer, way)
    sandbox.pay(payment.stripe_id)
    wanted = "checkout.session.completed" if way == "buy" else "payment_intent.succeeded"
    recent = sandbox.stripe.v1.events.list({"type": wanted, "limit": 1}).data
    event = recent[0].to_dict(for_json=True)
    assert event["data"]["object"]["id"] == payment.stripe_id

    def arrive() -> None:
        assert deliver(event).json() == {"status": "done"}

    def come_back() -> None:
        page = buyer.get(f"/order/{payment.order_id}/return", follow=True)
        assert page.status_code == 200
        pages.append(page.content.decode().split('data-order-status="')[1].split('"')[0])

    match number % 3:
        case 0:
            arrive()
            come_back()
        case 1:
            come_back()
            arrive()
        case _:
            together(arrive, come_back)
    return payment.order


@pytest.mark.parametrize("first", range(0, RACES, SHARE))
def test_event_and_buyer_race_and_every_buyer_reads_paid(
    sandbox: ShopSandbox, deliver: Deliver, first: int
) -> None:
    """pain 2"""
    pages: list[str] = []
    numbers = range(first, min(first + SHARE, RACES))
    orders = [race(sandbox, deliver, number, pages) for number in numbers]
    assert pages == ["paid"] * len(numbers)
    for order in orders:
        order.refresh_from_db()
        assert (order.status, [payment.status for payment in order.payments.all()]) == ("paid", ["paid"])
    assert not StripeEvent.objects.exclude(status="done").exists()


def test_copies_of_every_event_at_once_have_one_effect(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 3"""
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    (charge,) = sandbox.charges()
    sandbox.control("POST", f"charges/{charge.id}/refund", {"amount": 820})
    for event in sandbox.events():

        def arrive(event: dict[str, Any] = event) -> None:
            assert deliver(event).status_code == 200

        together(*[arrive] * COPIES)
    assert StripeEvent.objects.count() == len(sandbox.events())
    order = Order.objects.get()
    assert (order.status, Payment.objects.get().status) == ("partly_refunded", "paid")
    assert [refund.amount for refund in Refund.objects.all()] == [820]
    assert OrderNote.objects.filter(text__contains="was refunded").count() == 1


def test_copies_of_a_second_payments_event_give_it_back_once(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 3"""
    forget_jobs()
    item = make_item()
    for _time in range(2):
        session_id = buyer.get(f"/buy/{item.pk}").json()["session_id"]
        Payment.objects.filter(stripe_id=session_id).update(status="expired")
        sandbox.pay(session_id)
    completed = [event for event in sandbox.events() if event["type"] == "checkout.session.completed"]

    def arrive(event: dict[str, Any]) -> Callable[[], None]:
        def go() -> None:
            assert deliver(event).status_code == 200

        return go

    together(*[arrive(event) for event in completed for _copy in range(COPIES // 2)])
    work()
    assert sorted(Payment.objects.values_list("status", flat=True)) == ["needs_review", "paid"]
    assert (at_stripe(sandbox), Refund.objects.count()) == ([4820], 1)
