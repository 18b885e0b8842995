"""Paying a session: with every kind of card, once, and what is there afterwards."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import ASKS_FOR_3DS, DECLINED, event_types, line, open_session, pay
from sandbox_testing.server import CheckedSandbox
from stripe_sandbox.rules.cards import BY_NUMBER


def test_a_good_card_pays(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(
        client,
        line(2500),
        client_reference_id="order-1",
        payment_intent_data={"metadata": {"order": "1"}, "description": "Order 1"},
    )
    outcome = pay(sandbox, session.id, email="ann@shop.example", name="Ann")
    assert outcome["outcome"] == "paid"
    assert outcome["redirect_url"] == f"https://shop.example/paid?session={session.id}"
    paid: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge"]})
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert (paid.customer_details.email, paid.customer_details.name) == ("ann@shop.example", "Ann")
    intent = paid.payment_intent
    assert (intent.status, intent.amount, intent.amount_received) == ("succeeded", 2500, 2500)
    assert (intent.metadata.order, intent.description) == ("1", "Order 1")
    charge = intent.latest_charge
    assert (charge.paid, charge.captured, charge.status, charge.amount) == (True, True, "succeeded", 2500)
    card = charge.payment_method_details.card
    assert (card.brand, card.last4, card.checks.cvc_check) == ("visa", "4242", "pass")
    assert charge.billing_details.email == "ann@shop.example"
    assert charge.metadata.order == "1"


def test_a_payment_is_told_in_events(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    pay(sandbox, session.id)
    assert event_types(client)[2:] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    [event] = client.v1.events.list({"type": "checkout.session.completed"}).data
    assert event.data.object["payment_status"] == "paid"
    assert event.api_version == "2026-10-28.endive"


def test_the_balance_shows_the_payment_less_the_fee(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    pay(sandbox, open_session(client, line(10_000)).id)
    [charge] = client.v1.charges.list({"expand": ["data.balance_transaction"]}).data
    entry: Any = charge.balance_transaction
    assert (entry.amount, entry.fee, entry.net, entry.source) == (10_000, 320, 9_680, charge.id)


def test_a_session_is_paid_once(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    assert pay(sandbox, session.id)["outcome"] == "paid"
    assert pay(sandbox, session.id)["error"]["code"] == "closed"
    assert len(client.v1.charges.list().data) == 1


DECLINES = [
    (number, card.decline) for number, card in BY_NUMBER.items() if card.decline and not card.three_d_secure
]


@pytest.mark.parametrize(
    ("number", "decline"), DECLINES, ids=[BY_NUMBER[number].label for number, _ in DECLINES]
)
def test_a_declined_card_leaves_the_session_open(
    client: stripe.StripeClient, sandbox: CheckedSandbox, number: str, decline: Any
) -> None:
    session = open_session(client)
    error = pay(sandbox, session.id, number)["error"]
    assert (error["type"], error["code"], error["message"]) == ("card_error", decline.code, decline.message)
    left: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (left.status, left.payment_status) == ("open", "unpaid")
    assert left.url
    assert left.payment_intent.status == "requires_payment_method"
    assert left.payment_intent.last_payment_error.code == decline.code
    assert left.payment_intent.last_payment_error.decline_code == decline.decline_code
    [charge] = client.v1.charges.list().data
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, decline.code)
    assert event_types(client)[-2:] == ["charge.failed", "payment_intent.payment_failed"]


def test_another_card_pays_after_a_decline_with_the_same_intent(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(client)
    pay(sandbox, session.id, DECLINED)
    first = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert pay(sandbox, session.id)["outcome"] == "paid"
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.payment_status, done.payment_intent) == ("paid", first)
    assert sorted(charge.status for charge in client.v1.charges.list().data) == ["failed", "succeeded"]


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ({"card": "4242424242424241"}, "incorrect_number"),
        ({"card": "4242"}, "incorrect_number"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2020}, "invalid_expiry_year"),
        ({"exp_year": 2199}, "invalid_expiry_year"),
        ({"cvc": "12"}, "invalid_cvc"),
        ({"card": "378282246310005", "cvc": "1"}, "invalid_cvc"),
    ],
)
def test_what_is_no_card_is_refused_before_any_intent(
    client: stripe.StripeClient, sandbox: CheckedSandbox, typed: dict[str, Any], code: str
) -> None:
    session = open_session(client)
    assert pay(sandbox, session.id, **typed)["error"]["code"] == code
    assert client.v1.payment_intents.list().data == []


def test_a_real_card_is_refused_as_in_test_mode(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    error = pay(sandbox, session.id, "4539148803436467")["error"]
    assert (error["code"], error["decline_code"]) == ("card_declined", "test_mode_live_card")
    assert "used a non test (live) card" in error["message"]


def test_3d_secure_asks_and_then_pays(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    assert pay(sandbox, session.id, ASKS_FOR_3DS)["outcome"] == "requires_action"
    [intent] = client.v1.payment_intents.list().data
    assert intent.status == "requires_action"
    assert intent.next_action is not None
    assert pay(sandbox, session.id, ASKS_FOR_3DS, authenticate=True)["outcome"] == "paid"
    [charge] = client.v1.charges.list().data
    details: Any = charge.payment_method_details
    assert details.card.three_d_secure.result == "authenticated"


def test_a_failed_3d_secure_is_a_decline(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    error = pay(sandbox, session.id, ASKS_FOR_3DS, authenticate=False)["error"]
    assert error["code"] == "payment_intent_authentication_failure"
    assert client.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert client.v1.charges.list().data == []
    assert event_types(client)[-1] == "payment_intent.payment_failed"


def test_a_card_can_be_authenticated_and_still_declined(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(client)
    assert pay(sandbox, session.id, "4000008400001629")["outcome"] == "requires_action"
    assert pay(sandbox, session.id, "4000008400001629", authenticate=True)["error"]["code"] == "card_declined"


def test_a_customer_is_made_when_asked_for(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client, customer_creation="always")
    pay(sandbox, session.id, email="ann@shop.example", name="Ann")
    paid: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer", "payment_intent"]})
    assert (paid.customer.email, paid.customer.name) == ("ann@shop.example", "Ann")
    assert paid.payment_intent.customer == paid.customer.id


def test_a_guest_leaves_no_customer(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    pay(sandbox, session.id)
    assert client.v1.checkout.sessions.retrieve(session.id).customer is None


def test_the_email_of_the_session_wins_over_what_is_typed(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(client, customer_email="ann@shop.example")
    pay(sandbox, session.id, email="mallory@shop.example")
    details = client.v1.checkout.sessions.retrieve(session.id).customer_details
    assert details is not None
    assert details.email == "ann@shop.example"


def test_a_session_with_manual_capture_is_complete_but_unpaid(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(client, payment_intent_data={"capture_method": "manual"})
    pay(sandbox, session.id)
    held: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (held.status, held.payment_status) == ("complete", "unpaid")
    assert held.payment_intent.status == "requires_capture"
    client.v1.payment_intents.capture(held.payment_intent.id)
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_a_disputed_card_opens_a_dispute(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    pay(sandbox, session.id, "4000000000000259")
    [dispute] = client.v1.disputes.list().data
    assert (dispute.reason, dispute.status, dispute.amount) == ("fraudulent", "needs_response", 1000)
    assert client.v1.disputes.retrieve(dispute.id).charge == client.v1.charges.list().data[0].id
    assert "charge.dispute.created" in event_types(client)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": str(dispute.charge)})
    assert caught.value.code == "charge_disputed"
