"""Promotion codes: what a buyer types to get a coupon's discount.

Unique among the active ones, whatever the case; inactive for good once expired, used up, or left without
a valid coupon. Source: docs.stripe.com/payments/checkout/discounts and recorded answers.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import invalid, missing_object, missing_param
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import coupons
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.server.routes import Call, Params, listing, merge_metadata, new_metadata, route

KIND = "promotion_code"
CODE = re.compile(r"[a-zA-Z0-9_-]+")
# Codes that Stripe thinks up are easy to read aloud.
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def _is_over(box: Box, account: str, code: Obj) -> bool:
    """Expired, used up, or its coupon gone or no longer valid."""
    now = box.clock.now()
    if code["expires_at"] is not None and now >= code["expires_at"]:
        return True
    if code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]:
        return True
    coupon = box.store.get(account, coupons.KIND, code["promotion"]["coupon"])
    return coupon is None or not coupons.is_valid(coupon, now)


def _fresh(box: Box, account: str, code: Obj) -> Obj:
    """The code with an `active` that holds now; what is over is written down as inactive."""
    if code["active"] and _is_over(box, account, code):
        code["active"] = False
        box.store.save(account, code)
    return code


def find(box: Box, account: str, id: str, param: str = "promotion_code", *, status: int = 404) -> Obj:
    """The promotion code by id, or Stripe's `No such promotion code`."""
    code = box.store.get(account, KIND, id)
    if code is None:
        raise missing_object("promotion code", id, param, status=status)
    return _fresh(box, account, code)


def find_usable(box: Box, account: str, id: str, param: str) -> Obj:
    """The promotion code for a new discount; 400 where there is none, or where it is inactive."""
    code = find(box, account, id, param, status=400)
    if not code["active"]:
        message = "This promotion code is expired or inactive."
        raise invalid(message, code="promotion_code_expired", param=param)
    return code


def find_by_code(box: Box, account: str, text: str) -> Obj | None:
    """The active promotion code that a buyer typed."""
    found, _ = box.store.list(account, KIND, where={"_code": text.strip().lower(), "active": True})
    active = [code for code in found if _fresh(box, account, code)["active"]]
    return active[0] if active else None


def redeem(box: Box, account: str, id: str) -> None:
    """Count a completed purchase with this code; its coupon is counted by `coupons.redeem`."""
    code = box.store.get(account, KIND, id)
    if code is not None:
        code["times_redeemed"] += 1
        code["active"] = code["active"] and not _is_over(box, account, code)
        box.store.save(account, code)


def _new_code(text: str | None) -> str:
    if text is None:
        return "".join(secrets.choice(LETTERS) for _ in range(8))
    if not CODE.fullmatch(text):
        message = "Invalid code: it can only contain the characters a-z, A-Z, 0-9, - and _."
        raise invalid(message, param="code")
    return text


def _check_unique(box: Box, account: str, text: str) -> None:
    if find_by_code(box, account, text) is not None:
        raise invalid(f"An active promotion code with `code: {text}` already exists.", param="code")


def _coupon(box: Box, account: str, promotion: Params) -> Obj:
    if "coupon" not in promotion:
        raise missing_param("promotion[coupon]")
    coupon = coupons.find(box, account, promotion["coupon"], "promotion[coupon]", status=400)
    if not coupon["valid"]:
        raise invalid("The coupon is no longer valid.", code="coupon_expired", param="promotion[coupon]")
    return coupon


def _check_limits(params: Params, coupon: Obj, now: int) -> None:
    expires_at, most = params.get("expires_at"), params.get("max_redemptions")
    if expires_at is not None and expires_at <= now:
        message = "Invalid timestamp: must be an integer Unix timestamp in the future."
        raise invalid(message, param="expires_at")
    if expires_at and coupon["redeem_by"] and expires_at > coupon["redeem_by"]:
        raise invalid("expires_at cannot be later than the coupon's redeem_by.", param="expires_at")
    coupons.check_least(most, "max_redemptions")
    if most and coupon["max_redemptions"] and most > coupon["max_redemptions"]:
        message = "max_redemptions cannot be greater than the coupon's max_redemptions."
        raise invalid(message, param="max_redemptions")


def _restrictions(given: Params) -> Obj:
    for name, other in (
        ("minimum_amount", "minimum_amount_currency"),
        ("minimum_amount_currency", "minimum_amount"),
    ):
        if name in given and other not in given:
            raise missing_param(f"restrictions[{other}]")
    coupons.check_least(given.get("minimum_amount"), "restrictions[minimum_amount]")
    where = "restrictions[currency_options]"
    coupons.check_currency_options(given.get("currency_options"), "minimum_amount", where)
    own: dict[str, Any] = {}
    if "minimum_amount" in given:
        own[given["minimum_amount_currency"]] = {"minimum_amount": given["minimum_amount"]}
    return {
        "first_time_transaction": given.get("first_time_transaction", False),
        "minimum_amount": given.get("minimum_amount"),
        "minimum_amount_currency": given.get("minimum_amount_currency"),
        "+currency_options": own | (given.get("currency_options") or {}),
    }


@route("POST", "/v1/promotion_codes")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    if "customer_account" in params:
        raise invalid("The local sandbox doesn't have customer accounts.", param="customer_account")
    coupon = _coupon(box, account, params["promotion"])
    _check_limits(params, coupon, box.clock.now())
    customer = params.get("customer")
    if customer is not None and box.store.get(account, "customer", customer) is None:
        raise missing_object("customer", customer, "customer", status=400)
    text = _new_code(params.get("code"))
    active = params.get("active", True)
    if active:
        _check_unique(box, account, text)
    code: Obj = {
        "id": ids.new("promo"),
        "object": KIND,
        "active": active,
        "code": text,
        "created": box.clock.now(),
        "customer": customer,
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": new_metadata(params),
        "promotion": {"type": "coupon", "coupon": coupon["id"]},
        "restrictions": _restrictions(params.get("restrictions") or {}),
        "times_redeemed": 0,
        "_code": text.lower(),
    }
    return insert_new(box, account, code, "promotion_code.created")


@route("GET", "/v1/promotion_codes")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {
        "active": params.get("active"),
        "_code": params["code"].lower() if "code" in params else None,
        "promotion.coupon": params.get("coupon"),
        "customer": params.get("customer"),
    }
    if params.get("active") is False:  # those that are over by now belong to them
        for code in box.store.list(account, KIND, where={**where, "active": True})[0]:
            _fresh(box, account, code)
    while True:
        page = listing(box, account, KIND, params, call, where=where)
        over = [code for code in page["data"] if code["active"] and not _fresh(box, account, code)["active"]]
        if not over:
            return page


@route("GET", "/v1/promotion_codes/{promotion_code}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return find(box, account, call.arg())


@route("POST", "/v1/promotion_codes/{promotion_code}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    code = find(box, account, call.arg())
    if "active" in params and params["active"] != code["active"]:
        if params["active"]:
            _check_reactivation(box, account, code)
        code["active"] = params["active"]
    options = (params.get("restrictions") or {}).get("currency_options")
    coupons.check_currency_options(options, "minimum_amount", "restrictions[currency_options]")
    code["restrictions"]["+currency_options"] |= options or {}
    if "metadata" in params:
        merge_metadata(code, params["metadata"])
    return save_changed(box, account, code, "promotion_code.updated")


def _check_reactivation(box: Box, account: str, code: Obj) -> None:
    if _is_over(box, account, code):
        message = "This promotion code cannot be activated: it, or its coupon, is expired or used up."
        raise invalid(message, param="active")
    _check_unique(box, account, code["code"])
