"""Promotion codes: unique while active, bound to a coupon, over when the coupon or they themselves are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from sandbox_testing.own import Own, own_sandbox


@pytest.fixture
def coupon(client: stripe.StripeClient) -> stripe.Coupon:
    return client.v1.coupons.create({"percent_off": 10, "max_redemptions": 5})


@pytest.fixture
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def promotion(coupon: stripe.Coupon, **params: Any) -> Any:
    return {"promotion": {"type": "coupon", "coupon": coupon.id}, **params}


def test_a_code_belongs_to_a_coupon(client: stripe.StripeClient, coupon: stripe.Coupon) -> None:
    made = client.v1.promotion_codes.create(promotion(coupon, code="Tea-10", metadata={"a": "b"}))
    assert (made.code, made.active, made.times_redeemed) == ("Tea-10", True, 0)
    assert made.promotion.to_dict() == {"type": "coupon", "coupon": coupon.id}
    found = client.v1.promotion_codes.retrieve(made.id, {"expand": ["promotion.coupon"]})
    assert found.promotion.coupon.percent_off == 10
    assert found.restrictions.to_dict() == {
        "first_time_transaction": False,
        "minimum_amount": None,
        "minimum_amount_currency": None,
    }


def test_a_code_is_thought_up_when_none_is_given(client: stripe.StripeClient, coupon: stripe.Coupon) -> None:
    first, second = (client.v1.promotion_codes.create(promotion(coupon)).code for _ in range(2))
    assert first != second
    assert len(first) == len(second) == 8


def test_an_active_code_is_unique_whatever_its_case(
    client: stripe.StripeClient, coupon: stripe.Coupon
) -> None:
    first = client.v1.promotion_codes.create(promotion(coupon, code="TEA"))
    with pytest.raises(
        stripe.InvalidRequestError, match="An active promotion code with `code: tea` already exists"
    ):
        client.v1.promotion_codes.create(promotion(coupon, code="tea"))
    client.v1.promotion_codes.update(first.id, {"active": False})
    second = client.v1.promotion_codes.create(promotion(coupon, code="tea"))
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        client.v1.promotion_codes.update(first.id, {"active": True})
    client.v1.promotion_codes.update(second.id, {"active": False})
    assert client.v1.promotion_codes.update(first.id, {"active": True}).active


def test_codes_are_found_by_what_was_typed(client: stripe.StripeClient, coupon: stripe.Coupon) -> None:
    made = client.v1.promotion_codes.create(promotion(coupon, code="Tea-10"))
    other = client.v1.promotion_codes.create(
        promotion(client.v1.coupons.create({"percent_off": 1}), active=False)
    )
    codes = client.v1.promotion_codes

    def listed(**params: Any) -> list[str]:
        return [code.id for code in codes.list(params).data]

    assert listed(code="TEA-10") == [made.id]
    assert listed(code="tea") == []
    assert listed(coupon=coupon.id) == [made.id]
    assert listed(active=True) == [made.id]
    assert listed(active=False) == [other.id]
    assert listed() == [other.id, made.id]


def test_restrictions_are_kept_and_other_currencies_can_change(
    client: stripe.StripeClient, coupon: stripe.Coupon
) -> None:
    restrictions = {
        "minimum_amount": 1000,
        "minimum_amount_currency": "usd",
        "first_time_transaction": True,
        "currency_options": {"eur": {"minimum_amount": 900}},
    }
    made = client.v1.promotion_codes.create(promotion(coupon, restrictions=restrictions))
    assert (made.restrictions.minimum_amount, made.restrictions.minimum_amount_currency) == (1000, "usd")
    assert made.restrictions.first_time_transaction is True
    changed = client.v1.promotion_codes.update(
        made.id,
        {
            "restrictions": {"currency_options": {"gbp": {"minimum_amount": 800}}},
            "expand": ["restrictions.currency_options"],
        },
    )
    options = changed.restrictions.currency_options
    assert {name: option.minimum_amount for name, option in options.items()} == {
        "usd": 1000,
        "eur": 900,
        "gbp": 800,
    }


def test_a_customers_code_needs_a_customer_that_is_there(
    client: stripe.StripeClient, coupon: stripe.Coupon
) -> None:
    customer = client.v1.customers.create({"name": "Ann"})
    made = client.v1.promotion_codes.create(promotion(coupon, customer=customer.id, expand=["customer"]))
    assert made.customer.name == "Ann"
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_nope'"):
        client.v1.promotion_codes.create(promotion(coupon, customer="cus_nope"))


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"code": "with space"}, "code", "Invalid code"),
        ({"expires_at": 1_600_000_000}, "expires_at", "in the future"),
        ({"max_redemptions": 6}, "max_redemptions", "cannot be greater than the coupon's"),
        (
            {"restrictions": {"minimum_amount": 5}},
            "restrictions[minimum_amount_currency]",
            "Missing required param",
        ),
        ({"promotion": {"type": "coupon"}}, "promotion[coupon]", "Missing required param"),
        ({"promotion": {"type": "coupon", "coupon": "NOPE"}}, "promotion[coupon]", "No such coupon: 'NOPE'"),
        ({"coupon": "NOPE"}, "coupon", "Received unknown parameter: coupon"),
    ],
)
def test_bad_codes_are_refused(
    client: stripe.StripeClient, coupon: stripe.Coupon, params: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.promotion_codes.create({**promotion(coupon), **params})
    assert caught.value.param == param
    assert message in caught.value.user_message
    assert client.v1.promotion_codes.list().data == []


def test_an_unknown_code_is_missing(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.promotion_codes.retrieve("promo_nope")
    assert caught.value.user_message == "No such promotion code: 'promo_nope'"
    assert caught.value.param == "promotion_code"


def test_an_expired_code_is_inactive_for_good(own: Own) -> None:
    coupon = own.client.v1.coupons.create({"percent_off": 10})
    params = promotion(coupon, code="SOON", expires_at=int(time.time()) + 60)
    made = own.client.v1.promotion_codes.create(params)
    own.control("POST", "clock/advance", {"seconds": 61})
    assert own.client.v1.promotion_codes.list({"active": True}).data == []
    assert not own.client.v1.promotion_codes.retrieve(made.id).active
    with pytest.raises(stripe.InvalidRequestError, match="cannot be activated"):
        own.client.v1.promotion_codes.update(made.id, {"active": True})


def test_a_code_is_inactive_once_its_coupon_is_deleted(own: Own) -> None:
    coupon = own.client.v1.coupons.create({"percent_off": 10})
    made = own.client.v1.promotion_codes.create(promotion(coupon))
    own.client.v1.coupons.delete(coupon.id)
    assert not own.client.v1.promotion_codes.retrieve(made.id).active


def test_a_code_cannot_be_made_of_a_coupon_that_is_over(own: Own) -> None:
    coupon = own.client.v1.coupons.create({"percent_off": 10, "redeem_by": int(time.time()) + 60})
    own.control("POST", "clock/advance", {"seconds": 61})
    with pytest.raises(stripe.InvalidRequestError, match="no longer valid"):
        own.client.v1.promotion_codes.create(promotion(coupon))
