"""`mode=setup`: Checkout saves a card, and nothing is paid."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import event_types, open_session, pay
from sandbox_testing.own import Own, control
from sandbox_testing.server import CheckedSandbox
from sandbox_testing.shopping import alerts, look, submit, text_of, typed

Client = stripe.StripeClient


def begin(client: Client, **more: Any) -> Any:
    usual = {
        "mode": "setup",
        "currency": "usd",
        "success_url": "https://shop.example/done?{CHECKOUT_SESSION_ID}",
    }
    return client.v1.checkout.sessions.create({**usual, **more})  # type: ignore[typeddict-item]


def test_a_card_is_saved_for_a_customer_and_charged_later(client: Client) -> None:
    customer = client.v1.customers.create({"email": "ann@shop.example"})
    session = begin(client, customer=customer.id, setup_intent_data={"metadata": {"order": "7"}})
    assert (session.amount_total, session.payment_intent, session.payment_status) == (
        None,
        None,
        "no_payment_required",
    )
    page = text_of(look(session.url))
    assert "Save your card with Local sandbox" in page
    assert "Save card" in page
    assert "Total due" not in page
    done = submit(session.url)
    assert done.headers["Location"] == f"https://shop.example/done?{session.id}"
    over: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert (over.status, over.payment_status, over.setup_intent.status) == (
        "complete",
        "no_payment_required",
        "succeeded",
    )
    assert over.setup_intent.metadata.to_dict() == {"order": "7"}
    [method] = client.v1.customers.payment_methods.list(customer.id).data
    paid: Any = client.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "customer": customer.id, "payment_method": method.id}
        | {"confirm": True, "off_session": True}
    )
    assert paid.status == "succeeded"
    assert "Your card is saved" in text_of(look(session.url))


def test_the_events_are_those_of_a_saved_card(client: Client, sandbox: CheckedSandbox) -> None:
    session = begin(client, customer_creation="always")
    assert pay(sandbox, session.id)["outcome"] == "paid"
    assert event_types(client) == [
        "setup_intent.created",
        "setup_intent.succeeded",
        "customer.created",
        "payment_method.attached",
        "checkout.session.completed",
    ]
    over: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["customer", "setup_intent"]})
    assert over.setup_intent.customer == over.customer.id
    guest = begin(client)
    pay(sandbox, guest.id)
    assert client.v1.checkout.sessions.retrieve(guest.id).customer is None


def test_a_declined_card_can_be_followed_by_a_good_one(client: Client, sandbox: CheckedSandbox) -> None:
    session = begin(client)
    assert alerts(submit(session.url, typed("4000000000000002"))) == {"cardNumber": "Your card was declined."}
    asked = submit(session.url, typed("4000000000003220"))
    challenge = sandbox.url + asked.headers["Location"]
    assert "wants to save your card ···· 3220" in text_of(look(challenge))
    assert "cardNumber" in alerts(submit(challenge, {"result": "fail"}))
    asked = submit(session.url, typed("4000000000003220"))
    submit(sandbox.url + asked.headers["Location"], {"result": "authorize"})
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"
    debit = begin(client)
    status, answer = control(sandbox.url, "POST", f"sessions/{debit.id}/pay", {"delayed": "succeeds"})
    assert (status, answer["error"]["message"]) == (402, "The local sandbox saves cards only.")


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"line_items": [{"price": "price_x", "quantity": 1}]}, "line_items"),
        ({"payment_intent_data": {"description": "x"}}, "payment_intent_data"),
        ({"automatic_tax": {"enabled": True}}, "automatic_tax"),
        ({"submit_type": "pay"}, "submit_type"),
    ],
)
def test_what_only_a_payment_has_is_refused(client: Client, params: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        begin(client, **params)
    assert (caught.value.param, caught.value.user_message) == (
        param,
        f"You can not pass `{param}` in `setup` mode.",
    )


def test_a_payment_has_no_setup_data_and_a_setup_needs_a_currency(client: Client) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="in `payment` mode"):
        open_session(client, setup_intent_data={"description": "x"})
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param: currency"):
        client.v1.checkout.sessions.create({"mode": "setup", "success_url": "https://shop.example"})


def test_its_intent_is_the_session_s_business_and_ends_with_it(client: Client, own: Own) -> None:
    session = begin(client)
    with pytest.raises(stripe.InvalidRequestError, match="belongs to the Checkout Session"):
        client.v1.setup_intents.confirm(session.setup_intent, {"payment_method": "pm_card_visa"})
    client.v1.checkout.sessions.expire(session.id)
    assert client.v1.setup_intents.retrieve(session.setup_intent).cancellation_reason == "abandoned"
    assert "setup_intent.canceled" in event_types(client)
