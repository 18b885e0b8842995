"""Coupons: what makes one, what is refused in which words, and what may change later."""

from __future__ import annotations

import time
from typing import Any

import pytest
import stripe

from sandbox_testing.own import own_sandbox


def refusal(call: Any, *args: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(*args)
    return caught.value


def test_a_percentage_is_kept_with_its_decimals(client: stripe.StripeClient) -> None:
    made = client.v1.coupons.create({"percent_off": 22.5, "name": "Spring", "metadata": {"discount": "7"}})
    coupon = client.v1.coupons.retrieve(made.id)
    assert coupon.to_dict() == made.to_dict()
    assert (coupon.percent_off, coupon.amount_off, coupon.currency) == (22.5, None, None)
    assert (coupon.duration, coupon.valid, coupon.times_redeemed) == ("once", True, 0)
    assert coupon.metadata.to_dict() == {"discount": "7"}


def test_an_amount_has_a_currency_and_may_have_others(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create(
        {
            "amount_off": 500,
            "currency": "USD",
            "currency_options": {"eur": {"amount_off": 450}},
            "expand": ["currency_options"],
        }
    )
    assert (coupon.amount_off, coupon.currency, coupon.percent_off) == (500, "usd", None)
    assert coupon.currency_options.to_dict() == {"eur": {"amount_off": 450}, "usd": {"amount_off": 500}}


def test_own_ids_are_free_to_choose_and_unique(client: stripe.StripeClient) -> None:
    assert client.v1.coupons.create({"id": "SUMMER-25", "percent_off": 25}).id == "SUMMER-25"
    error = refusal(client.v1.coupons.create, {"id": "SUMMER-25", "percent_off": 5})
    assert (error.http_status, error.code, error.user_message) == (
        400,
        "resource_already_exists",
        "Coupon already exists.",
    )


def test_what_it_applies_to_and_other_currencies_are_shown_only_when_expanded(
    client: stripe.StripeClient,
) -> None:
    product = client.v1.products.create({"name": "Tea"})
    made = client.v1.coupons.create({"percent_off": 5, "applies_to": {"products": [product.id]}})
    assert "applies_to" not in made
    assert "currency_options" not in made
    expanded = client.v1.coupons.retrieve(made.id, {"expand": ["applies_to"]})
    assert expanded.applies_to.products == [product.id]
    error = refusal(client.v1.coupons.create, {"percent_off": 5, "applies_to": {"products": ["prod_nope"]}})
    assert (error.code, error.param) == ("resource_missing", "applies_to[products][0]")


@pytest.mark.parametrize(
    ("params", "code", "param", "message"),
    [
        ({}, "parameter_missing", None, "Must provide percent_off or amount_off."),
        (
            {"percent_off": 5, "amount_off": 5},
            None,
            None,
            "Received both percent_off and amount_off parameters",
        ),
        (
            {"amount_off": 5},
            "parameter_missing",
            "currency",
            "You must pass currency when passing amount_off",
        ),
        (
            {"percent_off": 0},
            None,
            "percent_off",
            "This value must be greater than or equal to 0.01 (it currently is '0.0').",
        ),
        ({"percent_off": 100.5}, None, "percent_off", "This value must be less than or equal to 100"),
        (
            {"amount_off": 0, "currency": "usd"},
            "parameter_invalid_integer",
            "amount_off",
            "greater than or equal to 1",
        ),
        ({"amount_off": 5, "currency": "xxx"}, None, "currency", "Invalid currency: xxx"),
        (
            {"amount_off": 5, "currency": "usd", "currency_options": {"EUR": {"amount_off": 5}}},
            None,
            "currency_options[EUR]",
            "Currencies must be lowercase",
        ),
        ({"percent_off": 5, "redeem_by": 1_600_000_000}, None, "redeem_by", "in the future"),
        (
            {"percent_off": 5, "redeem_by": int(time.time()) + 6 * 366 * 86400},
            None,
            "redeem_by",
            "five years",
        ),
        ({"percent_off": 5, "name": "x" * 41}, "parameter_invalid_string", "name", "at most 40 characters"),
        ({"percent_off": 5, "max_redemptions": 0}, "parameter_invalid_integer", "max_redemptions", "1"),
        ({"percent_off": 5, "duration": "repeating"}, "parameter_missing", "duration_in_months", "duration"),
        ({"percent_off": 5, "duration_in_months": 3}, None, "duration_in_months", "duration=repeating"),
        (
            {"percent_off": 5, "colour": "red"},
            "parameter_unknown",
            "colour",
            "Received unknown parameter: colour",
        ),
    ],
)
def test_bad_coupons_are_refused_in_stripes_words(
    client: stripe.StripeClient, params: dict[str, Any], code: str | None, param: str | None, message: str
) -> None:
    error = refusal(client.v1.coupons.create, params)
    assert (error.http_status, error.code, error.param) == (400, code, param)
    assert message in error.user_message
    assert client.v1.coupons.list().data == []


def test_only_name_metadata_and_other_currencies_can_change(client: stripe.StripeClient) -> None:
    made = client.v1.coupons.create({"amount_off": 500, "currency": "usd", "metadata": {"a": "1", "b": "2"}})
    params = {
        "name": "New",
        "metadata": {"a": "", "c": "3"},
        "currency_options": {"gbp": {"amount_off": 400}},
        "expand": ["currency_options"],
    }
    changed = client.v1.coupons.update(made.id, params)
    assert changed.name == "New"
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    assert changed.currency_options["gbp"].amount_off == 400
    for fixed in ("percent_off", "amount_off", "currency", "max_redemptions", "redeem_by", "duration", "id"):
        error = refusal(client.v1.coupons.update, made.id, {fixed: "1"})
        assert error.code == "parameter_unknown"
    error = refusal(client.v1.coupons.update, made.id, {"currency_options": {"usd": {"amount_off": 1}}})
    assert error.param == "currency_options"


def test_a_deleted_coupon_is_gone_and_its_id_free(client: stripe.StripeClient) -> None:
    client.v1.coupons.create({"id": "ONCE", "percent_off": 5})
    deleted = client.v1.coupons.delete("ONCE")
    assert deleted.to_dict() == {"id": "ONCE", "object": "coupon", "deleted": True}
    error = refusal(client.v1.coupons.retrieve, "ONCE")
    assert (error.http_status, error.code, error.param) == (404, "resource_missing", "coupon")
    assert error.user_message == "No such coupon: 'ONCE'"
    assert client.v1.coupons.create({"id": "ONCE", "percent_off": 7}).percent_off == 7


def test_a_coupon_is_unknown_to_another_account() -> None:
    with own_sandbox() as own:
        own.client.v1.coupons.create({"id": "MINE", "percent_off": 5})
        error = refusal(own.client_of("stranger").v1.coupons.retrieve, "MINE")
        assert error.user_message == "No such coupon: 'MINE'"
        assert own.client_of("stranger").v1.coupons.create({"id": "MINE", "percent_off": 6}).percent_off == 6


def test_a_coupon_is_valid_until_it_must_be_redeemed() -> None:
    with own_sandbox() as own:
        coupon = own.client.v1.coupons.create({"percent_off": 5, "redeem_by": int(time.time()) + 100})
        assert coupon.valid
        own.control("POST", "clock/advance", {"seconds": 101})
        assert not own.client.v1.coupons.retrieve(coupon.id).valid
        assert not own.client.v1.coupons.list().data[0].valid


def test_lists_are_newest_first_and_paged(client: stripe.StripeClient) -> None:
    ids = [client.v1.coupons.create({"percent_off": number}).id for number in (1, 2, 3)]
    page = client.v1.coupons.list({"limit": 2})
    assert [coupon.id for coupon in page.data] == [ids[2], ids[1]]
    assert page.has_more
    assert [coupon.id for coupon in page.auto_paging_iter()] == ids[::-1]


def test_a_coupon_is_used_up_by_completed_purchases_only() -> None:
    with own_sandbox() as own:
        coupon = own.client.v1.coupons.create({"percent_off": 50, "max_redemptions": 1})
        code = own.client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
        line: Any = {
            "quantity": 1,
            "price_data": {"currency": "usd", "unit_amount": 1000, "product_data": {"name": "Tea"}},
        }
        params: Any = {"mode": "payment", "success_url": "http://127.0.0.1/", "line_items": [line]}
        by_code = params | {"discounts": [{"promotion_code": code.id}]}
        first, second = (own.client.v1.checkout.sessions.create(by_code) for _ in range(2))
        assert own.client.v1.coupons.retrieve(coupon.id).times_redeemed == 0
        for session in (first, second):
            # An open session keeps its discount: more than one may be redeemed, as at Stripe.
            card = {"card": "4242424242424242"}
            assert own.control("POST", f"sessions/{session.id}/pay", card)[0] == 200
        used = own.client.v1.coupons.retrieve(coupon.id)
        assert (used.times_redeemed, used.valid) == (2, False)
        spent = own.client.v1.promotion_codes.retrieve(code.id)
        assert (spent.times_redeemed, spent.active) == (2, False)
        error = refusal(
            own.client.v1.checkout.sessions.create, params | {"discounts": [{"coupon": coupon.id}]}
        )
        assert (error.http_status, error.code) == (400, "coupon_expired")
