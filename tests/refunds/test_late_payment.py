"""A payment for what is sold out by now: true, paid, and refunded whole by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.refunds import jobs as refund_jobs
from kopeck.refunds import request as refunds
from kopeck.refunds.models import Refund
from tests.refunds.test_disputes import DISPUTED
from tests.refunds.test_disputes import tell as tell_of_disputes
from tests.support.buying import buy, events_of, state
from tests.support.comparing import codes
from tests.support.comparing import run as reconcile
from tests.support.refunding import at_stripe
from tests.support.shop import ShopSandbox, make_item
from tests.support.stocking import paid_too_late, stock_of
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


def tell(sandbox: ShopSandbox, deliver: Any) -> None:
    """Stripe's news in the order in which they happened: the stranger's first."""
    for event in events_of(sandbox, "checkout.session.completed"):
        assert deliver(event).json()["status"] == "done"


def test_a_payment_for_something_gone_is_refunded_by_itself(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, owner: Client, deliver: Any
) -> None:
    """pain 13"""
    order = paid_too_late(sandbox, buyer, stranger)
    tell(sandbox, deliver)
    assert state(order) == "paid"  # that is the truth, for the moment
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert "Your payment came when Moka pot was sold out" in page
    work()
    (made,) = sandbox.stripe.v1.refunds.list().data
    assert (made.amount, made.reason) == (4820, None)
    assert (state(order), stock_of(Item.objects.get())) == ("refunded", 0)
    assert Order.objects.exclude(pk=order.pk).get().status == "paid"
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert "all of it is refunded to you" in page
    assert "−$48.20" in page
    assert "Moka pot is sold out" in owner.get(f"/admin/orders/order/{order.pk}/why/").content.decode()


def test_it_goes_back_once_however_often_it_is_asked_for(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    order = paid_too_late(sandbox, buyer, stranger)
    tell(sandbox, deliver)
    payment = order.payments.get()
    for _time in range(3):
        refunds.refund_unwanted(payment.pk)
        sync.refresh(payment)
        refund_jobs.refund_all_unwanted()
    work()
    assert (at_stripe(sandbox), Refund.objects.count()) == ([4820], 1)
    assert refund_jobs.refund_all_unwanted() == 0


def test_a_lost_job_is_made_good_by_the_sweep(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    order = paid_too_late(sandbox, buyer, stranger)
    tell(sandbox, deliver)
    forget_jobs()
    assert refund_jobs.refund_all_unwanted() == 1
    assert refund_jobs.refund_all_unwanted() == 1  # it waits already: no error, and no second job
    work()
    assert (at_stripe(sandbox), state(order)) == ([4820], "refunded")


def test_what_staff_refunded_before_is_not_given_twice(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    order = paid_too_late(sandbox, buyer, stranger)
    tell(sandbox, deliver)
    intent = order.payments.get().payment_intent
    sandbox.stripe.v1.refunds.create({"payment_intent": intent, "amount": 820})
    work()
    assert (at_stripe(sandbox), state(order)) == ([820, 4000], "refunded")


def test_who_holds_the_last_piece_keeps_it_from_a_payment_that_comes_late(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    item = make_item(stock=1)
    _, late = buy(buyer, item)
    Payment.objects.update(status="expired")
    _, promised = buy(stranger, item)
    sandbox.pay(late)
    tell(sandbox, deliver)
    work()
    assert state(Payment.objects.get(stripe_id=late).order) == "refunded"
    sandbox.pay(promised)
    sync.refresh(Payment.objects.get(stripe_id=promised))
    assert state(Payment.objects.get(stripe_id=promised).order) == "paid"
    assert (stock_of(item), at_stripe(sandbox)) == (0, [4820])


def test_a_late_payment_for_what_is_still_there_is_an_ordinary_purchase(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    item = make_item(stock=1)
    _, session_id = buy(buyer, item)
    Payment.objects.update(status="expired")
    sandbox.pay(session_id)
    tell(sandbox, deliver)
    assert (Order.objects.get().status, Order.objects.get().sold_out, stock_of(item)) == ("paid", "", 0)


def test_nothing_of_an_order_is_taken_if_a_part_of_it_is_gone(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    pot, cup = make_item(name="Pot", stock=4), make_item(name="Cup", stock=2)
    buyer.post("/order", {f"item_{pot.pk}": "1", f"item_{cup.pk}": "2"})
    order = Order.objects.get()
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    Item.objects.filter(pk=cup.pk).update(stock=1)  # one was broken
    sandbox.pay(session_id)
    tell(sandbox, deliver)
    work()
    assert (state(order), order.sold_out) == ("refunded", "Cup")
    assert (stock_of(pot), stock_of(cup)) == (4, 1)


def test_a_free_order_of_something_gone_ends_too_without_money(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    item = make_item(price=0, stock=1)
    _, late = buy(buyer, item)
    Item.objects.update(stock=0)
    sandbox.pay(late)
    tell(sandbox, deliver)
    work()
    order = Order.objects.get()
    assert (order.status, order.sold_out) == ("refunded", "Moka pot")
    assert (at_stripe(sandbox), refund_jobs.refund_all_unwanted()) == ([], 0)
    assert codes(reconcile(), repaired=False) == []


@pytest.mark.parametrize(("outcome", "given"), [("won", [4820]), ("lost", [])])
def test_what_the_bank_disputed_meanwhile_goes_back_once_the_shop_has_it_again(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, outcome: str, given: list[int]
) -> None:
    """Stripe refuses to refund it while it is disputed; by one that was lost it is with the buyer already."""
    item = make_item(stock=1)
    _, session_id = buy(buyer, item)
    Item.objects.update(stock=0)
    sandbox.pay(session_id, DISPUTED)
    tell(sandbox, deliver)
    tell_of_disputes(sandbox, deliver)
    work()
    assert (state(Order.objects.get()), Refund.objects.get().status) == ("paid", "refused")
    assert codes(reconcile(), repaired=False) == ["not_refunded"]
    Refund.objects.update(created=timezone.now() - timedelta(days=2))
    assert refund_jobs.refund_all_unwanted() == 0, "the bank has the money"
    (dispute,) = sandbox.stripe.v1.disputes.list().data
    evidence = {"won": "winning_evidence", "lost": "losing_evidence"}[outcome]
    sandbox.stripe.v1.disputes.update(
        dispute.id, {"evidence": {"uncategorized_text": evidence}, "submit": True}
    )
    tell_of_disputes(sandbox, deliver)
    assert refund_jobs.refund_all_unwanted() == len(given)
    work()
    assert at_stripe(sandbox) == given
    assert state(Order.objects.get()) == ("refunded" if given else "paid")
    assert codes(reconcile(), repaired=False) == []
