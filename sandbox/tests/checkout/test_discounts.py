"""Discounts and taxes of a session as its lines and its breakdown tell them."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import line, open_session, order, pay
from sandbox_testing.own import own_sandbox
from sandbox_testing.server import CheckedSandbox

BOTH = ["line_items.data.taxes", "line_items.data.discounts", "total_details.breakdown"]


def rate(client: stripe.StripeClient, percentage: float, *, inclusive: bool = False) -> str:
    made = client.v1.tax_rates.create(
        {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive}
    )
    return made.id


def refused(client: stripe.StripeClient, *lines: dict[str, Any], **more: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create(order(*lines, **more))  # type: ignore[arg-type]
    return caught.value


def test_an_amount_off_is_shared_and_tax_follows_it(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"amount_off": 500, "currency": "usd", "name": "Five off"})
    tax = [rate(client, 5)]
    lines = [line(1000, tax_rates=tax), line(2000, tax_rates=tax)]
    session = open_session(client, *lines, discounts=[{"coupon": coupon.id}], expand=BOTH)
    items = session.line_items.data
    assert [item.amount_discount for item in items] == [166, 334]
    assert [item.amount_tax for item in items] == [42, 83]
    assert [item.amount_total for item in items] == [876, 1749]
    assert (session.amount_subtotal, session.amount_total) == (3000, 2625)
    assert session.total_details.amount_discount == 500
    assert session.total_details.amount_tax == 125
    [discount] = session.total_details.breakdown.discounts
    [tax_entry] = session.total_details.breakdown.taxes
    assert (discount.amount, discount.discount.source.coupon) == (500, coupon.id)
    assert (tax_entry.amount, tax_entry.rate.id) == (125, tax[0])
    assert [entry.amount for entry in items[0].taxes] == [42]
    assert [entry.amount for entry in items[0].discounts] == [166]
    assert session.discounts[0].coupon == coupon.id


def test_an_inclusive_rate_does_not_change_the_total(client: stripe.StripeClient) -> None:
    session = open_session(client, line(999, tax_rates=[rate(client, 7, inclusive=True)]))
    assert (session.amount_subtotal, session.amount_total, session.total_details.amount_tax) == (999, 999, 65)


def test_several_rates_on_a_line_are_told_apart(client: stripe.StripeClient) -> None:
    first, second = rate(client, 5), rate(client, 7.5)
    session = open_session(
        client, line(1050, tax_rates=[first, second]), line(1050, tax_rates=[first]), expand=BOTH
    )
    sums = {entry.rate.id: entry.amount for entry in session.total_details.breakdown.taxes}
    assert sums == {first: 53 + 53, second: 79}
    assert session.amount_total == 2100 + 106 + 79


def test_a_full_discount_makes_a_no_cost_order(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    coupon = client.v1.coupons.create({"percent_off": 100})
    session = open_session(client, line(500), line(500), discounts=[{"coupon": coupon.id}], expand=BOTH)
    assert [item.amount_discount for item in session.line_items.data] == [500, 500]
    assert session.amount_total == 0
    pay(sandbox, session.id, email="ann@shop.example")
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status, done.payment_intent) == ("complete", "paid", None)
    assert client.v1.charges.list().data == []
    assert isinstance(done.customer, str)
    assert client.v1.customers.retrieve(done.customer).email == "ann@shop.example"


def test_a_discount_is_never_more_than_the_lines(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"amount_off": 20_000, "currency": "usd"})
    session = open_session(client, line(10_000), discounts=[{"coupon": coupon.id}])
    assert (session.total_details.amount_discount, session.amount_total) == (10_000, 0)


def test_a_discount_must_not_leave_less_than_the_minimum(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"amount_off": 960, "currency": "usd"})
    assert refused(client, line(1000), discounts=[{"coupon": coupon.id}]).code == "amount_too_small"


def test_one_discount_is_the_most(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10})
    assert refused(client, discounts=[{"coupon": coupon.id}, {"coupon": coupon.id}]).param == "discounts"


def test_discounts_and_a_field_for_codes_exclude_each_other(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10})
    error = refused(client, discounts=[{"coupon": coupon.id}], allow_promotion_codes=True)
    assert (
        error.user_message
        == "You may only specify one of these parameters: allow_promotion_codes, discounts."
    )


def test_an_amount_off_needs_the_currency_of_the_lines(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"amount_off": 500, "currency": "usd"})
    code = client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    error = refused(client, line(1000, currency="eur"), discounts=[{"promotion_code": code.id}])
    assert error.user_message == (
        "The promotion code default currency (usd) does not match the line item currency (eur)."
    )
    other = client.v1.coupons.create(
        {"amount_off": 500, "currency": "usd", "currency_options": {"eur": {"amount_off": 400}}}
    )
    session = open_session(client, line(1000, currency="eur"), discounts=[{"coupon": other.id}])
    assert session.amount_total == 600


@pytest.mark.parametrize(("kind", "id"), [("coupon", "NOPE"), ("promotion_code", "promo_nope")])
def test_an_unknown_discount_is_named(client: stripe.StripeClient, kind: str, id: str) -> None:
    error = refused(client, discounts=[{kind: id}])
    assert (error.code, error.param) == ("resource_missing", f"discounts[0][{kind}]")
    assert error.user_message == f"No such {kind.replace('_', ' ')}: '{id}'"


def test_a_coupon_for_some_products_leaves_the_others_alone(client: stripe.StripeClient) -> None:
    cup, pot = (client.v1.products.create({"name": name}) for name in ("Cup", "Pot"))
    coupon = client.v1.coupons.create({"percent_off": 50, "applies_to": {"products": [cup.id]}})
    lines = []
    for product in (cup, pot):
        price = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1000})
        lines.append({"price": price.id, "quantity": 1})
    session = open_session(client, *lines, discounts=[{"coupon": coupon.id}], expand=["line_items"])
    assert [item.amount_discount for item in session.line_items.data] == [500, 0]
    error = refused(client, lines[1], discounts=[{"coupon": coupon.id}])
    assert error.code == "coupon_applies_to_nothing"


def test_redemptions_are_counted_when_a_session_is_paid(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10, "max_redemptions": 1})
    code = client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
    session = open_session(client, discounts=[{"promotion_code": code.id}])
    assert client.v1.coupons.retrieve(coupon.id).times_redeemed == 0
    pay(sandbox, session.id)
    assert client.v1.coupons.retrieve(coupon.id).times_redeemed == 1
    assert client.v1.promotion_codes.retrieve(code.id).times_redeemed == 1
    assert refused(client, discounts=[{"coupon": coupon.id}]).http_status == 400


def test_a_deleted_coupon_still_holds_where_it_was_used(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10})
    session = open_session(client, discounts=[{"coupon": coupon.id}])
    client.v1.coupons.delete(coupon.id)
    pay(sandbox, session.id)
    assert client.v1.charges.list().data[0].amount == 900
    assert refused(client, discounts=[{"coupon": coupon.id}]).user_message == f"No such coupon: '{coupon.id}'"


def test_a_promotion_code_can_ask_for_a_minimum(client: stripe.StripeClient) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10})
    code = client.v1.promotion_codes.create(
        {
            "promotion": {"type": "coupon", "coupon": coupon.id},
            "restrictions": {"minimum_amount": 2000, "minimum_amount_currency": "usd"},
        }
    )
    assert "minimum" in str(refused(client, line(1999), discounts=[{"promotion_code": code.id}]).user_message)
    assert open_session(client, line(2000), discounts=[{"promotion_code": code.id}]).amount_total == 1800


@pytest.mark.parametrize(
    ("rounding", "taxes"), [("half_up", [23, 23]), ("half_even", [22, 22]), ("total", [23, 22])]
)
def test_another_rounding_can_be_switched_on(rounding: str, taxes: list[int]) -> None:
    with own_sandbox() as own:
        own.faults(rounding=rounding)
        lines = [line(450, tax_rates=[rate(own.client, 5)])] * 2
        session = open_session(own.client, *lines, expand=["line_items"])
        assert [item.amount_tax for item in session.line_items.data] == taxes
        assert session.amount_total == 900 + sum(taxes)
