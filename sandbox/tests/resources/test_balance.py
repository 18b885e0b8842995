"""Balance transactions, as charges and refunds leave them behind."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from sandbox_testing.own import Own


@pytest.fixture
def paid(client: stripe.StripeClient) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {
            "amount": 2000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )


def test_a_charge_and_its_refund_are_booked(client: stripe.StripeClient, paid: stripe.PaymentIntent) -> None:
    refund = client.v1.refunds.create({"payment_intent": paid.id, "amount": 500})
    back, taken = client.v1.balance_transactions.list().data
    assert (taken.type, taken.amount, taken.currency, taken.source) == (
        "charge",
        2000,
        "usd",
        paid.latest_charge,
    )
    assert taken.net == taken.amount - taken.fee
    assert (back.type, back.amount, back.source) == ("refund", -500, refund.id)
    assert client.v1.balance_transactions.retrieve(taken.id).to_dict() == taken.to_dict()


def test_they_are_filtered(client: stripe.StripeClient, paid: stripe.PaymentIntent) -> None:
    refund = client.v1.refunds.create({"payment_intent": paid.id})

    def types(**params: Any) -> list[str]:
        return [booked.type for booked in client.v1.balance_transactions.list(params).data]

    assert types() == ["refund", "charge"]
    assert types(type="charge") == ["charge"]
    assert types(source=refund.id) == ["refund"]
    assert types(currency="eur") == types(payout="po_x") == []


def test_an_unknown_one_is_missing(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such balance transaction: 'txn_nope'"):
        client.v1.balance_transactions.retrieve("txn_nope")


def test_the_balance_is_pending_at_first_and_available_after_two_days(own: Own) -> None:
    empty: Any = own.client.v1.balance.retrieve()
    assert (empty.available[0].amount, empty.pending[0].amount, empty.pending[0].currency) == (0, 0, "usd")
    never = {"enabled": True, "allow_redirects": "never"}
    for currency, amount in (("usd", 2000), ("eur", 1000), ("usd", 500)):
        own.client.v1.payment_intents.create(
            {
                "amount": amount,
                "currency": currency,
                "payment_method": "pm_card_visa",
                "confirm": True,
                "automatic_payment_methods": never,  # type: ignore[typeddict-item]
            }
        )
    booked = own.client.v1.balance_transactions.list().data
    nets = {
        currency: sum(one.net for one in booked if one.currency == currency) for currency in ("eur", "usd")
    }
    waiting: Any = own.client.v1.balance.retrieve()
    assert {one.currency: one.amount for one in waiting.pending} == nets
    own.control("POST", "clock/advance", {"seconds": 2 * 86_400})
    own.client.v1.refunds.create({"payment_intent": own.client.v1.payment_intents.list().data[0].id})
    later: Any = own.client.v1.balance.retrieve()
    assert {one.currency: one.amount for one in later.available} == nets
    assert {one.currency: one.amount for one in later.pending} == {"eur": 0, "usd": -500}
    assert [one.status for one in own.client.v1.balance_transactions.list().data] == ["pending"] + [
        "available"
    ] * 3


def test_the_fee_of_a_charge_can_be_set(own: Own) -> None:
    def fee(amount: int) -> int:
        never = {"enabled": True, "allow_redirects": "never"}
        facts = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        own.client.v1.payment_intents.create({**facts, "automatic_payment_methods": never})  # type: ignore[arg-type]
        return int(own.client.v1.balance_transactions.list().data[0].fee)

    assert fee(2000) == 88
    assert own.control("PUT", "settings", {"fee_percent": 1.5, "fee_fixed": 25})[0] == 200
    assert fee(2000) == 55
    for wrong in ({"fee_percent": -1}, {"fee_percent": "2"}, {"fee_fixed": 0.5}, {"fee_fixed": True}):
        assert own.control("PUT", "settings", wrong)[0] == 400
    assert fee(2000) == 55
