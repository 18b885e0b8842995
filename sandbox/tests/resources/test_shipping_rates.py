"""Shipping rates: made, listed, archived; held against the types of Stripe's library."""

from typing import Any

import pytest
import stripe

POST: Any = {
    "display_name": "Post",
    "type": "fixed_amount",
    "fixed_amount": {"amount": 500, "currency": "usd"},
}


def test_a_rate_is_made_listed_and_archived(client: stripe.StripeClient) -> None:
    estimate = {
        "minimum": {"unit": "business_day", "value": 2},
        "maximum": {"unit": "business_day", "value": 5},
    }
    made: Any = client.v1.shipping_rates.create(
        {**POST, "delivery_estimate": estimate, "metadata": {"a": "1"}}
    )
    assert (made.fixed_amount.amount, made.tax_behavior, made.active) == (500, "unspecified", True)
    assert made.delivery_estimate.maximum.value == 5
    changed = client.v1.shipping_rates.update(made.id, {"active": False, "metadata": {"b": "2"}})
    assert (changed.active, changed.metadata.to_dict()) == (False, {"a": "1", "b": "2"})
    assert client.v1.shipping_rates.list({"active": True}).data == []
    assert [rate.id for rate in client.v1.shipping_rates.list({"currency": "usd"}).data] == [made.id]
    assert client.v1.shipping_rates.list({"currency": "eur"}).data == []
    assert client.v1.shipping_rates.retrieve(made.id).display_name == "Post"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"fixed_amount": None}, "fixed_amount"),
        ({"fixed_amount": {"amount": -1, "currency": "usd"}}, "fixed_amount[amount]"),
        ({"fixed_amount": {"amount": 1, "currency": "zzz"}}, "fixed_amount[currency]"),
        ({"display_name": None}, "display_name"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(client: stripe.StripeClient, change: Any, param: str) -> None:
    params = {name: value for name, value in {**POST, **change}.items() if value is not None}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.shipping_rates.create(params)  # type: ignore[arg-type]
    assert caught.value.param == param


def test_an_unknown_rate_is_a_404(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such shipping rate: 'shr_nope'"):
        client.v1.shipping_rates.retrieve("shr_nope")
