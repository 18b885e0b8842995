"""Refunds that Stripe does not answer, refuses, or takes back, and crashes in between. (pain 18)"""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.refunds import jobs as refund_jobs
from kopeck.refunds import sync as refund_news
from kopeck.refunds.models import Refund
from tests.support.buying import Deliver, events_of, paid_order, state
from tests.support.refunding import Desk, at_stripe, fields
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


class PowerCut(BaseException):
    pass


def long_ago() -> None:
    past = timezone.now() - timedelta(minutes=5)
    Refund.objects.update(asked_at=past, created=past)


@pytest.mark.parametrize("cut", ["cut_after", "cut_before"])
def test_no_answer_from_stripe_is_made_good_by_the_sweep(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver, cut: str
) -> None:
    """pain 18"""
    order = paid_order(sandbox, buyer, deliver)
    sandbox.control("PUT", "faults", {"next": [{"kind": cut, "path": "/v1/refunds", "method": "POST"}]})
    page = Desk(owner, order).refund()
    assert "Stripe does not answer" in page
    assert (state(order), Refund.objects.get().status) == ("paid", "creating")
    assert refund_jobs.finish() == 0  # its request may still be under way
    long_ago()
    assert refund_jobs.finish() == 1
    assert (state(order), at_stripe(sandbox)) == ("refunded", [4820])
    long_ago()
    assert refund_jobs.finish() == 0


def test_money_that_is_being_refunded_is_not_refunded_again(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    fault = {"kind": "cut_before", "path": "/v1/refunds", "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [fault]})
    desk = Desk(owner, order)
    desk.refund(what="amount", amount="40.00")
    assert "$8.20" in owner.get(desk.address).content.decode()
    hidden = fields(owner.get(desk.address).content.decode())
    page = owner.post(desk.address, {**hidden, "what": "amount", "amount": "8.21", "action": "preview"})
    assert "more than what is left: 8.20 USD" in page.content.decode()


def test_a_crash_before_the_answer_was_stored_never_refunds_twice(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pain 18: not even two days later, when Stripe has forgotten the idempotency key."""
    order = paid_order(sandbox, buyer, deliver)
    desk = Desk(owner, order)
    form = desk.preview(what="amount", amount="10.00")

    def die(*_args: Any) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(refund_news, "apply", die)
        with pytest.raises(PowerCut):
            desk.confirm(form)
    assert (at_stripe(sandbox), Refund.objects.get().status) == ([1000], "creating")
    sandbox.control("POST", "clock/advance", {"seconds": 2 * 24 * 3600})
    long_ago()
    assert refund_jobs.finish() == 1
    refund = Refund.objects.get()
    assert (refund.status, refund.requested_by, at_stripe(sandbox)) == ("succeeded", "owner", [1000])
    assert state(order) == "partly_refunded"


def test_an_event_that_overtakes_the_answer_finds_the_row(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    apply = refund_news.apply
    told: list[str] = []

    def event_first(*args: Any) -> Refund:
        monkeypatch.setattr(refund_news, "apply", apply)
        told.extend(deliver(event).json()["status"] for event in events_of(sandbox, "refund.", "charge.ref"))
        return apply(*args)

    monkeypatch.setattr(refund_news, "apply", event_first)
    Desk(owner, order).refund()
    assert told == ["done", "done"]
    refund = Refund.objects.get()
    assert (refund.status, refund.source, state(order)) == ("succeeded", "staff", "refunded")


def test_what_stripe_refuses_is_a_sentence_and_the_ledger_is_mended(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    desk = Desk(owner, order)
    form = desk.preview()
    (charge,) = sandbox.charges()
    sandbox.stripe.v1.refunds.create({"charge": charge.id})  # its event does not arrive
    page = desk.confirm(form)
    assert "Everything has been refunded already" in page
    assert sorted(Refund.objects.values_list("status", "source")) == [
        ("refused", "staff"),
        ("succeeded", "stripe"),
    ]
    assert (state(order), at_stripe(sandbox)) == ("refunded", [4820])


def test_a_disputed_payment_is_not_refunded_and_the_page_says_why(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, "4000000000000259")
    for event in events_of(sandbox, "charge.dispute."):
        deliver(event)
    desk = Desk(owner, order)
    assert "disputes this payment" in owner.get(desk.address).content.decode()
    assert "while it is disputed" in desk.refund()
    assert (state(order), Refund.objects.get().status) == ("paid", "refused")


def test_a_refund_that_fails_later_is_shown_and_the_order_is_paid_again(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, "4000000000005126")
    desk = Desk(owner, order)
    desk.refund()
    assert state(order) == "refunded"
    sandbox.control("POST", "clock/advance", {"seconds": 120})
    events = events_of(sandbox, "refund.", "charge.")
    for event in reversed(events):
        assert deliver(event).status_code == 200
    assert state(order) == "paid"
    page = owner.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "The bank did not take it" in page
    assert "the money is with the shop again" in page
    assert "$48.20" in owner.get(desk.address).content.decode()


def test_a_pending_refund_counts_and_the_sweep_asks_how_it_went(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, "4000000000007726")
    Desk(owner, order).refund(what="amount", amount="5.00")
    assert (state(order), Refund.objects.get().status) == ("partly_refunded", "pending")
    sandbox.control("POST", "clock/advance", {"seconds": 120})
    assert refund_jobs.finish() == 0
    Refund.objects.update(asked_at=timezone.now() - timedelta(hours=2))
    assert refund_jobs.finish() == 1
    assert Refund.objects.get().status == "succeeded"
