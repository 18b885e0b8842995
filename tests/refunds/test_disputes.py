"""Disputes are facts on the order, with a deadline, and never change its state. (pain 19)"""

import html
import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.refunds import disputes
from kopeck.refunds.models import Dispute
from tests.support.buying import Deliver, events_of, paid_order, state
from tests.support.recovering import recover
from tests.support.refunding import Desk
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)

DISPUTED, INQUIRY = "4000000000000259", "4000000000001976"


def tell(sandbox: ShopSandbox, deliver: Deliver) -> None:
    for event in events_of(sandbox, "charge.dispute."):
        assert deliver(event).json()["status"] == "done"


def why(owner: Client, order: Order) -> str:
    return html.unescape(owner.get(f"/admin/orders/order/{order.pk}/why/").content.decode())


def decide(sandbox: ShopSandbox, status: str) -> None:
    """The bank's answer, at Stripe's side: the dispute is changed and its event is there."""
    (dispute,) = sandbox.stripe.v1.disputes.list().data
    with sandbox.box.store.transaction():
        found = sandbox.box.store.find("dispute", dispute.id)
        assert found is not None
        account, body = found
        body["status"] = status
        sandbox.box.store.save(account, body)
        closed = status in ("won", "lost", "warning_closed")
        sandbox.box.emit(account, f"charge.dispute.{'closed' if closed else 'updated'}", body)


def test_a_dispute_is_a_fact_on_the_order_with_its_deadline(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """pain 19"""
    order = paid_order(sandbox, buyer, deliver, DISPUTED)
    tell(sandbox, deliver)
    (at_stripe,) = sandbox.stripe.v1.disputes.list().data
    dispute = Dispute.objects.get()
    assert (dispute.stripe_id, dispute.amount, dispute.currency) == (at_stripe.id, 4820, "usd")
    assert (dispute.reason, dispute.status, dispute.closed) == ("fraudulent", "needs_response", None)
    assert dispute.due_by is not None
    assert dispute.due_by.timestamp() == at_stripe.evidence_details.due_by
    assert state(order) == "paid"
    page = owner.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "fraudulent" in page
    assert f"{dispute.due_by:%Y}" in page
    assert "The buyer&#x27;s bank disputes 48.20 USD" in page
    assert "dispute" not in buyer.get(f"/order/{order.pk}").content.decode()


@pytest.mark.parametrize(
    ("card", "asks", "state_of_it"),
    [
        (DISPUTED, "bank disputes $48.20", "needs an answer"),
        (INQUIRY, "bank asks about $48.20", "inquiry: needs an answer"),
    ],
)
def test_the_why_page_says_what_is_to_do_and_until_when(
    sandbox: ShopSandbox,
    buyer: Client,
    owner: Client,
    deliver: Deliver,
    card: str,
    asks: str,
    state_of_it: str,
) -> None:
    """pain 19"""
    order = paid_order(sandbox, buyer, deliver, card)
    tell(sandbox, deliver)
    due_by = Dispute.objects.get().due_by
    assert due_by is not None
    page = why(owner, order)
    assert f"{asks}. Answer it at Stripe by {due_by.day} {due_by:%b %Y, %H:%M}." in page
    assert "There is nothing to do" not in page
    assert f">{state_of_it}, by {due_by.day} {due_by:%b %Y, %H:%M}</td>" in page
    assert f"Order {order.pk}: the dispute is now: {state_of_it}." in page
    Dispute.objects.update(due_by=None)
    assert f"{asks}. Answer it at Stripe. " in why(owner, order).replace("</p>", " ")


def test_the_why_page_says_when_it_is_the_banks_turn_and_nothing_once_it_is_over(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, DISPUTED)
    decide(sandbox, "under_review")
    tell(sandbox, deliver)
    page = why(owner, order)
    assert "bank is deciding about the dispute of $48.20" in page
    assert "Answer it at Stripe" not in page
    assert ">under review</td>" in page
    decide(sandbox, "lost")
    tell(sandbox, deliver)
    assert "There is nothing to do. The order was paid." in why(owner, order)


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_how_it_ended_is_a_fact_too_and_the_order_stays_as_it_was(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, outcome: str
) -> None:
    """pain 19"""
    order = paid_order(sandbox, buyer, deliver, DISPUTED)
    paid_at = order.paid_at
    tell(sandbox, deliver)
    decide(sandbox, outcome)
    tell(sandbox, deliver)
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.closed is not None) == (outcome, True)
    assert state(order) == "paid"
    assert order.paid_at == paid_at
    assert outcome in str(order.notes.last())


def test_every_order_of_events_ends_in_the_same_facts(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, DISPUTED)
    decide(sandbox, "under_review")
    decide(sandbox, "lost")
    events = events_of(sandbox, "charge.dispute.")
    assert len(events) == 4
    for number, shuffled in enumerate(itertools.permutations(events)):
        Dispute.objects.all().delete()
        order.notes.all().delete()
        for event in [*shuffled, shuffled[0]]:
            assert deliver({**event, "id": f"{event['id']}_{number}"}).json()["status"] == "done"
        dispute = Dispute.objects.get()
        assert (dispute.status, state(order), order.notes.count()) == ("lost", "paid", 1)


