"""Balance transactions, as charges and refunds leave them behind."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


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
