"""Refunds that were made at Stripe's own dashboard reach the order, by events or without them. (pain 17)"""

import random

import pytest
from django.test import Client

from kopeck.mail.models import Mail
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds.models import Refund
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import Deliver, events_of, paid_order, state
from tests.support.mirroring import two_accounts
from tests.support.recovering import recover
from tests.support.refunding import Desk
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def refund_at_stripe(sandbox: ShopSandbox, amount: int) -> str:
    (charge,) = sandbox.charges()
    return sandbox.stripe.v1.refunds.create({"charge": charge.id, "amount": amount}).id


@pytest.mark.parametrize("beginning", ["refund.created", "charge.refunded"])
def test_a_refund_from_the_dashboard_reaches_the_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, beginning: str
) -> None:
    """pain 17"""
    order = paid_order(sandbox, buyer, deliver)
    stripe_id = refund_at_stripe(sandbox, 1000)
    (event,) = events_of(sandbox, beginning)
    assert deliver(event).json()["status"] == "done"
    refund = Refund.objects.get()
    assert (refund.stripe_id, refund.amount, refund.source) == (stripe_id, 1000, "stripe")
    assert sum(part.amount for part in refund.parts) == 1000
    assert state(order) == "partly_refunded"
    assert "−$10.00" in buyer.get(f"/order/{order.pk}").content.decode()


def test_the_old_event_of_a_changed_refund_is_understood(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    stripe_id = refund_at_stripe(sandbox, 4820)
    event = {"id": "evt_old", "type": "charge.refund.updated", "data": {"object": {"id": stripe_id}}}
    assert deliver(event).json()["status"] == "done"
    assert state(order) == "refunded"


def test_every_order_of_events_ends_in_the_same_ledger(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """Also when the very first event that arrives is one of a refund."""
    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    sandbox.pay(session_id)
    for amount in (1000, 820):
        refund_at_stripe(sandbox, amount)
    order, events = Order.objects.get(), sandbox.events()
    refund_first = sorted(events, key=lambda event: not event["type"].startswith(("refund", "charge.refund")))
    orders = [refund_first, list(reversed(events)), events]
    orders += [random.Random(seed).sample(events, len(events)) for seed in range(3)]
    for number, shuffled in enumerate(orders):
        Mail.objects.all().delete()
        Refund.objects.all().delete()
        Payment.objects.update(status="open", payment_intent="", paid_at=None)
        Order.objects.update(status="open", paid_at=None)
        for event in [*shuffled, shuffled[0]]:
            assert deliver({**event, "id": f"{event['id']}_{number}"}).status_code == 200
        assert state(order) == "partly_refunded"
        assert list(Refund.objects.order_by("amount").values_list("amount", flat=True)) == [820, 1000]


def test_a_refund_whose_events_were_lost_is_found_by_the_sweep(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    refund_at_stripe(sandbox, 4820)
    recover(sandbox)
    assert (state(order), Refund.objects.get().source) == ("refunded", "stripe")
    notes = order.notes.count()
    recover(sandbox)
    assert (Refund.objects.count(), order.notes.count()) == (1, notes)


def test_a_failed_refund_makes_room_for_another(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 17: the state follows from the ledger, back and forth."""
    order = paid_order(sandbox, buyer, deliver, "4000000000005126")
    stripe_id = refund_at_stripe(sandbox, 4820)
    for event in events_of(sandbox, "refund."):
        deliver(event)
    assert state(order) == "refunded"
    sandbox.control("POST", "clock/advance", {"seconds": 120})
    (failed,) = events_of(sandbox, "refund.failed")
    assert deliver(failed).json()["status"] == "done"
    assert state(order) == "paid"
    assert Refund.objects.get(stripe_id=stripe_id).status == "failed"
    Desk(owner, order).refund(what="amount", amount="48.00")
    assert state(order) == "partly_refunded"


def test_an_older_answer_never_moves_a_refund_back(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    from kopeck.refunds import sync as refund_news

    order = paid_order(sandbox, buyer, deliver)
    refund = sandbox.stripe.v1.refunds.retrieve(refund_at_stripe(sandbox, 4820)).to_dict()
    payment = order.payments.get()
    for told, status, of_order in (
        ("pending", "pending", "refunded"),
        ("succeeded", "succeeded", "refunded"),
        ("pending", "succeeded", "refunded"),
        ("failed", "failed", "paid"),
        ("succeeded", "failed", "paid"),
    ):
        refund_news.apply(payment, {**refund, "status": told})
        assert (Refund.objects.get().status, state(order)) == (status, of_order)


def test_what_an_event_says_of_a_refund_is_never_the_truth(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    (charge,) = sandbox.charges()
    for number, kind in enumerate(("refund", "charge")):
        id = "re_forged" if kind == "refund" else charge.id
        forged = {"id": id, "object": kind, "amount": 4820, "currency": "usd", "status": "succeeded"}
        forged |= {"refunded": True, "amount_refunded": 4820, "payment_intent": charge.payment_intent}
        type = {"refund": "refund.created", "charge": "charge.refunded"}[kind]
        answer = deliver({"id": f"evt_{number}", "type": type, "data": {"object": forged}})
        assert answer.json()["status"] == "ignored"
    assert (state(order), Refund.objects.count()) == ("paid", 0)


def test_refunds_of_somebody_else_at_the_same_account_are_ignored(
    sandbox: ShopSandbox, deliver: Deliver
) -> None:
    intent = sandbox.stripe.v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    sandbox.stripe.v1.refunds.create({"payment_intent": intent.id})
    for event in events_of(sandbox, "refund.", "charge.refunded"):
        assert deliver(event).json() == {"status": "ignored"}
    assert {event.outcome for event in StripeEvent.objects.all()} == {"Not a refund of this shop."}
    recover(sandbox)
    assert Refund.objects.count() == 0


def test_an_event_at_another_accounts_address_touches_no_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, settings: object
) -> None:
    two_accounts(sandbox, settings)
    order = paid_order(sandbox, buyer, deliver)
    refund_at_stripe(sandbox, 4820)
    for event in events_of(sandbox, "refund.", "charge.refunded"):
        assert deliver(event, account="eur").json()["status"] == "ignored"
    assert (state(order), Refund.objects.count()) == ("paid", 0)