def test_an_older_answer_never_opens_a_closed_dispute_again(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, DISPUTED)
    payment = order.payments.get()
    (dispute,) = sandbox.stripe.v1.disputes.list().data
    opened: dict[str, Any] = dispute.to_dict()
    for told, kept in (
        ("needs_response", "needs_response"),
        ("under_review", "under_review"),
        ("needs_response", "under_review"),
        ("lost", "lost"),
        ("under_review", "lost"),
        ("won", "won"),  # Stripe may change its mind about how it ended
    ):
        disputes.apply(payment, {**opened, "status": told})
        assert Dispute.objects.get().status == kept


def test_a_refunded_order_that_is_disputed_stays_refunded(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    """An inquiry can still be answered by giving the money back."""
    order = paid_order(sandbox, buyer, deliver, INQUIRY)
    Desk(owner, order).refund()
    assert state(order) == "refunded"
    tell(sandbox, deliver)
    assert (Dispute.objects.get().status, state(order)) == ("warning_needs_response", "refunded")
    decide(sandbox, "warning_closed")
    tell(sandbox, deliver)
    assert (Dispute.objects.get().status, state(order)) == ("warning_closed", "refunded")


def test_the_list_of_things_to_do_goes_by_deadline(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    now = timezone.now()

    def dispute(name: str, due_by: datetime | None, status: str = "needs_response") -> None:
        closed = now if status in Dispute.CLOSED else None
        Dispute.objects.create(
            order=order, payment=order.payments.get(), account="default", stripe_id=name, status=status,
            reason="fraudulent", amount=4820, currency="usd", due_by=due_by, opened=now, asked_at=now,
            closed=closed,
        )  # fmt: skip

    dispute("dp_later", now + timedelta(days=9))
    dispute("dp_soon", now + timedelta(days=1), "warning_needs_response")
    dispute("dp_review", now + timedelta(days=2), "under_review")
    dispute("dp_lost", now - timedelta(days=2), "lost")

    def listed(address: str) -> list[str]:
        page = owner.get(address).content.decode()
        names = ["dp_later", "dp_soon", "dp_review", "dp_lost"]
        return sorted((name for name in names if name in page), key=page.index)

    address = "/admin/refunds/dispute/"
    assert listed(address) == ["dp_soon", "dp_later"]
    assert listed(f"{address}?what=open") == ["dp_soon", "dp_review", "dp_later"]
    assert listed(f"{address}?what=closed") == ["dp_lost"]
    assert len(listed(f"{address}?what=all")) == 4
    assert "To do, by deadline" in owner.get(address).content.decode()


def test_a_dispute_whose_events_were_lost_is_found_by_the_sweep(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, DISPUTED)
    recover(sandbox)
    assert Dispute.objects.get().status == "needs_response"
    decide(sandbox, "won")
    recover(sandbox)
    assert (Dispute.objects.get().status, order.notes.count()) == ("won", 2)
    recover(sandbox)
    assert order.notes.count() == 2


def test_a_dispute_may_be_the_first_thing_we_hear_of_a_payment(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    from kopeck.orders.models import Order
    from tests.support.shop import make_item

    session_id = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    sandbox.pay(session_id, DISPUTED)
    tell(sandbox, deliver)
    assert (Order.objects.get().status, Dispute.objects.get().amount) == ("paid", 4820)


def test_a_dispute_that_is_not_ours_or_not_stripes_is_ignored(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    paid_order(sandbox, buyer, deliver)
    sandbox.stripe.v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "payment_method": "pm_card_createDispute", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    for event in events_of(sandbox, "charge.dispute."):
        assert deliver(event).json() == {"status": "ignored"}
    forged = {"id": "evt_1", "type": "charge.dispute.created", "data": {"object": {"id": "dp_forged"}}}
    assert deliver(forged).json() == {"status": "ignored"}
    recover(sandbox)
    assert Dispute.objects.count() == 0


def test_an_inquiry_that_becomes_a_chargeback_wants_another_answer(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver
) -> None:
    order = paid_order(sandbox, buyer, deliver, INQUIRY)
    tell(sandbox, deliver)
    for told in ("warning_under_review", "needs_response"):
        decide(sandbox, told)
        tell(sandbox, deliver)
        assert Dispute.objects.get().status == told
    assert Dispute.objects.get().is_to_do
    assert "needs an answer" in str(order.notes.last())
    (opened,) = sandbox.stripe.v1.disputes.list().data
    disputes.apply(order.payments.get(), {**opened.to_dict(), "status": "warning_closed"})
    assert Dispute.objects.get().status == "needs_response", "an older answer"
