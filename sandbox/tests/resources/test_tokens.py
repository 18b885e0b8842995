"""Tokens of cards: made, read, good for one PaymentMethod."""

from typing import Any

import pytest
import stripe

Client = stripe.StripeClient
CARD: dict[str, Any] = {"number": "4242424242424242", "exp_month": "12", "exp_year": "34", "cvc": "123"}


def refused(client: Client, params: dict[str, Any]) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        client.v1.tokens.create(params)  # type: ignore[arg-type]
    return caught.value


def test_a_token_becomes_one_payment_method(client: Client) -> None:
    token: Any = client.v1.tokens.create({"card": {**CARD, "address_zip": "94080"}})  # type: ignore[typeddict-item]
    assert (token.type, token.used, token.card.last4, token.card.exp_year) == ("card", False, "4242", 2034)
    method: Any = client.v1.payment_methods.create({"type": "card", "card": {"token": token.id}})
    assert (method.card.last4, method.billing_details.address.postal_code) == ("4242", "94080")
    assert client.v1.tokens.retrieve(token.id).used is True
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_methods.create({"type": "card", "card": {"token": token.id}})
    assert caught.value.code == "token_already_used"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "card"),
        ({"card": "tok_visa"}, "card"),
        ({"card": {"number": "4242424242424242", "exp_month": "12"}}, "card[exp_year]"),
        ({"card": {**CARD, "exp_month": "May"}}, "card[exp_month]"),
        ({"card": {**CARD, "exp_year": "²"}}, "card[exp_year]"),
        ({"pii": {"id_number": "1"}}, "pii"),
    ],
)
def test_what_makes_no_token_is_refused(client: Client, params: dict[str, Any], param: str) -> None:
    assert refused(client, params).json_body["error"]["param"] == param  # type: ignore[index]


def test_a_number_that_is_none_is_refused_as_a_card(client: Client) -> None:
    error = refused(client, {"card": {**CARD, "number": "4242424242424241"}})
    assert (error.http_status, error.code) == (402, "incorrect_number")


def test_a_token_is_known_to_its_account_only(client: Client, make_client: Any) -> None:
    token = client.v1.tokens.create({"card": CARD})  # type: ignore[typeddict-item]
    with pytest.raises(stripe.InvalidRequestError, match="No such token"):
        make_client("sk_test_somebodyelse").v1.tokens.retrieve(token.id)
