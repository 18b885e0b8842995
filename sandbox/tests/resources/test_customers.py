"""Customers: kept, changed, unset, deleted to a stub."""

from __future__ import annotations

from typing import Any

import pytest
import stripe


def test_a_customer_is_kept_changed_and_unset(client: stripe.StripeClient) -> None:
    address = {"line1": "Main street 1", "city": "Riga", "country": "LV"}
    made = client.v1.customers.create(
        {
            "email": "ann@example.com",
            "name": "Ann",
            "phone": "+371",
            "address": address,  # type: ignore[typeddict-item]
            "shipping": {"name": "Ann", "address": address},  # type: ignore[typeddict-item]
            "preferred_locales": ["lv", "en"],
            "individual_name": "Ann B",
            "metadata": {"user": "1"},
        }
    )
    assert client.v1.customers.retrieve(made.id).to_dict() == made.to_dict()
    assert (made.balance, made.tax_exempt, made.delinquent) == (0, "none", False)
    assert (made.address.city, made.address.line2) == ("Riga", None)
    assert made.shipping.address.country == "LV"
    assert made.preferred_locales == ["lv", "en"]
    changed = client.v1.customers.update(
        made.id,
        {"name": "Bob", "address": "", "shipping": "", "individual_name": "", "tax_exempt": "reverse"},
    )
    assert (changed.name, changed.address, changed.shipping, changed.tax_exempt) == (
        "Bob",
        None,
        None,
        "reverse",
    )
    assert "individual_name" not in changed
    assert changed.email == "ann@example.com"


def test_invoice_settings_are_merged(client: stripe.StripeClient) -> None:
    made = client.v1.customers.create({"invoice_settings": {"footer": "Thanks"}})
    fields: Any = [{"name": "PO", "value": "7"}]
    changed = client.v1.customers.update(made.id, {"invoice_settings": {"custom_fields": fields}})
    assert changed.invoice_settings.to_dict() == {
        "custom_fields": fields,
        "default_payment_method": None,
        "footer": "Thanks",
        "rendering_options": None,
    }
    with pytest.raises(stripe.InvalidRequestError, match="No such PaymentMethod: 'pm_nope'"):
        client.v1.customers.update(made.id, {"invoice_settings": {"default_payment_method": "pm_nope"}})


def test_customers_are_listed_by_email(client: stripe.StripeClient) -> None:
    ann = client.v1.customers.create({"email": "ann@example.com"}).id
    bob = client.v1.customers.create({"email": "bob@example.com"}).id
    assert [customer.id for customer in client.v1.customers.list().data] == [bob, ann]
    assert [customer.id for customer in client.v1.customers.list({"email": "ann@example.com"}).data] == [ann]


def test_a_deleted_customer_can_still_be_retrieved_as_a_stub(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ann"})
    stub = {"id": customer.id, "object": "customer", "deleted": True}
    assert client.v1.customers.delete(customer.id).to_dict() == stub
    assert client.v1.customers.retrieve(customer.id).to_dict() == stub
    assert client.v1.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.update(customer.id, {"name": "Bob"})


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"email": "nonsense"}, "email", "Invalid email address: nonsense"),
        ({"phone": "1" * 21}, "phone", "at most 20 characters"),
        ({"tax_exempt": "always"}, "tax_exempt", "must be one of"),
        ({"source": "tok_visa"}, "source", "local sandbox"),
        ({"metadata": {"x" * 41: "y"}}, "metadata", "up to 40 characters"),
    ],
)
def test_bad_customers_are_refused(
    client: stripe.StripeClient, params: Any, param: str, message: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create(params)
    assert caught.value.param == param
    assert message in caught.value.user_message
    assert client.v1.customers.list().data == []


def test_what_a_customer_or_a_product_never_has_here_is_an_empty_list(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ann"}).id
    product = client.v1.products.create({"name": "Tea"}).id
    assert client.v1.customers.payment_sources.list(customer).data == []
    assert client.v1.customers.tax_ids.list(customer).data == []
    assert client.v1.customers.balance_transactions.list(customer).data == []
    assert client.v1.products.features.list(product).data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.tax_ids.list("cus_nobody")
