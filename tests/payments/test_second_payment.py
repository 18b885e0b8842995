"""An order that was paid twice: the second payment goes back by itself, once, and everybody can see it."""

from typing import Any

import pytest
from django.test import Client

from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.refunds import jobs as refund_jobs
from kopeck.refunds import request as refunds
from kopeck.refunds.models import Refund
from tests.support.buying import Deliver, events_of, state
from tests.support.refunding import at_stripe
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


def paid_twice(sandbox: ShopSandbox, buyer: Client) -> tuple[Order, Payment]:
    """Both sessions paid, though the shop never has two open: the first was taken for lost."""
    item = make_item()
    first = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    Payment.objects.update(status="expired")
    second = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    assert first != second
    for session_id in (first, second):
        sandbox.pay(session_id)
    return Order.objects.get(), Payment.objects.get(stripe_id=second)


def tell(sandbox: ShopSandbox, deliver: Deliver) -> None:
    for event in events_of(sandbox, "checkout.session.completed"):
        assert deliver(event).json()["status"] == "done"


def test_a_second_payment_is_refunded_by_itself(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 6"""
    order, second = paid_twice(sandbox, buyer)
    tell(sandbox, deliver)
    assert Payment.objects.get(pk=second.pk).status == "needs_review"
    assert at_stripe(sandbox) == []
    work()
    (made,) = sandbox.stripe.v1.refunds.list().data
    second.refresh_from_db()
    assert (made.payment_intent, made.amount, made.reason) == (second.payment_intent, 4820, "duplicate")
    refund = Refund.objects.get()
    assert (refund.status, refund.source, refund.payment) == ("succeeded", "shop", second)
    assert state(order) == "paid"  # what the order costs is still paid
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert "Second payment, refunded" in page
    assert "−$48.20" in page
    assert "The order was paid twice" in owner.get(f"/admin/orders/order/{order.pk}/change/").content.decode()


def test_what_goes_back_is_what_stripe_took_whatever_our_row_says(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order, second = paid_twice(sandbox, buyer)
    Payment.objects.filter(pk=second.pk).update(amount=4000)
    tell(sandbox, deliver)
    second.refresh_from_db()
    assert (second.status, second.problem) == ("needs_review", "Stripe took 48.20 USD, not 40.00 USD.")
    sandbox.stripe.v1.refunds.create({"payment_intent": second.payment_intent, "amount": 320})
    work()
    assert at_stripe(sandbox) == [320, 4500]
    assert (state(order), Refund.objects.latest("pk").reason) == ("paid", "duplicate")


def test_it_goes_back_once_however_often_it_is_asked_for(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    _, second = paid_twice(sandbox, buyer)
    tell(sandbox, deliver)
    for _time in range(3):
        refunds.refund_unwanted(second.pk)
        sync.refresh(second)
    work()
    assert (at_stripe(sandbox), Refund.objects.count()) == ([4820], 1)
    assert refund_jobs.refund_all_unwanted() == 0


def test_somebody_who_was_faster_at_the_dashboard_leaves_nothing_to_refund(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order, second = paid_twice(sandbox, buyer)
    tell(sandbox, deliver)
    second.refresh_from_db()
    sandbox.stripe.v1.refunds.create({"payment_intent": second.payment_intent, "amount": 820})
    work()
    assert at_stripe(sandbox) == [820, 4000]
    work()
    refunds.refund_unwanted(second.pk)
    assert (at_stripe(sandbox), state(order)) == ([820, 4000], "paid")


def test_stripe_down_is_tried_again(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> None:
    paid_twice(sandbox, buyer)
    tell(sandbox, deliver)
    sandbox.control("PUT", "faults", {"error_rate": 1})
    work()
    sandbox.control("PUT", "faults", {"error_rate": 0})
    assert at_stripe(sandbox) == []
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
    work()
    assert at_stripe(sandbox) == [4820]


def test_a_lost_job_is_made_good_by_the_sweep(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> None:
    paid_twice(sandbox, buyer)
    tell(sandbox, deliver)
    forget_jobs()
    assert refund_jobs.refund_all_unwanted() == 1
    work()
    assert at_stripe(sandbox) == [4820]


def test_a_payment_that_is_held_for_its_amount_waits_for_the_owner(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """Nothing else paid this order: it is not for the shop to decide."""
    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    sandbox.pay(session_id)
    Payment.objects.update(amount=1)
    tell(sandbox, deliver)
    payment = Payment.objects.get()
    assert payment.status == "needs_review"
    work()
    assert refunds.refund_unwanted(payment.pk) is None
    assert (refund_jobs.refund_all_unwanted(), at_stripe(sandbox)) == (0, [])


def test_the_job_is_there_if_and_only_if_the_payment_is_held(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = paid_twice(sandbox, buyer)
    events = events_of(sandbox, "checkout.session.completed")
    deliver(events[0])

    def die(**_args: Any) -> None:
        raise RuntimeError("The power is cut.")

    with monkeypatch.context() as patch:
        patch.setattr(refund_jobs.refund_unwanted, "defer", die)
        assert deliver(events[1]).status_code == 500
    assert Payment.objects.get(pk=second.pk).status == "open"
    assert deliver(events[1]).json()["status"] == "done"
    work()
    assert at_stripe(sandbox) == [4820]
