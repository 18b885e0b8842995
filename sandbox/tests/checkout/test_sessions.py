"""Checkout Sessions: what a new one says, and what Stripe would not make."""

import time
from typing import Any

import pytest
import stripe

from sandbox_testing.orders import event_types, line, open_session, order
from sandbox_testing.server import CheckedSandbox


def refused(client: stripe.StripeClient, *lines: dict[str, Any], **more: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        open_session(client, *lines, **more)
    return caught.value


def test_a_new_session_is_open_unpaid_and_has_an_address(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(
        client, line(1500, quantity=2), client_reference_id="order-7", metadata={"order": "7"}
    )
    assert session.id.startswith("cs_test_")
    assert (session.status, session.payment_status, session.payment_intent) == ("open", "unpaid", None)
    assert session.url == f"{sandbox.url}/c/pay/{session.id}"
    assert (session.amount_subtotal, session.amount_total, session.currency) == (3000, 3000, "usd")
    assert session.success_url == "https://shop.example/paid?session={CHECKOUT_SESSION_ID}"
    assert (session.client_reference_id, session.metadata.order) == ("order-7", "7")
    assert session.expires_at - session.created == 24 * 3600
    assert session.livemode is False
    assert (session.mode, session.ui_mode, session.customer_creation) == (
        "payment",
        "hosted_page",
        "if_required",
    )


def test_line_items_and_the_breakdown_are_there_only_when_asked_for(client: stripe.StripeClient) -> None:
    session = open_session(client)
    assert "line_items" not in session
    assert "breakdown" not in session.total_details
    found: Any = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["line_items", "total_details.breakdown"]}
    )
    assert [item.description for item in found.line_items.data] == ["Tea"]
    assert found.total_details.breakdown.to_dict() == {"discounts": [], "taxes": []}


def test_inline_prices_leave_inactive_objects_behind(client: stripe.StripeClient) -> None:
    open_session(client, line(700, name="Oolong"))
    [product] = client.v1.products.list().data
    [price] = client.v1.prices.list().data
    assert (product.name, product.active) == ("Oolong", False)
    assert (price.unit_amount, price.active, price.product) == (700, False, product.id)


def test_prices_of_the_catalogue_can_be_bought(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Cup"})
    price = client.v1.prices.create({"product": product.id, "currency": "eur", "unit_amount": 1250})
    session = open_session(client, {"price": price.id, "quantity": 3})
    assert (session.amount_total, session.currency) == (3750, "eur")


def test_a_decimal_unit_amount_is_multiplied_before_it_is_rounded(client: stripe.StripeClient) -> None:
    item = line(0, quantity=1000)
    del item["price_data"]["unit_amount"]
    item["price_data"]["unit_amount_decimal"] = "0.25"
    assert open_session(client, item).amount_total == 250
    item["quantity"] = 250
    assert open_session(client, item).amount_total == 63  # 62.5


def test_a_session_is_made_without_an_event_of_its_own(client: stripe.StripeClient) -> None:
    open_session(client)
    assert event_types(client) == ["product.created", "price.created"]


def test_a_hosted_session_needs_a_success_url(client: stripe.StripeClient) -> None:
    params = order()
    del params["success_url"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create(params)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "success_url")


@pytest.mark.parametrize(
    "url", ["shop.example/paid", "javascript:alert(1)", "/paid", "https://", "http://a b/"]
)
def test_an_address_must_be_one(client: stripe.StripeClient, url: str) -> None:
    error = refused(client, success_url=url)
    assert (error.code, error.param, error.user_message) == ("url_invalid", "success_url", "Not a valid URL")


def test_there_must_be_something_to_buy(client: stripe.StripeClient) -> None:
    params = order()
    del params["line_items"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.create(params)  # type: ignore[arg-type]
    assert caught.value.param == "line_items"


def test_a_hundred_lines_are_the_most(client: stripe.StripeClient) -> None:
    assert open_session(client, *[line(100) for _ in range(100)]).amount_total == 10_000
    assert refused(client, *[line(100) for _ in range(101)]).param == "line_items"


def test_all_lines_share_one_currency(client: stripe.StripeClient) -> None:
    assert refused(client, line(1000), line(1000, currency="eur")).param == "line_items[1]"
    assert refused(client, line(1000), currency="eur").param == "currency"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"quantity": 1}, "line_items[0][price]"),
        ({"price_data": line(1)["price_data"]}, "line_items[0][quantity]"),
        (line(1000, quantity=0), "line_items[0][quantity]"),
        (line(-1), "line_items[0][price_data][unit_amount]"),
        ({"price": "price_nope", "quantity": 1}, "line_items[0][price]"),
        (line(1000, tax_rates=["txr_nope"]), "line_items[0][tax_rates][0]"),
        (
            {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 100}},
            "line_items[0][price_data][product_data]",
        ),
        (
            {"quantity": 1, "price_data": {"currency": "usd", "product_data": {"name": "Tea"}}},
            "line_items[0][price_data][unit_amount]",
        ),
    ],
)
def test_a_line_that_cannot_be_is_refused(
    client: stripe.StripeClient, item: dict[str, Any], param: str
) -> None:
    assert refused(client, item).param == param


def test_an_archived_price_and_tax_rate_cannot_be_used(client: stripe.StripeClient) -> None:
    product = client.v1.products.create({"name": "Cup"})
    price = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1250})
    client.v1.prices.update(price.id, {"active": False})
    assert "inactive" in str(refused(client, {"price": price.id, "quantity": 1}).user_message)
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False})
    client.v1.tax_rates.update(rate.id, {"active": False})
    assert "archived" in str(refused(client, line(1000, tax_rates=[rate.id])).user_message)


