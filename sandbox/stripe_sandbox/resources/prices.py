"""Prices: an amount per unit of a product, in one currency; immutable in money, archived rather than
deleted.

Tiers, customer-chosen amounts, other currencies' options and unit transformation are not in the sandbox:
asking for them is refused. `unit_amount` is in minor units; `unit_amount_decimal` may be finer, up to 12
decimals.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import invalid, missing_object, missing_param
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import products
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, route

if TYPE_CHECKING:
    from stripe_sandbox.box import Box

KIND = "price"
DECIMAL = re.compile(r"\d{1,15}(\.\d{1,12})?")
ABSENT = ("tiers", "tiers_mode", "custom_unit_amount", "currency_options", "transform_quantity")
MOST = 999_999_999_999


def amounts(params: Params, path: str = "") -> tuple[int | None, str]:
    """(`unit_amount`, `unit_amount_decimal`) of the one that is given; the first is null where it isn't
    whole."""

    def named(name: str) -> str:
        return f"{path}[{name}]" if path else name

    whole, fine = params.get("unit_amount"), params.get("unit_amount_decimal")
    if whole is not None and fine is not None:
        both = f"{named('unit_amount')}, {named('unit_amount_decimal')}"
        raise invalid(f"You may only specify one of these parameters: {both}.")
    if whole is None and fine is None:
        name = named("unit_amount")
        raise missing_param(name)
    if whole is not None and not 0 <= whole <= MOST:
        message = f"Invalid non-negative integer: {whole}"
        raise invalid(message, code="parameter_invalid_integer", param=named("unit_amount"))
    if fine is not None and not DECIMAL.fullmatch(fine):
        message = f"Invalid decimal: {fine}; must be a non-negative decimal of at most 12 decimal places"
        raise invalid(message, param=named("unit_amount_decimal"))
    exact = Decimal(fine if fine is not None else whole)  # type: ignore[arg-type]
    text = f"{exact:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return (int(exact) if exact == exact.to_integral_value() else None), text


def new_price(box: Box, account: str, params: Params, path: str = "", *, active: bool = True) -> Obj:
    """Keep a price of checked `params` (with `product`, an id) and make its event."""
    for name in ABSENT:
        if name in params:
            raise invalid(f"The local sandbox doesn't have prices with {name}.", param=name)
    whole, fine = amounts(params, path)
    recurring = params.get("recurring")
    price: Obj = {
        "id": ids.new("price"),
        "object": KIND,
        "active": params.get("active", active),
        "billing_scheme": "per_unit",
        "created": box.clock.now(),
        "currency": params["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": params.get("metadata") or {},
        "nickname": params.get("nickname"),
        "product": params["product"],
        "recurring": recurring and _recurring(recurring),
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": whole,
        "unit_amount_decimal": fine,
    }
    if "lookup_key" in params:
        _take_lookup_key(box, account, price, params)
    return insert_new(box, account, price, "price.created")


def _recurring(given: Params) -> Obj:
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": given.get("meter"),
        "usage_type": given.get("usage_type", "licensed"),
    }


def _take_lookup_key(box: Box, account: str, price: Obj, params: Params) -> None:
    """Give the price its lookup key; from another price only with `transfer_lookup_key`."""
    key = params["lookup_key"]
    for other in box.store.list(account, KIND, where={"lookup_key": key})[0]:
        if other["id"] == price["id"]:
            continue
        if not params.get("transfer_lookup_key"):
            message = f"A price (`{other['id']}`) already uses that lookup key."
            raise invalid(message, param="lookup_key")
        save_changed(box, account, other | {"lookup_key": None}, "price.updated")
    price["lookup_key"] = key


@route("POST", "/v1/prices")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    if params.get("billing_scheme") == "tiered":
        raise invalid("The local sandbox doesn't have tiered prices.", param="billing_scheme")
    if ("product" in params) == ("product_data" in params):
        if "product" in params:
            raise invalid("You may only specify one of these parameters: product, product_data.")
        raise missing_param("product")
    if "product_data" in params:
        params["product"] = products.new_product(box, account, params["product_data"])["id"]
    elif box.store.get(account, products.KIND, params["product"]) is None:
        raise missing_object("product", params["product"], "product", status=400)
    return new_price(box, account, params)


@route("GET", "/v1/prices")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    recurring = params.get("recurring") or {}
    where = {name: params.get(name) for name in ("active", "currency", "product", "type")}
    where |= {f"recurring.{name}": value for name, value in recurring.items()}
    if "lookup_keys" not in params:
        return listing(box, account, KIND, params, call, where=where)
    # A lookup key belongs to one price at most, and at most ten may be asked for: this is always one page.
    if len(params["lookup_keys"]) > 10:
        raise invalid("You can only pass up to 10 lookup keys.", param="lookup_keys")
    found = [
        price
        for key in dict.fromkeys(params["lookup_keys"])
        for price in box.store.list(account, KIND, where=where | {"lookup_key": key})[0]
    ]
    empty = listing(box, account, KIND, {}, call, where={"id": ""})
    return empty | {"data": sorted(found, key=lambda price: -price["created"])}


@route("GET", "/v1/prices/{price}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), param="price")


@route("POST", "/v1/prices/{price}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    price = fetch(box, account, KIND, call.arg(), param="price")
    if "currency_options" in params:
        message = "The local sandbox doesn't have prices with currency_options."
        raise invalid(message, param="currency_options")
    behavior = params.get("tax_behavior", price["tax_behavior"])
    if price["tax_behavior"] not in ("unspecified", behavior):
        raise invalid("The tax_behavior of a price cannot be changed once it is set.", param="tax_behavior")
    price["tax_behavior"] = behavior
    price |= {name: params[name] for name in ("active", "nickname") if name in params}
    if "lookup_key" in params:
        _take_lookup_key(box, account, price, params)
    if "metadata" in params:
        merge_metadata(price, params["metadata"])
    return save_changed(box, account, price, "price.updated")
