"""Cards by token, saved for a customer, and charged later, with nobody there to ask."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe

from sandbox_testing.orders import event_types, open_session, pay
from sandbox_testing.server import CheckedSandbox

Client = stripe.StripeClient
PAY = {"amount": 900, "currency": "usd", "confirm": True, "return_url": "https://shop.example/"}


@pytest.fixture
def customer(client: Client) -> str:
    return client.v1.customers.create({"email": "ann@example.com"}).id


def charged(client: Client, **params: Any) -> Any:
    return client.v1.payment_intents.create({**PAY, **params})  # type: ignore[typeddict-item]


def refused(client: Client, **params: Any) -> Any:
    with pytest.raises(stripe.CardError) as caught:
        charged(client, **params)
    return caught.value


def saved(client: Client, customer: str, card: str = "pm_card_visa") -> Any:
    """A card saved by a SetupIntent."""
    params: Any = {
        "customer": customer,
        "payment_method": card,
        "confirm": True,
        "return_url": "https://a.example/",
    }
    return client.v1.setup_intents.create(params)


@pytest.mark.parametrize(
    ("token", "last4"),
    [("tok_visa", "4242"), ("tok_mastercard", "4444"), ("tok_amex", "0005"), ("tok_visa_debit", "5556")],
)
def test_a_test_token_is_the_card_of_its_name(client: Client, token: str, last4: str) -> None:
    made: Any = client.v1.payment_methods.create({"type": "card", "card": {"token": token}})
    assert made.card.last4 == last4
    paid = charged(client, payment_method_data={"type": "card", "card": {"token": token}})
    assert paid.status == "succeeded"


def test_a_token_that_declines_declines(client: Client) -> None:
    data = {"type": "card", "card": {"token": "tok_chargeDeclinedInsufficientFunds"}}
    assert refused(client, payment_method_data=data).error.decline_code == "insufficient_funds"


def test_an_unknown_token_is_named(client: Client) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such token: 'tok_nope'"):
        client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_nope"}})


def test_a_card_s_number_may_come_with_the_payment(client: Client) -> None:
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    assert charged(client, payment_method_data={"type": "card", "card": card}).status == "succeeded"


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("pm_card_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error"),
    ],
)
def test_attaching_a_card_that_declines_is_refused(
    client: Client, customer: str, card: str, code: str
) -> None:
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_methods.attach(card, {"customer": customer})
    assert (caught.value.http_status, caught.value.code) == (402, code)
    assert client.v1.customers.payment_methods.list(customer).data == []


def test_a_card_that_is_declined_later_can_be_saved(client: Client, customer: str) -> None:
    method = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    error = refused(client, customer=customer, payment_method=method.id, off_session=True)
    assert error.code == "card_declined"


def test_a_customer_s_cards_are_listed_and_charged(client: Client, customer: str) -> None:
    made = [
        client.v1.payment_methods.attach(card, {"customer": customer}).id
        for card in ("pm_card_visa", "pm_card_amex")
    ]
    for listed in (
        client.v1.customers.payment_methods.list(customer, {"type": "card"}),
        client.v1.payment_methods.list({"customer": customer}),
    ):
        assert [method.id for method in listed.data] == made[::-1]
    assert client.v1.customers.payment_methods.retrieve(customer, made[0]).id == made[0]
    for _ in range(2):
        assert (
            charged(client, customer=customer, payment_method=made[0], off_session=True).status == "succeeded"
        )


def test_a_customer_can_be_made_with_a_card_that_is_its_default(client: Client) -> None:
    made: Any = client.v1.customers.create(
        {
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
            "expand": ["invoice_settings.default_payment_method"],
        }
    )
    assert made.invoice_settings.default_payment_method.card.last4 == "4242"
    assert made.invoice_settings.default_payment_method.customer == made.id


def test_a_customer_with_a_card_that_declines_is_not_made(client: Client) -> None:
    with pytest.raises(stripe.CardError):
        client.v1.customers.create({"payment_method": "pm_card_chargeDeclined"})
    assert client.v1.customers.list().data == []


def test_a_card_of_somebody_else_is_refused(client: Client, customer: str) -> None:
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    other = client.v1.customers.create({}).id
    with pytest.raises(stripe.InvalidRequestError, match="belongs to a customer"):
        charged(client, payment_method=method)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a payment method with the ID"):
        charged(client, payment_method=method, customer=other)
    with pytest.raises(stripe.InvalidRequestError, match="No such PaymentMethod"):
        client.v1.customers.payment_methods.retrieve(other, method)


def test_a_card_that_was_not_saved_pays_once(client: Client, customer: str) -> None:
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}}).id
    charged(client, payment_method=method)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charged(client, payment_method=method)
    kept = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    client.v1.payment_methods.detach(kept)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charged(client, payment_method=kept)


def test_a_card_that_was_declined_may_be_tried_again(client: Client) -> None:
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_chargeDeclined"}}).id
    for _ in range(2):
        assert refused(client, payment_method=method).code == "card_declined"


# -- for the future


def test_setup_future_usage_saves_the_card_of_a_payment(client: Client, customer: str) -> None:
    paid = charged(client, customer=customer, payment_method="pm_card_visa", setup_future_usage="off_session")
    assert [method.id for method in client.v1.customers.payment_methods.list(customer).data] == [
        paid.payment_method
    ]
    assert (
        charged(client, customer=customer, payment_method=paid.payment_method, off_session=True).status
        == "succeeded"
    )
    assert "payment_method.attached" in event_types(client)


def test_checkout_saves_the_card_for_a_customer_that_it_makes(
    client: Client, sandbox: CheckedSandbox
) -> None:
    session = open_session(client, payment_intent_data={"setup_future_usage": "off_session"})
    pay(sandbox, session.id, email="ann@example.com")
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert isinstance(done.customer, str)
    assert len(client.v1.customers.payment_methods.list(done.customer).data) == 1


def test_with_nobody_there_a_card_that_asks_is_declined(client: Client, customer: str) -> None:
    method = client.v1.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer}).id
    error = refused(client, customer=customer, payment_method=method, off_session=True)
    assert (error.code, error.error.decline_code) == ("authentication_required", "authentication_required")
    assert error.error.payment_intent.status == "requires_payment_method"
    assert error.error.payment_method.id == method
    again = client.v1.payment_intents.confirm(
        error.error.payment_intent.id, {"payment_method": method, "return_url": "https://shop.example/"}
    )
    assert again.status == "requires_action"


def test_who_does_not_want_to_be_asked_gets_an_error(client: Client) -> None:
    error = refused(client, payment_method="pm_card_authenticationRequired", error_on_requires_action=True)
    assert error.code == "authentication_required"


def test_a_card_that_was_set_up_is_not_asked_off_session(
    client: Client, customer: str, sandbox: CheckedSandbox
) -> None:
    card = "pm_card_authenticationRequiredOnSetup"
    attached = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    assert charged(client, customer=customer, payment_method=attached, off_session=True).status == "succeeded"
    setup = saved(client, customer, card)
    assert setup.status == "requires_action"
    answer = requests.post(
        setup.next_action.redirect_to_url.url, {"result": "authorize"}, allow_redirects=False, timeout=120
    )
    assert f"setup_intent={setup.id}" in answer.headers["Location"]
    assert "redirect_status=succeeded" in answer.headers["Location"]
    done: Any = client.v1.setup_intents.retrieve(setup.id)
    assert done.status == "succeeded"
    assert (
        charged(client, customer=customer, payment_method=done.payment_method, off_session=True).status
        == "succeeded"
    )
    on_session = charged(client, customer=customer, payment_method=done.payment_method)
    assert on_session.status == "requires_action"


# -- SetupIntents


def test_a_setup_intent_saves_a_card_and_says_so(client: Client, customer: str) -> None:
    setup = saved(client, customer)
    assert (setup.status, setup.usage, setup.customer) == ("succeeded", "off_session", customer)
    assert [method.id for method in client.v1.payment_methods.list({"customer": customer}).data] == [
        setup.payment_method
    ]
    assert [type for type in event_types(client) if type.startswith(("setup", "payment_method"))] == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
    ]
    assert client.v1.setup_intents.list({"customer": customer}).data[0].id == setup.id


def test_a_setup_intent_goes_step_by_step(client: Client) -> None:
    setup = client.v1.setup_intents.create(
        {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )
    assert setup.status == "requires_payment_method"
    setup = client.v1.setup_intents.update(
        setup.id, {"payment_method": "pm_card_visa", "metadata": {"a": "1"}}
    )
    assert setup.status == "requires_confirmation"
    assert client.v1.setup_intents.confirm(setup.id).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.setup_intents.cancel(setup.id)
    assert caught.value.code == "setup_intent_unexpected_state"


def test_a_setup_intent_can_be_canceled(client: Client) -> None:
    setup = client.v1.setup_intents.create({})
    assert client.v1.setup_intents.cancel(setup.id, {"cancellation_reason": "abandoned"}).status == "canceled"


def test_a_setup_intent_of_a_card_that_declines_says_why(client: Client, customer: str) -> None:
    with pytest.raises(stripe.CardError) as caught:
        saved(client, customer, "pm_card_chargeDeclined")
    assert caught.value.code == "card_declined"
    [setup] = client.v1.setup_intents.list().data
    assert setup.status == "requires_payment_method"
    assert setup.last_setup_error is not None
    assert setup.last_setup_error.decline_code == "generic_decline"
    assert event_types(client)[-1] == "setup_intent.setup_failed"


def test_a_failed_challenge_of_a_setup_intent_saves_nothing(client: Client, customer: str) -> None:
    setup = saved(client, customer, "pm_card_authenticationRequired")
    page = requests.get(setup.next_action.redirect_to_url.url, timeout=120).text
    assert "wants to save your card" in " ".join(page.split())
    requests.post(
        setup.next_action.redirect_to_url.url, {"result": "fail"}, allow_redirects=False, timeout=120
    )
    failed: Any = client.v1.setup_intents.retrieve(setup.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_setup_error.code == "setup_intent_authentication_failure"
    assert client.v1.customers.payment_methods.list(customer).data == []


def test_a_browser_confirms_with_the_client_secret(
    client: Client, account: str, sandbox: CheckedSandbox
) -> None:
    setup = client.v1.setup_intents.create({})
    url = f"{sandbox.url}/v1/setup_intents/{setup.id}"
    auth = (f"pk_test_{account}", "")
    form = {
        "payment_method_data[type]": "card",
        "payment_method_data[card][token]": "tok_visa",
        "use_stripe_sdk": "true",
    }
    refused = requests.post(f"{url}/confirm", form, auth=auth, timeout=120).json()
    assert refused["error"]["param"] == "client_secret"
    seen = requests.post(
        f"{url}/confirm", form | {"client_secret": setup.client_secret}, auth=auth, timeout=120
    )
    assert (seen.json()["status"], "customer" in seen.json()) == ("succeeded", False)


def test_a_setup_intent_without_a_place_to_return_to_is_refused(client: Client) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="you must provide a `return_url`"):
        client.v1.setup_intents.create({"payment_method": "pm_card_visa", "confirm": True})


def test_what_the_sandbox_cannot_do_with_setup_intents_is_said(
    client: Client, make_client: Callable[..., Client]
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.setup_intents.create({"allowed_payment_method_types": ["us_bank_account"]})
    assert caught.value.param == "allowed_payment_method_types"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.setup_intents.create({"flow_directions": ["inbound"]})
    assert caught.value.code == "sandbox_not_supported"