@pytest.mark.parametrize(
    ("currency", "least", "said"),
    [
        ("usd", 50, "$0.50 USD"),
        ("gbp", 30, "£0.30 GBP"),
        ("jpy", 50, "¥50 JPY"),
        ("huf", 17500, "175.00 HUF"),
    ],
)
def test_the_total_must_reach_the_currency_s_minimum(
    client: stripe.StripeClient, currency: str, least: int, said: str
) -> None:
    error = refused(client, line(least - 1, currency=currency))
    assert error.code == "amount_too_small"
    assert error.user_message == f"The Checkout Session's total amount due must add up to at least {said}"
    assert open_session(client, line(least, currency=currency)).amount_total == least


@pytest.mark.parametrize(
    ("currency", "most", "said"),
    [
        ("usd", 99_999_999, "$999,999.99 USD"),
        ("idr", 999_999_999_999, "9,999,999,999.99 IDR"),
        ("cop", 9_999_999_999, "99,999,999.99 COP"),
        ("inr", 999_999_999, "9,999,999.99 INR"),
        ("jpy", 9_999_999_999, "¥9,999,999,999 JPY"),
    ],
)
def test_a_total_can_be_too_large_for_its_currency(
    client: stripe.StripeClient, currency: str, most: int, said: str
) -> None:
    assert open_session(client, line(most, currency=currency)).amount_total == most
    half = most // 2 + 1
    error = refused(client, line(half, currency=currency, quantity=2))
    assert error.code == "amount_too_large"
    assert error.user_message == f"The Checkout Session's total amount due must add up to no more than {said}"


@pytest.mark.parametrize(("currency", "amount"), [("isk", 550), ("ugx", 150_001), ("kwd", 5124)])
def test_special_currencies_take_no_odd_amounts(
    client: stripe.StripeClient, currency: str, amount: int
) -> None:
    assert refused(client, line(amount, currency=currency)).param == "line_items[0][price_data][unit_amount]"


@pytest.mark.parametrize("seconds", [29 * 60, 24 * 3600 + 60, -3600])
def test_a_session_ends_30_minutes_to_24_hours_from_now(client: stripe.StripeClient, seconds: int) -> None:
    assert refused(client, expires_at=int(time.time()) + seconds).param == "expires_at"


def test_the_end_can_be_chosen(client: stripe.StripeClient) -> None:
    end = int(time.time()) + 31 * 60
    assert open_session(client, expires_at=end).expires_at == end


def test_customer_and_customer_email_exclude_each_other(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"email": "ann@shop.example"})
    error = refused(client, customer=customer.id, customer_email="ann@shop.example")
    assert error.user_message == "You may only specify one of these parameters: customer, customer_email."
    assert open_session(client, customer=customer.id).customer == customer.id
    assert refused(client, customer="cus_nope").code == "resource_missing"


def test_a_known_email_is_shown_at_once(client: stripe.StripeClient) -> None:
    session = open_session(client, customer_email="ann@shop.example")
    assert session.customer_email == session.customer_details.email == "ann@shop.example"
    assert refused(client, customer_email="ann").param == "customer_email"


@pytest.mark.parametrize(
    "wanted",
    [
        {"automatic_tax": {"enabled": True, "liability": {"type": "account", "account": "acct_1"}}},
        {"ui_mode": "elements"},
        {"mode": "subscription"},
        {"name_collection": {"business": {"enabled": True}}},
        {"invoice_creation": {"enabled": True}},
        {"after_expiration": {"recovery": {"enabled": True}}},
    ],
)
def test_what_the_sandbox_does_not_have_is_refused_and_not_ignored(
    client: stripe.StripeClient, wanted: dict[str, Any]
) -> None:
    assert refused(client, **wanted).code == "sandbox_not_supported"


def test_what_is_switched_off_explicitly_is_fine(client: stripe.StripeClient) -> None:
    session = open_session(
        client,
        automatic_tax={"enabled": False},
        adaptive_pricing={"enabled": False},
        allowed_payment_method_types=["card"],
        invoice_creation={"enabled": False},
        locale="de",
        submit_type="book",
    )
    assert session.automatic_tax.enabled is False
    assert session.adaptive_pricing.enabled is False
    assert (session.locale, session.submit_type) == ("de", "book")


def test_filters_that_leave_no_payment_method_are_refused(client: stripe.StripeClient) -> None:
    assert refused(client, allowed_payment_method_types=["klarna"]).param == "allowed_payment_method_types"
    assert refused(client, excluded_payment_method_types=["card"]).param == "excluded_payment_method_types"


def test_only_the_metadata_of_a_hosted_session_can_be_changed(client: stripe.StripeClient) -> None:
    session = open_session(client)
    changed = client.v1.checkout.sessions.update(session.id, {"metadata": {"a": "1"}})
    assert changed.metadata is not None
    assert changed.metadata.a == "1"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.update(session.id, {"shipping_options": ""})
    assert caught.value.code == "sandbox_not_supported"


def test_an_unknown_session_is_a_404(client: stripe.StripeClient) -> None:
    sessions = client.v1.checkout.sessions
    for ask in (sessions.retrieve, sessions.expire, sessions.line_items.list):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            ask("cs_test_nope")  # type: ignore[operator]
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
