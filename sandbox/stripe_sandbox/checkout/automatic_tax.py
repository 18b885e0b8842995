"""`automatic_tax`: Stripe Tax in one rate, which `PUT /_sandbox/settings` sets for everywhere.

As at Stripe it counts from the moment when the buyer's country is known, and is on top of the price or inside
it as the price's `tax_behavior` says; where that says nothing, by currency. Shipping is not taxed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.lines import Bought
from stripe_sandbox.core import errors
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import tax_rates
from stripe_sandbox.server.routes import Params

#: Where prices are written without tax; elsewhere they hold it (docs.stripe.com/tax/tax-behavior).
EXCLUSIVE = ("usd", "cad")
OFF = {"enabled": False, "liability": None, "provider": None, "status": None}
WAITING = {
    "enabled": True,
    "liability": {"type": "self"},
    "provider": "stripe",
    "status": "requires_location_inputs",
}


def new(params: Params) -> Obj:
    """`automatic_tax` of a new session."""
    given = params.get("automatic_tax") or {}
    if (given.get("liability") or {}).get("type") == "account":
        raise errors.invalid(
            "The local sandbox does not have the tax liability of connected accounts, though Stripe does.",
            code="sandbox_not_supported",
            param="automatic_tax[liability]",
        )
    return dict(WAITING if given.get("enabled") else OFF)


def waits(session: Obj) -> bool:
    """Whether the tax is still to come, when the buyer says where he is."""
    return bool(session["automatic_tax"]["status"] == WAITING["status"])


def check_lines(lines: Sequence[Bought]) -> None:
    """Refuse rates of the shop's own beside it."""
    for index, line in enumerate(lines):
        if line.rates:
            raise errors.invalid(
                "You cannot specify `tax_rates` of line items while `automatic_tax[enabled]` is true.",
                param=f"line_items[{index}][tax_rates]",
            )


def taxed(box: Box, account: str, session: Obj, lines: list[Bought]) -> list[Bought]:
    """The lines with their tax, once it can be known."""
    if session["automatic_tax"]["status"] != "complete":
        return lines
    return [replace(line, rates=[_rate(box, account, line.price)]) for line in lines]


def _rate(box: Box, account: str, price: Obj) -> Obj:
    """The account's rate as Stripe Tax shows one: a TaxRate that is not active, made at its first use."""
    percentage: Any = box.store.setting("automatic_tax_rate", 10)
    behavior = price["tax_behavior"]
    inclusive = behavior == "inclusive" or (behavior == "unspecified" and price["currency"] not in EXCLUSIVE)
    id = f"txr_automatic{'in' if inclusive else 'ex'}{str(percentage).replace('.', 'p')}"
    known = box.store.get(account, tax_rates.KIND, id)
    if known is None:
        about = {"active": False, "display_name": "Tax", "inclusive": inclusive, "percentage": percentage}
        known = {**tax_rates.new_rate(box, about), "id": id, "_automatic": True}
        box.store.insert(account, known)
    return known
