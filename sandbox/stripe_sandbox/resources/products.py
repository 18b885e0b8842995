"""Products: what prices are of. Line items with inline `price_data` make their own through `new_product`."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core.errors import invalid, missing_object
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.events import save_changed
from stripe_sandbox.resources.goods import EDITABLE, MOST_IMAGES, PRICE, PRODUCT, new_price, new_product
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, route

MOST_FEATURES = 15


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
        product["default_price"] = new_price(box, account, data, "default_price_data")["id"]
        save_changed(box, account, product, "product.updated")
    return product


@route("GET", "/v1/products")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    if "ids" in params:
        found = [box.store.get(account, PRODUCT, id) for id in params["ids"]]
        kept = sorted((product for product in found if product), key=lambda product: -product["created"])
        return listing(box, account, PRODUCT, {}, call) | {"data": kept, "has_more": False}
    where = {name: params.get(name) for name in ("active", "shippable", "url")}
    return listing(box, account, PRODUCT, params, call, where=where)


@route("GET", "/v1/products/{id}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, PRODUCT, call.arg())


@route("POST", "/v1/products/{id}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check(params)
    product = fetch(box, account, PRODUCT, call.arg())
    for name, unset in EDITABLE.items():
        if name in params:
            product[name] = unset if params[name] is None else params[name]
    if "default_price" in params:
        price = box.store.get(account, PRICE, params["default_price"])
        if price is None or price["product"] != product["id"]:
            raise missing_object("price", params["default_price"], "default_price", status=400)
        product["default_price"] = price["id"]
    if "metadata" in params:
        merge_metadata(product, params["metadata"])
    product["updated"] = box.clock.now()
    return save_changed(box, account, product, "product.updated")


@route("GET", "/v1/products/{product}/features")
def features(box: Box, account: str, params: Params, call: Call) -> Obj:
    """None: there are no entitlements in the sandbox."""
    fetch(box, account, PRODUCT, call.arg())
    return {"object": "list", "data": [], "has_more": False, "url": call.url}


@route("DELETE", "/v1/products/{id}")
def delete(box: Box, account: str, params: Params, call: Call) -> Obj:
    product = fetch(box, account, PRODUCT, call.arg())
    if box.store.list(account, PRICE, where={"product": product["id"]}, limit=1)[0]:
        message = "This product cannot be deleted because it has one or more user-created prices."
        raise invalid(message)
    box.store.delete(account, PRODUCT, product["id"])
    box.emit(account, "product.deleted", product)
    return {"id": product["id"], "object": PRODUCT, "deleted": True}
