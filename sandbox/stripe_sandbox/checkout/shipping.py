"""`shipping_options` of a Checkout Session: rates found or made, and the one that counts; minor units."""

from __future__ import annotations

from collections.abc import Sequence

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.shipping_rates import KIND, new_rate
from stripe_sandbox.server.routes import Params, fetch

MOST = 5


def resolve(box: Box, account: str, given: Sequence[Params], currency: str) -> list[Obj]:
    """The session's `shipping_options`; 400 where Stripe would refuse one."""
    if len(given) > MOST:
        raise errors.invalid(
            f"Checkout Sessions can have at most {MOST} shipping options, but you passed {len(given)}.",
            param="shipping_options",
        )
    options = []
    for index, option in enumerate(given):
        path = f"shipping_options[{index}]"
        rate = _rate(box, account, option, path)
        if rate["fixed_amount"]["currency"] != currency:
            raise errors.invalid(
                f"The shipping rate's currency ({rate['fixed_amount']['currency']}) does not match the line "
                f"items' currency ({currency}).",
                param=path,
            )
        options.append({"shipping_amount": rate["fixed_amount"]["amount"], "shipping_rate": rate["id"]})
    return options


def _rate(box: Box, account: str, option: Params, path: str) -> Obj:
    if ("shipping_rate" in option) == ("shipping_rate_data" in option):
        if "shipping_rate" in option:
            raise errors.invalid(
                f"You may only specify one of these parameters: {path}[shipping_rate], "
                f"{path}[shipping_rate_data]."
            )
        raise errors.missing_param(f"{path}[shipping_rate]")
    if "shipping_rate_data" in option:
        return new_rate(box, account, option["shipping_rate_data"], f"{path}[shipping_rate_data]")
    rate = box.store.get(account, KIND, option["shipping_rate"])
    if rate is None:
        raise errors.missing_object(
            "shipping rate", option["shipping_rate"], f"{path}[shipping_rate]", status=400
        )
    if not rate["active"]:
        raise errors.invalid("The shipping rate specified is inactive.", param=f"{path}[shipping_rate]")
    return rate


def cost(option: Obj) -> Obj:
    """`shipping_cost` of the option that was chosen, or of the first before anybody has."""
    amount = option["shipping_amount"]
    return {
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "shipping_rate": option["shipping_rate"],
        "+taxes": [],
    }


def offered(box: Box, account: str, session: Obj) -> list[Obj]:
    """The rates that a session offers, in its order."""
    return [fetch(box, account, KIND, option["shipping_rate"]) for option in session["shipping_options"]]
