"""How products and prices are made: either can be asked for with the other, and Checkout asks for both.

`unit_amount` is in minor units; `unit_amount_decimal` may be finer, up to 12 decimals.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import invalid, missing_param
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.server.routes import Params, merge_metadata, new_metadata

PRODUCT = "product"
MOST_IMAGES = 8
PRICE = "price"
DECIMAL = re.compile(r"\d{1,15}(\.\d{1,12})?")
ABSENT = ("tiers", "tiers_mode", "custom_unit_amount", "currency_options", "transform_quantity")
MOST = 999_999_999_999
# Those that can be unset become null or an empty list.
EDITABLE: dict[str, Any] = {
    "active": True,
    "description": None,
    "images": [],
    "marketing_features": [],
    "name": None,
    "package_dimensions": None,
    "shippable": None,
    "statement_descriptor": None,
    "tax_code": None,
    "unit_label": None,
    "url": None,
}


def new_product(box: Box, account: str, params: Params, *, active: bool = True) -> Obj:
    """Keep a product of checked `params` (`name`; maybe EDITABLE, `id`, `metadata`), make its event."""
    now = box.clock.now()
    id = params.get("id") or ids.new("prod")
    if box.store.get(account, PRODUCT, id) is not None:
        raise invalid("Product already exists.", code="resource_already_exists", param="id")
    product: Obj = {
        "id": id,
        "object": PRODUCT,
        "created": now,
        "default_price": None,
        "livemode": False,
        "metadata": {},
        "updated": now,
        **{name: params.get(name, default) for name, default in EDITABLE.items()},
    }
    product["active"] = params.get("active", active)
    merge_metadata(product, params.get("metadata"))
    return insert_new(box, account, product, "product.created")


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
        "object": PRICE,
        "active": params.get("active", active),
        "billing_scheme": "per_unit",
        "created": box.clock.now(),
        "currency": params["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": new_metadata(params),
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
        take_lookup_key(box, account, price, params)
    return insert_new(box, account, price, "price.created")


def _recurring(given: Params) -> Obj:
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count", 1),
        "meter": given.get("meter"),
        "usage_type": given.get("usage_type", "licensed"),
    }


def take_lookup_key(box: Box, account: str, price: Obj, params: Params) -> None:
    """Give the price its lookup key; from another price only with `transfer_lookup_key`."""
    key = params["lookup_key"]
    for other in box.store.list(account, PRICE, where={"lookup_key": key})[0]:
        if other["id"] == price["id"]:
            continue
        if not params.get("transfer_lookup_key"):
            message = f"A price (`{other['id']}`) already uses that lookup key."
            raise invalid(message, param="lookup_key")
        save_changed(box, account, other | {"lookup_key": None}, "price.updated")
    price["lookup_key"] = key
