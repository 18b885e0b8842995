"""`automatic_tax`: one rate that control sets, which counts as soon as the buyer's country is known."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import line, open_session, order, pay
from sandbox_testing.own import Own
from sandbox_testing.server import CheckedSandbox
from sandbox_testing.shopping import alerts, look, submit, text_of, typed

Client = stripe.StripeClient
TAXED: dict[str, Any] = {"automatic_tax": {"enabled": True}}
HOME = {
    "billingAddressLine1": "1 High St",
    "billingLocality": "Bath",
    "billingPostalCode": "BA1",
    "billingCountry": "GB",
}


def test_the_tax_waits_for_the_country_and_is_seen_before_it_is_paid(client: Client) -> None:
    session = open_session(client, line(2000), **TAXED)
    assert session.automatic_tax.to_dict() == {
        "enabled": True,
        "liability": {"type": "self"},
        "provider": "stripe",
        "status": "requires_location_inputs",
    }
    assert (session.amount_total, session.total_details.amount_tax) == (2000, 0)
    assert "Tax Choose a country to see it" in text_of(look(session.url))
    assert "billingCountry" in alerts(submit(session.url))
    first = submit(session.url, typed(**HOME))
    assert alerts(first) == {"billingCountry": "The total has changed. Look at it, then pay."}
    assert "Tax ( 10% ) $2.00" in text_of(first).replace("(10%)", "( 10% )")
    assert submit(session.url, typed(**HOME)).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["total_details.breakdown"]})
    assert (done.automatic_tax.status, done.amount_total, done.total_details.amount_tax) == (
        "complete",
        2200,
        200,
    )
    [tax] = done.total_details.breakdown.taxes
    assert (tax.taxability_reason, tax.rate.percentage, tax.rate.active) == ("standard_rated", 10, False)
    assert done.customer_details.address.country == "GB"


def test_the_script_has_it_counted_as_soon_as_a_country_is_chosen(client: Client) -> None:
    session = open_session(client, line(2000), **TAXED)
    submit(f"{session.url}/place", {"country": ""})
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 2000
    submit(f"{session.url}/place", {"country": "GB"})
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 2200
    assert submit(session.url, typed(**HOME)).status_code == 303


def test_a_known_customer_is_taxed_at_once(client: Client) -> None:
    customer = client.v1.customers.create({"email": "a@b.example", "address": {"country": "GB"}})
    session = open_session(client, **TAXED, customer=customer.id)
    assert (session.automatic_tax.status, session.amount_total) == ("complete", 1100)


@pytest.mark.parametrize(
    ("currency", "behavior", "total", "tax"),
    [
        ("usd", "unspecified", 1100, 100),
        ("cad", "unspecified", 1100, 100),
        ("eur", "unspecified", 1000, 91),
        ("eur", "exclusive", 1100, 100),
        ("usd", "inclusive", 1000, 91),
    ],
)
def test_it_is_inside_the_price_or_on_top_as_the_price_says(
    client: Client, sandbox: CheckedSandbox, currency: str, behavior: str, total: int, tax: int
) -> None:
    one = line(1000, currency=currency)
    one["price_data"]["tax_behavior"] = behavior
    session = open_session(client, one, **TAXED)
    assert pay(sandbox, session.id)["outcome"] == "paid"
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.amount_total, done.total_details.amount_tax) == (total, tax)


def test_where_goods_are_shipped_their_address_counts_and_shipping_is_not_taxed(
    client: Client, sandbox: CheckedSandbox
) -> None:
    post = {
        "display_name": "Post",
        "type": "fixed_amount",
        "fixed_amount": {"amount": 500, "currency": "usd"},
    }
    session = open_session(
        client,
        **TAXED,
        shipping_address_collection={"allowed_countries": ["US"]},
        shipping_options=[{"shipping_rate_data": post}],
    )
    assert "billingCountry" not in alerts(submit(session.url))
    pay(sandbox, session.id)
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.amount_total, done.total_details.amount_tax, done.shipping_cost.amount_tax) == (1600, 100, 0)


def test_control_sets_the_rate(own: Own) -> None:
    status, _ = own.control("PUT", "settings", {"automatic_tax_rate": 8.875})
    assert status == 200
    params: Any = order(line(10_000), **TAXED)
    session = own.client.v1.checkout.sessions.create(params)
    own.control("POST", f"sessions/{session.id}/pay", {"card": "4242424242424242"})
    done: Any = own.client.v1.checkout.sessions.retrieve(session.id)
    assert (done.amount_total, done.total_details.amount_tax) == (10_888, 888)


def test_rates_of_the_shop_s_own_beside_it_are_refused(client: Client) -> None:
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        open_session(client, line(1000, tax_rates=[rate.id]), **TAXED)
    assert caught.value.param == "line_items[0][tax_rates]"


def test_what_the_page_learnt_reaches_the_customer_where_that_is_wanted(
    client: Client, sandbox: CheckedSandbox
) -> None:
    customer = client.v1.customers.create({"email": "a@b.example"})
    update = {"address": "auto", "name": "never"}
    session = open_session(client, **TAXED, customer=customer.id, customer_update=update)
    pay(sandbox, session.id, name="Ada Byron", address={"country": "GB", "line1": "1 High St"})
    known: Any = client.v1.customers.retrieve(customer.id)
    assert (known.address.country, known.name) == ("GB", None)
    with pytest.raises(stripe.InvalidRequestError, match="only be used with"):
        open_session(client, customer_update=update)
