"""ConfirmationTokens: made for one intent, which takes over what they hold."""

from typing import Any

import pytest
import stripe

from sandbox_testing.own import own_sandbox

Client = stripe.StripeClient
AWAY = "https://shop.example/back"


def make(client: Client, **more: Any) -> Any:
    return client.v1.test_helpers.confirmation_tokens.create({"payment_method": "pm_card_visa", **more})


def pay(client: Client, token: str, **more: Any) -> Any:
    params: Any = {"amount": 1000, "currency": "usd", "confirm": True, "confirmation_token": token, **more}
    return client.v1.payment_intents.create(params)


def test_an_intent_takes_over_what_a_token_holds(client: Client) -> None:
    shipping = {"name": "Ada Byron", "address": {"line1": "1 High St", "city": "Bath"}}
    token = make(client, return_url=AWAY, shipping=shipping, setup_future_usage="off_session")
    assert token.id.startswith("ctoken_")
    assert (token.payment_method_preview.type, token.payment_method_preview.card.last4) == ("card", "4242")
    assert "id" not in token.payment_method_preview
    paid = pay(client, token.id)
    assert (paid.status, paid.shipping.address.city, paid.setup_future_usage) == (
        "succeeded",
        "Bath",
        "off_session",
    )
    used = client.v1.confirmation_tokens.retrieve(token.id)
    assert used.payment_intent == paid.id
    with pytest.raises(stripe.InvalidRequestError, match="already been used"):
        pay(client, token.id)


def test_an_intent_that_waits_is_confirmed_with_a_token(client: Client) -> None:
    waiting = client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    token = make(client, return_url=AWAY)
    assert (
        client.v1.payment_intents.confirm(waiting.id, {"confirmation_token": token.id}).status == "succeeded"
    )
    setup = client.v1.setup_intents.create(
        {"confirm": True, "confirmation_token": make(client, return_url=AWAY).id}
    )
    assert setup.status == "succeeded"


def test_what_cannot_be_is_refused(client: Client) -> None:
    token = make(client, return_url=AWAY)
    for params, words in (
        ({"payment_method": "pm_card_visa"}, "only specify one of"),
        ({"confirm": False}, "when confirm is not true"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=words):
            pay(client, token.id, **params)
    with pytest.raises(stripe.InvalidRequestError, match="No such confirmation_token"):
        pay(client, "ctoken_nope")
    with pytest.raises(stripe.InvalidRequestError, match="payment_method_data"):
        client.v1.test_helpers.confirmation_tokens.create({"return_url": AWAY})


def test_a_token_is_over_after_twelve_hours() -> None:
    with own_sandbox() as own:
        token = make(own.client, return_url=AWAY)
        own.control("POST", "clock/advance", {"seconds": 12 * 3600})
        with pytest.raises(stripe.InvalidRequestError, match="has expired"):
            pay(own.client, token.id)
