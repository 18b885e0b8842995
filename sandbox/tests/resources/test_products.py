"""Products and prices: what may be sold, at what, and what of it can change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import stripe


@pytest.fixture
def product(client: stripe.StripeClient) -> stripe.Product:
    return client.v1.products.create({"name": "Tea"})


def test_a_product_is_kept_changed_and_unset(client: stripe.StripeClient) -> None:
    made = client.v1.products.create(
        {
            "name": "Tea",
            "description": "Green",
            "images": ["https://shop/tea.png"],
            "marketing_features": [{"name": "Organic"}],
            "package_dimensions": {"height": 1, "length": 2.5, "weight": 3, "width": 4},
            "shippable": True,
            "url": "https://shop/tea",
            "metadata": {"item": "1"},
        }
    )
    assert client.v1.products.retrieve(made.id).to_dict() == made.to_dict()
    assert (made.active, made.default_price, made.package_dimensions.length) == (True, None, 2.5)
    changed = client.v1.products.update(
        made.id, {"name": "Black tea", "description": "", "images": "", "active": False, "metadata": ""}
    )
    assert (changed.name, changed.description, changed.images, changed.active) == (
        "Black tea",
        None,
        [],
        False,
    )
    assert changed.metadata.to_dict() == {}
    assert changed.url == "https://shop/tea"


def test_a_product_may_come_with_its_price(client: stripe.StripeClient) -> None:
    product = client.v1.products.create(
        {
            "name": "Tea",
            "default_price_data": {"currency": "jpy", "unit_amount": 500},
            "expand": ["default_price"],
        }
    )
    assert (product.default_price.unit_amount, product.default_price.currency) == (500, "jpy")
    assert product.default_price.product == product.id


def test_own_product_ids_are_unique(client: stripe.StripeClient) -> None:
    client.v1.products.create({"id": "tea", "name": "Tea"})
    with pytest.raises(stripe.InvalidRequestError, match="Product already exists") as caught:
        client.v1.products.create({"id": "tea", "name": "Tea"})
    assert caught.value.code == "resource_already_exists"


def test_more_than_eight_images_are_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="up to 8 images"):
        client.v1.products.create({"name": "Tea", "images": ["https://shop/tea.png"] * 9})


def test_products_are_listed_by_ids_and_activity(client: stripe.StripeClient) -> None:
    ids = [client.v1.products.create({"name": name, "active": name != "b"}).id for name in "abc"]
    listed = client.v1.products.list
    assert [product.id for product in listed().data] == ids[::-1]
    assert {product.id for product in listed({"ids": [ids[0], ids[2], "prod_nope"]}).data} == {ids[0], ids[2]}
    assert [product.id for product in listed({"active": False}).data] == [ids[1]]


def test_a_product_with_prices_cannot_be_deleted(
    client: stripe.StripeClient, product: stripe.Product
) -> None:
    client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 100})
    with pytest.raises(stripe.InvalidRequestError, match="one or more user-created prices"):
        client.v1.products.delete(product.id)
    lone = client.v1.products.create({"name": "Lone"})
    deleted = client.v1.products.delete(lone.id)
    assert deleted.to_dict() == {"id": lone.id, "object": "product", "deleted": True}
    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        client.v1.products.retrieve(lone.id)


def test_a_default_price_must_be_the_products_own(
    client: stripe.StripeClient, product: stripe.Product
) -> None:
    own = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 100})
    other = client.v1.prices.create({"product_data": {"name": "Milk"}, "currency": "usd", "unit_amount": 100})
    assert client.v1.products.update(product.id, {"default_price": own.id}).default_price == own.id
    with pytest.raises(stripe.InvalidRequestError, match="No such price"):
        client.v1.products.update(product.id, {"default_price": other.id})


def test_a_price_is_whole_or_finer_than_a_minor_unit(
    client: stripe.StripeClient, product: stripe.Product
) -> None:
    def price(**amount: Any) -> stripe.Price:
        return client.v1.prices.create({"product": product.id, "currency": "EUR", **amount})

    whole = price(unit_amount=1000, nickname="n", tax_behavior="inclusive")
    assert (whole.unit_amount, whole.unit_amount_decimal) == (1000, Decimal(1000))
    assert (whole.currency, whole.type, whole.recurring, whole.billing_scheme) == (
        "eur",
        "one_time",
        None,
        "per_unit",
    )
    fine = price(unit_amount_decimal="0.000000000005")
    assert (fine.unit_amount, fine.unit_amount_decimal) == (None, Decimal("0.000000000005"))
    exact = price(unit_amount_decimal="12.00")
    assert (exact.unit_amount, exact.unit_amount_decimal) == (12, Decimal(12))
    assert price(unit_amount=0).unit_amount == 0
    assert client.v1.prices.retrieve(whole.id).to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    ("params", "param", "message"),
    [
        ({"unit_amount": None}, "unit_amount", "Missing required param: unit_amount."),
        ({"unit_amount": -1}, "unit_amount", "Invalid non-negative integer"),
        ({"unit_amount": "1.5"}, "unit_amount", "Invalid integer: 1.5"),
        ({"unit_amount_decimal": "1"}, None, "You may only specify one of these parameters"),
        (
            {"unit_amount": None, "unit_amount_decimal": "0.1234567890123"},
            "unit_amount_decimal",
            "12 decimal places",
        ),
        ({"currency": None}, "currency", "Missing required param: currency."),
        ({"product": None}, "product", "Missing required param: product."),
        ({"product": "prod_nope"}, "product", "No such product: 'prod_nope'"),
        ({"product_data": {"name": "x"}}, None, "You may only specify one of these parameters"),
        ({"billing_scheme": "tiered"}, "billing_scheme", "local sandbox"),
        ({"custom_unit_amount": {"enabled": True}}, "custom_unit_amount", "local sandbox"),
    ],
)
def test_bad_prices_are_refused(
    client: stripe.StripeClient, product: stripe.Product, params: Any, param: str | None, message: str
) -> None:
    whole = {"product": product.id, "currency": "usd", "unit_amount": 100, **params}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.create({name: value for name, value in whole.items() if value is not None})  # type: ignore[arg-type]
    assert caught.value.param == param
    assert message in caught.value.user_message
    assert client.v1.prices.list().data == []


def test_a_prices_money_cannot_change(client: stripe.StripeClient, product: stripe.Product) -> None:
    price = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 100})
    changed = client.v1.prices.update(
        price.id, {"active": False, "nickname": "old", "tax_behavior": "exclusive", "metadata": {"a": "b"}}
    )
    assert (changed.active, changed.nickname, changed.tax_behavior) == (False, "old", "exclusive")
    for fixed in ({"unit_amount": 5}, {"currency": "eur"}, {"product": "prod_x"}):
        with pytest.raises(stripe.InvalidRequestError, match="Received unknown parameter"):
            client.v1.prices.update(price.id, fixed)  # type: ignore[arg-type]
    with pytest.raises(stripe.InvalidRequestError, match="tax_behavior"):
        client.v1.prices.update(price.id, {"tax_behavior": "inclusive"})


def test_a_lookup_key_belongs_to_one_price(client: stripe.StripeClient, product: stripe.Product) -> None:
    params: Any = {"product": product.id, "currency": "usd", "unit_amount": 100, "lookup_key": "tea"}
    first = client.v1.prices.create(params)
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        client.v1.prices.create(params)
    second = client.v1.prices.create(params | {"transfer_lookup_key": True})
    assert client.v1.prices.retrieve(first.id).lookup_key is None
    assert [price.id for price in client.v1.prices.list({"lookup_keys": ["tea", "none"]}).data] == [second.id]


def test_prices_are_listed_by_product_currency_and_type(
    client: stripe.StripeClient, product: stripe.Product
) -> None:
    once = client.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1}).id
    monthly = client.v1.prices.create(
        {
            "product_data": {"name": "Box"},
            "currency": "eur",
            "unit_amount": 1,
            "recurring": {"interval": "month"},
        }
    )
    assert monthly.recurring.interval_count == 1

    def listed(**params: Any) -> list[str]:
        return [price.id for price in client.v1.prices.list(params).data]

    assert listed(product=product.id) == listed(currency="usd") == listed(type="one_time") == [once]
    assert listed(recurring={"interval": "month"}) == listed(type="recurring") == [monthly.id]
    assert listed(active=False) == []
