"""PaymentMethods: cards as Stripe keeps them, and the ready-made ones."""

from typing import Any

import pytest
import stripe

from sandbox_testing.server import CheckedSandbox
from stripe_sandbox.rules.cards import BY_METHOD, BY_NUMBER, luhn


def make(client: stripe.StripeClient, number: str = "4242424242424242", **card: Any) -> Any:
    params: Any = {
        "type": "card",
        "card": {"number": number, "exp_month": 8, "exp_year": 2040, "cvc": "314"} | card,
    }
    return client.v1.payment_methods.create(params)


def test_every_number_of_the_list_is_a_possible_card_number() -> None:
    assert all(luhn(number) for number in BY_NUMBER)


def test_a_card_becomes_a_method_without_its_number(client: stripe.StripeClient) -> None:
    method = make(client, "5555555555554444")
    card = method.card
    assert (card.brand, card.last4, card.exp_month, card.exp_year) == ("mastercard", "4444", 8, 2040)
    assert "5555555555554444" not in str(client.v1.payment_methods.retrieve(method.id))


def test_a_real_number_is_kept_nowhere(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    make(client, "4539148803436467")
    assert sandbox.box.store.sql("SELECT id FROM objects WHERE body LIKE '%4539148803436467%'") == []


@pytest.mark.parametrize("id", sorted(BY_METHOD))
def test_a_ready_made_method_is_a_new_one_each_time(client: stripe.StripeClient, id: str) -> None:
    method: Any = client.v1.payment_methods.retrieve(id)
    assert method.id != id
    assert method.card.last4 == BY_METHOD[id].last4
    assert client.v1.payment_methods.retrieve(id).id != method.id


def test_a_number_that_cannot_be_is_a_card_error(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as caught:
        make(client, "4242424242424241")
    assert (caught.value.code, caught.value.param) == ("incorrect_number", "card[number]")
    assert caught.value.user_message == "Your card number is incorrect."


def test_other_kinds_than_cards_are_not_offered(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_methods.create({"type": "klarna"})
    assert caught.value.param == "type"


def test_a_method_can_be_a_customer_s_and_let_go_again(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    method = make(client)
    assert client.v1.payment_methods.attach(method.id, {"customer": customer.id}).customer == customer.id
    assert len(client.v1.payment_methods.list({"customer": customer.id}).data) == 1
    assert client.v1.payment_methods.detach(method.id).customer is None
    with pytest.raises(stripe.InvalidRequestError, match="not attached"):
        client.v1.payment_methods.detach(method.id)


def test_billing_details_and_metadata_can_be_changed(client: stripe.StripeClient) -> None:
    method = make(client)
    changed = client.v1.payment_methods.update(
        method.id, {"billing_details": {"name": "Ann"}, "metadata": {"a": "1"}}
    )
    assert changed.billing_details.name == "Ann"
    assert changed.metadata is not None
    assert changed.metadata.a == "1"
