"""The rows of refunds: what Stripe's late, missing and refusing answers leave of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.errors import ShopError
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from kopeck.refunds import review
from kopeck.refunds.models import Refund
from kopeck.refunds.request import Form, Wish
from kopeck.refunds.review import AtStripe
from kopeck.stripe_api import client as wire
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from tests.support.buying import Deliver, paid_order, states
from tests.support.refunding import at_stripe, in_review
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def refund(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> Refund:
    """Asked for, not sent."""
    order = paid_order(sandbox, buyer, deliver)
    made, _ = refunds.request(order.pk, Wish(amount=1000), Form(key=uuid4(), version="0-4820", by="anna"))
    return made


def test_a_late_refusal_changes_nothing_of_a_refund_that_was_made(refund: Refund) -> None:
    refunds.send(refund)
    refund.refresh_from_db()
    notes = refund.order.notes.count()
    refunds._refuse(refund, StripeRefused("Too late."))
    again = Refund.objects.get()
    assert (again.status, again.problem) == ("succeeded", refund.problem)
    assert refund.order.notes.count() == notes


def test_a_refusal_is_kept_with_its_words_and_told(sandbox: ShopSandbox, refund: Refund) -> None:
    sandbox.stripe.v1.refunds.create({"payment_intent": refund.payment.payment_intent})
    with pytest.raises(StripeRefused):
        refunds.send(refund)
    refund.refresh_from_db()
    assert refund.status == "refused"
    assert refund.problem
    assert f"Stripe refuses to refund 10.00 USD: {refund.problem}" in [
        note.text for note in refund.order.notes.all()
    ]
    assert states(refund.order) == ("refunded", ["paid"])  # what went back elsewhere is known by now


def test_each_try_is_noted_before_stripe_is_asked_so_the_next_sweep_lets_it_be(
    sandbox: ShopSandbox, refund: Refund
) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    for ask in (refunds.finish, refunds.send):
        Refund.objects.update(asked_at=long_ago)
        sandbox.control("PUT", "faults", {"next": [{"kind": "cut_before", "path": "/v1/refunds"}]})
        with pytest.raises(StripeUnavailable):
            ask(refund)
        refund.refresh_from_db()
        assert refund.asked_at is not None
        assert refund.asked_at > long_ago + timedelta(minutes=59)
        assert refund.status == "creating"
    assert refund.problem
    assert refunds.finish(refund).status == "succeeded"
    assert at_stripe(sandbox) == [1000]
    assert refunds.finish(refund).status == "succeeded"
    assert at_stripe(sandbox) == [1000]


@pytest.fixture
def payment(sandbox: ShopSandbox, buyer: Client) -> Payment:
    return in_review(sandbox, buyer)


def test_money_in_review_is_refunded_once_under_our_names(sandbox: ShopSandbox, payment: Payment) -> None:
    assert review.at_stripe(payment) == AtStripe(taken=4820, left=4820, currency="usd")
    refund = refunds.refund_in_review(payment.pk, by="anna")
    (made,) = sandbox.stripe.v1.refunds.list().data
    assert made.metadata.to_dict() == {
        "kopeck_order": str(payment.order_id),
        "kopeck_refund": str(refund.key),
    }
    assert (refund.amount, refund.currency, refund.account) == (4820, "usd", "default")
    assert (refund.source, refund.requested_by, refund.order_id) == ("staff", "anna", payment.order_id)
    assert refund.inputs["amount"] == 4820
    notes = [note.text for note in payment.order.notes.all()]
    assert "anna refunds 48.20 USD, which needed review." in notes
    assert "No payment is under way any more: the order can be paid again." in notes
    assert states(payment.order) == ("open", ["needs_review"])
    assert review.at_stripe(payment) == AtStripe(taken=4820, left=0, currency="usd")
    with pytest.raises(ShopError, match="refunded already") as nothing:
        refunds.refund_in_review(payment.pk, by="anna")
    assert (nothing.value.code, nothing.value.status) == ("refund_nothing", 409)
    assert not review.release(payment.order_id)


def test_what_needs_no_review_is_not_refunded_here(refund: Refund) -> None:
    with pytest.raises(ShopError, match="needs no review") as refused:
        refunds.refund_in_review(refund.payment_id, by="anna")
    assert (refused.value.code, refused.value.status) == ("not_in_review", 409)


def test_an_order_waits_while_money_of_it_is_in_review_or_a_payment_is_live(
    sandbox: ShopSandbox, payment: Payment
) -> None:
    order = payment.order
    assert states(order) == ("processing", ["needs_review"])
    assert not review.release(order.pk)  # its money is still with Stripe
    sandbox.stripe.v1.refunds.create({"payment_intent": payment.payment_intent})
    live = Payment.objects.create(
        order=order, account="default", kind="checkout", status="processing", stripe_id="cs_live", attempt=2,
        amount=1, currency="usd", inputs={}, expires_at=timezone.now(),
    )  # fmt: skip
    assert not review.release(order.pk)
    live.delete()
    assert review.waits_for_nothing(type(order).objects.get(pk=order.pk))
    assert review.release(order.pk)
    assert states(order) == ("open", ["needs_review"])
    assert not review.release(order.pk)


def test_a_payment_without_an_intent_has_nothing_at_stripe() -> None:
    assert review.at_stripe(Payment(currency="eur")) == AtStripe(taken=0, left=0, currency="eur")


@pytest.mark.parametrize("trouble", ["refused", "away"])
def test_a_refusal_is_kept_though_stripe_cannot_say_what_went_back_elsewhere(
    sandbox: ShopSandbox, refund: Refund, settings: Any, trouble: str
) -> None:
    if trouble == "refused":
        account = replace(settings.STRIPE_ACCOUNTS["default"], secret_key="wrong")
        settings.STRIPE_ACCOUNTS = {"default": account}
        wire.gateway.cache_clear()
    else:
        sandbox.control("PUT", "faults", {"next": [{"kind": "cut_before", "path": "/v1/refunds"}]})
    refunds._refuse(refund, StripeRefused("No."))
    refund.refresh_from_db()
    assert (refund.status, refund.problem) == ("refused", "No.")
