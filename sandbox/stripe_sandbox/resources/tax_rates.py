"""Tax rates: a percentage of up to four decimals, inclusive or exclusive; archived, never deleted.

Source: docs.stripe.com/tax/tax-rates and recorded answers. What sums depend on (percentage, inclusive)
can't be changed; country and state can be set once.
"""

from __future__ import annotations

from decimal import Decimal

from stripe_sandbox.box import Box
from stripe_sandbox.core.errors import invalid
from stripe_sandbox.core.ids import new
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.rules.countries import country
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, new_metadata, route

KIND = "tax_rate"
EDITABLE = ("active", "country", "description", "display_name", "jurisdiction", "state", "tax_type")
SET_ONCE = ("country", "state")
DECIMALS = 4


def _check_percentage(percentage: float) -> None:
    for bad, word, limit in ((percentage < 0, "greater", 0), (percentage > 100, "less", 100)):
        if bad:
            message = f"This value must be {word} than or equal to {limit} (it currently is '{percentage}')."
            raise invalid(message, param="percentage")
    exact = Decimal(repr(percentage))
    if exact != round(exact, DECIMALS):
        message = f"Invalid decimal: {exact}; must have at most {DECIMALS} decimal places"
        raise invalid(message, code="parameter_invalid_decimal", param="percentage")


def _check_country(params: Params) -> None:
    if params.get("country") is not None:
        params["country"] = country(params["country"])


@route("POST", "/v1/tax_rates")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check_percentage(params["percentage"])
    _check_country(params)
    return insert_new(box, account, new_rate(box, params), "tax_rate.created")


def new_rate(box: Box, params: Params) -> Obj:
    """A rate of checked `params`, not kept yet."""
    return {
        "id": new("txr"),
        "object": KIND,
        "active": params.get("active", True),
        "country": params.get("country"),
        "created": box.clock.now(),
        "description": params.get("description"),
        "display_name": params["display_name"],
        "effective_percentage": params["percentage"],
        "flat_amount": None,
        "inclusive": params["inclusive"],
        "jurisdiction": params.get("jurisdiction"),
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": new_metadata(params),
        "percentage": params["percentage"],
        "rate_type": "percentage",
        "state": params.get("state"),
        "tax_type": params.get("tax_type"),
    }


@route("GET", "/v1/tax_rates")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {"active": params.get("active"), "inclusive": params.get("inclusive")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/tax_rates/{tax_rate}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "tax rate", "tax_rate")


@route("POST", "/v1/tax_rates/{tax_rate}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    rate = retrieve(box, account, {}, call)
    _check_country(params)
    for name in SET_ONCE:
        if name in params and rate[name] not in (None, params[name]):
            raise invalid(f"The {name} of a tax rate cannot be changed once it is set.", param=name)
    rate |= {name: params[name] for name in EDITABLE if name in params}
    if "metadata" in params:
        merge_metadata(rate, params["metadata"])
    return save_changed(box, account, rate, "tax_rate.updated")
