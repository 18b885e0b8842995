"""Coupons: made with Stripe's checks, nearly immutable afterwards, deletable, and redeemed by Checkout.

Texts and rules: recorded answers of Stripe and the parameter docs of stripe-python 16.1. `amount_off` is
in minor units, `percent_off` a number from 0.01 to 100.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import invalid, missing_object, missing_param
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.rules.currencies import CURRENCIES
from stripe_sandbox.server.routes import Call, Params, listing, merge_metadata, new_metadata, route

KIND = "coupon"
FIVE_YEARS = 5 * 366 * 24 * 3600


def is_valid(coupon: Obj, now: int) -> bool:
    """Whether it can still be applied: its time is not over, and redemptions are left."""
    in_time = coupon["redeem_by"] is None or now < coupon["redeem_by"]
    most = coupon["max_redemptions"]
    return in_time and (most is None or coupon["times_redeemed"] < most)


def find(box: Box, account: str, id: str, param: str = "coupon", *, status: int = 404) -> Obj:
    """The coupon with a `valid` that holds now, or Stripe's `No such coupon`."""
    coupon = box.store.get(account, KIND, id)
    if coupon is None:
        raise missing_object("coupon", id, param, status=status)
    return coupon | {"valid": is_valid(coupon, box.clock.now())}


def find_usable(box: Box, account: str, id: str, param: str) -> Obj:
    """The coupon for a new discount; 400 where there is none, or where it is over or used up."""
    coupon = find(box, account, id, param, status=400)
    if coupon["redeem_by"] is not None and box.clock.now() >= coupon["redeem_by"]:
        raise invalid(f"Coupon expired: {id}", code="coupon_expired", param=param)
    if not coupon["valid"]:
        raise invalid(f"Coupon {id} is used up and cannot be applied.", code="coupon_expired", param=param)
    return coupon


def redeem(box: Box, account: str, id: str) -> None:
    """Count a completed purchase. A coupon deleted meanwhile has nothing to count, and its discount holds."""
    coupon = box.store.get(account, KIND, id)
    if coupon is not None:
        coupon["times_redeemed"] += 1
        coupon["valid"] = is_valid(coupon, box.clock.now())
        box.store.save(account, coupon)


def check_least(value: int | None, name: str) -> None:
    """Refuse a count or an amount below 1."""
    if value is not None and value < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid(message, code="parameter_invalid_integer", param=name)


def check_currency_options(options: Params | None, field: str, param: str = "currency_options") -> None:
    """Refuse upper-case or unknown currencies and amounts below 1 in `{"eur": {field: n}}`."""
    for currency, option in (options or {}).items():
        where = f"{param}[{currency}]"
        if currency != currency.lower():
            raise invalid("Currencies must be lowercase", param=where)
        if currency not in CURRENCIES:
            raise invalid(f"Invalid currency: {currency}.", param=where)
        check_least(option[field], f"{where}[{field}]")


def _check(box: Box, account: str, params: Params) -> None:
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if percent is None and amount is None:
        raise invalid("Must provide percent_off or amount_off.", code="parameter_missing")
    if percent is not None and amount is not None:
        raise invalid("Received both percent_off and amount_off parameters. Please pass in only one.")
    check_least(amount, "amount_off")
    if percent is not None and percent < 0.01:
        message = f"This value must be greater than or equal to 0.01 (it currently is '{percent}')."
        raise invalid(message, param="percent_off")
    if percent is not None and percent > 100:
        message = f"This value must be less than or equal to 100 (it currently is '{percent}')."
        raise invalid(message, param="percent_off")
    if amount is not None and "currency" not in params:
        message = "You must pass currency when passing amount_off"
        raise invalid(message, code="parameter_missing", param="currency")
    if amount is None and ("currency" in params or "currency_options" in params):
        name = "currency" if "currency" in params else "currency_options"
        raise invalid(f"You can only pass {name} when passing amount_off.", param=name)
    check_least(params.get("max_redemptions"), "max_redemptions")
    check_currency_options(params.get("currency_options"), "amount_off")
    _check_duration(params)
    _check_redeem_by(params.get("redeem_by"), box.clock.now())
    for index, product in enumerate(params.get("applies_to", {}).get("products", [])):
        if box.store.get(account, "product", product) is None:
            where = f"applies_to[products][{index}]"
            raise invalid(f"No such product: '{product}'", code="resource_missing", param=where)


def _check_duration(params: Params) -> None:
    repeating = params.get("duration", "once") == "repeating"
    if repeating and "duration_in_months" not in params:
        message = "You must pass duration_in_months when passing duration=repeating"
        raise missing_param("duration_in_months", message)
    if not repeating and "duration_in_months" in params:
        message = "You can only pass duration_in_months when passing duration=repeating"
        raise invalid(message, param="duration_in_months")
    check_least(params.get("duration_in_months"), "duration_in_months")


def _check_redeem_by(redeem_by: int | None, now: int) -> None:
    if redeem_by is None:
        return
    if redeem_by <= now:
        message = "Invalid timestamp: must be an integer Unix timestamp in the future."
        raise invalid(message, param="redeem_by")
    if redeem_by > now + FIVE_YEARS:
        raise invalid("Invalid timestamp: can be no more than five years in the future.", param="redeem_by")


@route("POST", "/v1/coupons")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check(box, account, params)
    id = params.get("id") or ids.letters(8)
    if box.store.get(account, KIND, id) is not None:
        raise invalid("Coupon already exists.", code="resource_already_exists", param="id")
    coupon: Obj = {
        "id": id,
        "object": KIND,
        "amount_off": params.get("amount_off"),
        "created": box.clock.now(),
        "currency": params.get("currency"),
        "duration": params.get("duration", "once"),
        "duration_in_months": params.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": new_metadata(params),
        "name": params.get("name"),
        "percent_off": params.get("percent_off"),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
        # Shown only when expanded.
        "+applies_to": {"products": params.get("applies_to", {}).get("products", [])},
        "+currency_options": _currency_options(params),
    }
    return insert_new(box, account, coupon, "coupon.created")


def _currency_options(params: Params) -> Obj:
    own = {params["currency"]: {"amount_off": params["amount_off"]}} if "amount_off" in params else {}
    return own | (params.get("currency_options") or {})


@route("GET", "/v1/coupons")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    page = listing(box, account, KIND, params, call)
    now = box.clock.now()
    return page | {"data": [coupon | {"valid": is_valid(coupon, now)} for coupon in page["data"]]}


@route("GET", "/v1/coupons/{coupon}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return find(box, account, call.arg())


@route("POST", "/v1/coupons/{coupon}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    coupon = find(box, account, call.arg())
    options = params.get("currency_options")
    if options and coupon["amount_off"] is None:
        message = "You can only pass currency_options for a coupon with amount_off."
        raise invalid(message, param="currency_options")
    check_currency_options(options, "amount_off")
    if options and coupon["currency"] in options:
        message = "The amount_off of the coupon's own currency cannot be changed."
        raise invalid(message, param="currency_options")
    coupon["+currency_options"] |= options or {}
    if "name" in params:
        coupon["name"] = params["name"]
    if "metadata" in params:
        merge_metadata(coupon, params["metadata"])
    return save_changed(box, account, coupon, "coupon.updated")


@route("DELETE", "/v1/coupons/{coupon}")
def delete(box: Box, account: str, params: Params, call: Call) -> Obj:
    coupon = find(box, account, call.arg())
    box.store.delete(account, KIND, coupon["id"])
    box.emit(account, "coupon.deleted", coupon)
    return {"id": coupon["id"], "object": KIND, "deleted": True}
