"""`expand[]`: everything that the spec calls expandable or includable, four levels deep."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from sandbox_testing import spec
from sandbox_testing.orders import line, open_session, pay
from sandbox_testing.server import CheckedSandbox
from stripe_sandbox.server import expand


def test_expand_opens_ids_up_to_four_levels(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    session = open_session(client)
    pay(sandbox, session.id)
    found: Any = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge.balance_transaction"]}
    )
    assert found.payment_intent.latest_charge.balance_transaction.amount == 1000
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        client.v1.checkout.sessions.retrieve(
            session.id, {"expand": ["payment_intent.latest_charge.balance_transaction.source.refunds"]}
        )


def test_expand_in_lists_begins_with_data(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    pay(sandbox, open_session(client).id)
    found: Any = client.v1.charges.list({"expand": ["data.payment_intent", "data.refunds"]})
    assert found.data[0].payment_intent.amount == 1000
    assert found.data[0].refunds.data == []
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.charges.list({"expand": ["payment_intent"]})


def test_expanding_nothing_is_no_error(client: stripe.StripeClient) -> None:
    session: Any = open_session(client, expand=["payment_intent", "customer"])
    assert session.payment_intent is None


def test_a_list_says_that_data_comes_first(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.charges.list({"expand": ["payment_intent.customer"]})
    assert caught.value.user_message == (
        "This property cannot be expanded (payment_intent). You may want to try expanding "
        "'data.payment_intent' instead."
    )


def test_the_path_is_named_up_to_what_cannot_be_opened(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"customer": "cus_1"}})
    for path, named in (
        ("invalid.deep.path", "invalid"),
        ("invoice_settings.bogus", "invoice_settings.bogus"),
        ("invoice_settings.bogus.deeper", "invoice_settings.bogus"),
        ("metadata.customer", "metadata"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.customers.retrieve(customer.id, {"expand": [path]})
        assert caught.value.user_message == f"This property cannot be expanded ({named})."


def test_what_is_there_as_an_object_already_may_be_asked_for(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create(
        {"address": {"city": "Bath"}, "expand": ["address", "invoice_settings"]}
    )
    assert made.address is not None
    assert made.address.city == "Bath"


@pytest.mark.parametrize(
    "path", ["amount_total", "nonsense", "metadata", "line_items.nonsense", "charge", "review"]
)
def test_what_is_no_object_cannot_be_expanded(client: stripe.StripeClient, path: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        open_session(client, expand=[path])
    assert caught.value.user_message == f"This property cannot be expanded ({path})."
    assert client.v1.checkout.sessions.list().data == []


def test_products_of_lines_can_be_expanded(client: stripe.StripeClient) -> None:
    session = open_session(client, line(1000, name="Oolong"), expand=["line_items.data.price.product"])
    assert session.line_items.data[0].price.product.name == "Oolong"
    assert session.line_items.data[0].price.product.active is False


@pytest.mark.parametrize(
    "name",
    [
        "sources",
        "subscriptions",
        "tax_ids",
        "tax",
        "invoice_credit_balance",
        "cash_balance",
        "default_source",
    ],
)
def test_what_a_customer_shows_only_when_asked_can_be_asked_for(
    client: stripe.StripeClient, name: str
) -> None:
    made = client.v1.customers.create({"name": "Ann", "expand": [name]})
    listed = client.v1.customers.list(
        {"expand": [f"data.{name}", "data.invoice_settings.default_payment_method"]}
    )
    assert (name in made) == (name != "cash_balance")
    assert listed.data[0].to_dict() == made.to_dict()


def test_the_tiers_and_products_of_prices_can_be_asked_for(client: stripe.StripeClient) -> None:
    product = client.v1.products.create(
        {"name": "Tea", "default_price_data": {"currency": "usd", "unit_amount": 500}}
    )
    listed: Any = client.v1.prices.list({"expand": ["data.tiers", "data.product", "data.currency_options"]})
    assert listed.data[0].product.id == product.id
    deep: Any = client.v1.prices.list({"expand": ["data.product.default_price.product"]})
    assert deep.data[0].product.default_price.product.name == "Tea"


def references(node: Any) -> Iterator[str]:
    """The names of all fields of the spec's answers that hold an id or the object of that id."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    if not isinstance(node, dict):
        return
    for name, child in node.get("properties", {}).items():
        options = [*child.get("anyOf", []), *child.get("items", {}).get("anyOf", [])]
        text = any(option.get("type") == "string" for option in options)
        if text and any("$ref" in option or "x-omitted" in option for option in options):
            yield name
    for child in node.values():
        yield from references(child)


def test_every_field_that_the_spec_calls_expandable_is_known() -> None:
    named = set(references(spec.spec()["components"]["schemas"]))
    assert len(named) > 40
    assert named - {"source"} <= expand.REFERENCES.keys() | expand.EMPTY
