"""An event costs few statements, and Stripe is asked only about what an event can change."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.mail import jobs as mails
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought, events_of, paid_at_stripe
from tests.support.shop import ShopSandbox
from tests.support.statements import statements

pytestmark = pytest.mark.django_db(transaction=True)
Deliver = Callable[..., Any]
DECLINED = "4000000000000002"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Stripe is asked about anew."""
    found: list[str] = []
    retrieve = wire.Gateway.retrieve

    def noted(gateway: Any, kind: str, stripe_id: str) -> Any:
        found.append(stripe_id)
        return retrieve(gateway, kind, stripe_id)

    monkeypatch.setattr(wire.Gateway, "retrieve", noted)
    return found


def event(sandbox: ShopSandbox, kind: str) -> dict[str, Any]:
    (found,) = events_of(sandbox, kind)
    return found


def test_an_event_that_the_shop_needs_not_is_one_statement_and_its_copy_another(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    paid_at_stripe(sandbox, buyer)
    needless = event(sandbox, "charge.succeeded")
    for _copy in range(2):
        with statements() as sent:
            assert deliver(needless).json() == {"status": "ignored"}
        assert len(sent) == 1, sent
    assert StripeEvent.objects.get().attempts == 1


def test_an_event_of_another_mode_is_stored_rejected_by_one_statement(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    paid_at_stripe(sandbox, buyer)
    with statements() as sent:
        answer = deliver({**event(sandbox, "checkout.session.completed"), "livemode": True})
    assert answer.json() == {"status": "rejected"}
    assert len(sent) == 1, sent


def test_a_copy_of_another_mode_ends_an_event_that_was_cut_off(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, asked: list[str]
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    told = event(sandbox, "checkout.session.completed")
    facts = {"event_id": told["id"], "type": told["type"], "object_id": payment.stripe_id}
    StripeEvent.objects.create(account="default", payload=told, created="2026-11-28T12:00Z", **facts)
    assert deliver({**told, "livemode": True}).json() == {"status": "rejected"}
    assert StripeEvent.objects.get().status == "rejected"
    assert asked == []


def test_an_event_that_was_cut_off_is_processed_at_its_next_delivery(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    told = event(sandbox, "checkout.session.completed")
    facts = {"event_id": told["id"], "type": told["type"], "object_id": payment.stripe_id}
    StripeEvent.objects.create(account="default", payload=told, created="2026-11-28T12:00Z", **facts)
    assert deliver(told).json() == {"status": "done"}
    assert StripeEvent.objects.get().status == "done"


def test_of_the_events_of_one_payment_stripe_is_asked_about_one(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, asked: list[str]
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    told = events_of(sandbox, "payment_intent.", "charge.", "checkout.session.")
    assert len(told) > 3
    for one in [*told, *told]:
        assert deliver(one).status_code == 200
    again = {**event(sandbox, "checkout.session.completed"), "id": "evt_of_the_same_once_more"}
    assert deliver(again).json() == {"status": "done"}
    assert asked == [payment.stripe_id]
    assert Payment.objects.get().status == "paid"


def test_a_session_that_was_closed_is_not_asked_about_when_stripe_tells_of_it(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, asked: list[str]
) -> None:
    payment = bought(buyer)
    sandbox.stripe.v1.checkout.sessions.expire(payment.stripe_id)
    told = event(sandbox, "checkout.session.expired")
    assert deliver(told).json() == {"status": "done"}
    assert deliver({**told, "id": "evt_again"}).json() == {"status": "done"}
    assert asked == [payment.stripe_id]
    assert Payment.objects.get().status == "expired"


def test_a_declined_card_of_an_open_intent_is_no_news_of_the_payment(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, asked: list[str]
) -> None:
    payment = bought(buyer, "intent")
    sandbox.pay(payment.stripe_id, DECLINED)
    asked.clear()
    assert deliver(event(sandbox, "payment_intent.payment_failed")).json() == {"status": "done"}
    assert asked == []
    assert Payment.objects.get().status == "open"


def test_a_payment_is_applied_in_few_statements(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    told = event(sandbox, "checkout.session.completed")
    with statements() as sent:
        assert deliver(told).json() == {"status": "done"}
    assert len(sent) <= 8, "\n".join(sent)
    assert Payment.objects.get().status == "paid"
    (mail,) = payment.order.mails.all()
    with statements() as sent:
        assert mails.deliver(mail.pk) is True
    assert len(sent) <= 8, "\n".join(sent)


def test_the_pieces_of_a_limited_item_are_taken_by_a_payment(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """An order of nothing limited skips the statement that locks its items; this one must not."""
    paid_at_stripe(sandbox, buyer, stock=3)
    assert deliver(event(sandbox, "checkout.session.completed")).json() == {"status": "done"}
    assert Item.objects.get().stock == 2
