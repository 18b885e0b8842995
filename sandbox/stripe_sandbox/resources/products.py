"""Products: what prices are of. Line items with inline `price_data` make their own through `new_product`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import invalid, missing_object
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import prices
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, route

if TYPE_CHECKING:
    from stripe_sandbox.box import Box

KIND = "product"
MOST_IMAGES = 8
MOST_FEATURES = 15
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
    if box.store.get(account, KIND, id) is not None:
        raise invalid("Product already exists.", code="resource_already_exists", param="id")
    product: Obj = {
        "id": id,
        "object": KIND,
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


def _check(params: Params) -> None:
    for name, most in (("images", MOST_IMAGES), ("marketing_features", MOST_FEATURES)):
        if len(params.get(name) or []) > most:
            raise invalid(f"You can only have up to {most} {name.replace('_', ' ')}.", param=name)


@route("POST", "/v1/products")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check(params)
    product = new_product(box, account, params)
    if "default_price_data" in params:
        data = params["default_price_data"] | {"product": product["id"]}
        product["default_price"] = prices.new_price(box, account, data, "default_price_data")["id"]
        save_changed(box, account, product, "product.updated")
    return product


@route("GET", "/v1/products")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    if "ids" in params:
        found = [box.store.get(account, KIND, id) for id in params["ids"]]
        kept = sorted((product for product in found if product), key=lambda product: -product["created"])
        return listing(box, account, KIND, {}, call) | {"data": kept, "has_more": False}
    where = {name: params.get(name) for name in ("active", "shippable", "url")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/products/{id}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg())


@route("POST", "/v1/products/{id}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check(params)
    product = fetch(box, account, KIND, call.arg())
    for name, unset in EDITABLE.items():
        if name in params:
            product[name] = unset if params[name] is None else params[name]
    if "default_price" in params:
        price = box.store.get(account, prices.KIND, params["default_price"])
        if price is None or price["product"] != product["id"]:
            raise missing_object("price", params["default_price"], "default_price", status=400)
        product["default_price"] = price["id"]
    if "metadata" in params:
        merge_metadata(product, params["metadata"])
    product["updated"] = box.clock.now()
    return save_changed(box, account, product, "product.updated")


@route("DELETE", "/v1/products/{id}")
def delete(box: Box, account: str, params: Params, call: Call) -> Obj:
    product = fetch(box, account, KIND, call.arg())
    if box.store.list(account, prices.KIND, where={"product": product["id"]}, limit=1)[0]:
        message = "This product cannot be deleted because it has one or more user-created prices."
        raise invalid(message)
    box.store.delete(account, KIND, product["id"])
    box.emit(account, "product.deleted", product)
    return {"id": product["id"], "object": KIND, "deleted": True}
