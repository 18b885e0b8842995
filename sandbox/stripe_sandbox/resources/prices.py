"""Prices: an amount per unit of a product, in one currency; immutable in money, archived rather than
deleted.

Tiers, customer-chosen amounts, other currencies' options and unit transformation are not in the sandbox:
asking for them is refused. `unit_amount` is in minor units; `unit_amount_decimal` may be finer, up to 12
decimals.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core.errors import invalid, missing_object, missing_param
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.events import save_changed
from stripe_sandbox.resources.goods import PRICE, PRODUCT, new_price, new_product, take_lookup_key
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, route


@route("POST", "/v1/prices")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    if params.get("billing_scheme") == "tiered":
        raise invalid("The local sandbox doesn't have tiered prices.", param="billing_scheme")
    if ("product" in params) == ("product_data" in params):
        if "product" in params:
            raise invalid("You may only specify one of these parameters: product, product_data.")
        raise missing_param("product")
    if "product_data" in params:
        params["product"] = new_product(box, account, params["product_data"])["id"]
    elif box.store.get(account, PRODUCT, params["product"]) is None:
        raise missing_object("product", params["product"], "product", status=400)
    return new_price(box, account, params)


@route("GET", "/v1/prices")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    recurring = params.get("recurring") or {}
    where = {name: params.get(name) for name in ("active", "currency", "product", "type")}
    where |= {f"recurring.{name}": value for name, value in recurring.items()}
    if "lookup_keys" not in params:
        return listing(box, account, PRICE, params, call, where=where)
    # A lookup key belongs to one price at most, and at most ten may be asked for: this is always one page.
    if len(params["lookup_keys"]) > 10:
        raise invalid("You can only pass up to 10 lookup keys.", param="lookup_keys")
    found = [
        price
        for key in dict.fromkeys(params["lookup_keys"])
        for price in box.store.list(account, PRICE, where=where | {"lookup_key": key})[0]
    ]
    empty = listing(box, account, PRICE, {}, call, where={"lookup_key": ""})
    return empty | {"data": sorted(found, key=lambda price: -price["created"])}


@route("GET", "/v1/prices/{price}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, PRICE, call.arg(), param="price")


@route("POST", "/v1/prices/{price}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    price = fetch(box, account, PRICE, call.arg(), param="price")
    if "currency_options" in params:
        message = "The local sandbox doesn't have prices with currency_options."
        raise invalid(message, param="currency_options")
    behavior = params.get("tax_behavior", price["tax_behavior"])
    if price["tax_behavior"] not in ("unspecified", behavior):
        raise invalid("The tax_behavior of a price cannot be changed once it is set.", param="tax_behavior")
    price["tax_behavior"] = behavior
    price |= {name: params[name] for name in ("active", "nickname") if name in params}
    if "lookup_key" in params:
        take_lookup_key(box, account, price, params)
    if "metadata" in params:
        merge_metadata(price, params["metadata"])
    return save_changed(box, account, price, "price.updated")
