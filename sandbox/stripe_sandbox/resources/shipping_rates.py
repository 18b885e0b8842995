"""Shipping rates: what sending a purchase costs, offered by Checkout Sessions. Amounts in minor units."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, new_metadata, route

KIND = "shipping_rate"


def new_rate(box: Box, account: str, params: Params, path: str = "") -> Obj:
    """Keep a rate of checked `params`; `path` is where in a request they stood. It has no event at Stripe."""

    def named(name: str) -> str:
        return f"{path}[{name}]" if path else name

    fixed = params.get("fixed_amount")
    if fixed is None:
        raise errors.missing_param(named("fixed_amount"))
    if "currency_options" in fixed:
        raise errors.invalid(
            "The local sandbox doesn't have shipping rates with currency_options.",
            code="sandbox_not_supported",
            param=named("fixed_amount[currency_options]"),
        )
    if fixed["amount"] < 0:
        raise errors.invalid(
            f"Invalid non-negative integer: {fixed['amount']}", param=named("fixed_amount[amount]")
        )
    rate: Obj = {
        "id": ids.new("shr"),
        "object": KIND,
        "active": True,
        "created": box.clock.now(),
        "delivery_estimate": _estimate(params.get("delivery_estimate")),
        "display_name": params["display_name"],
        "fixed_amount": {"amount": fixed["amount"], "currency": fixed["currency"]},
        "livemode": False,
        "metadata": new_metadata(params),
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tax_code": params.get("tax_code"),
        "type": "fixed_amount",
    }
    box.store.insert(account, rate)
    return rate


def _estimate(given: Params | None) -> Obj | None:
    if given is None:
        return None
    return {name: given.get(name) for name in ("maximum", "minimum")}


@route("POST", "/v1/shipping_rates")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    return new_rate(box, account, params)


@route("GET", "/v1/shipping_rates")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {"active": params.get("active"), "fixed_amount.currency": params.get("currency")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/shipping_rates/{shipping_rate_token}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "shipping rate", "shipping_rate_token")


@route("POST", "/v1/shipping_rates/{shipping_rate_token}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    rate = fetch(box, account, KIND, call.arg(), "shipping rate", "shipping_rate_token")
    if "fixed_amount" in params:
        raise errors.invalid(
            "The local sandbox doesn't have shipping rates with currency_options.",
            code="sandbox_not_supported",
            param="fixed_amount[currency_options]",
        )
    if "metadata" in params:
        merge_metadata(rate, params["metadata"])
    rate |= {name: params[name] for name in ("active", "tax_behavior") if name in params}
    box.store.save(account, rate)
    return rate
