"""Which payment methods the sandbox's account offers for what: cards always, delayed ones where switched on.

Cards alone are the rule, so that a shop meets delayed payments when it wants to; `PUT /_sandbox/settings`
with `{"delayed_methods": true}` is this account's Dashboard. Stripe debits SEPA accounts in euros only.
"""

from __future__ import annotations

from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.balance_transactions import FEES
from stripe_sandbox.rules import debits
from stripe_sandbox.server.routes import Params

CARD = "card"
#: `automatic_tax_rate`: the per cent that `automatic_tax` takes, wherever the buyer is. What a charge costs.
SETTINGS: dict[str, Any] = {"delayed_methods": False, "automatic_tax_rate": 10, **FEES}


def settings(box: Box) -> dict[str, Any]:
    """The account's switches, as they stand."""
    return {name: box.store.setting(name, default) for name, default in SETTINGS.items()}


def switch(box: Box, change: dict[str, Any]) -> dict[str, Any]:
    """Set some of them; all of them as they are then."""
    with box.store.transaction():
        for name, value in change.items():
            box.store.set_setting(name, value)
    return settings(box)


def check(params: Params) -> None:
    """Refuse filters that contradict each other."""
    if params.get("allowed_payment_method_types") is not None and params.get("excluded_payment_method_types"):
        raise errors.invalid(
            "You may only specify one of these parameters: allowed_payment_method_types, "
            "excluded_payment_method_types."
        )


def types(box: Box, obj: Obj, capture_method: str | None, noun: str) -> list[str]:
    """`payment_method_types` of an intent or a session with its `currency` and filters. Raises StripeError
    where the filters leave nothing."""
    account = [CARD]
    delayed = box.store.setting("delayed_methods", False)
    if delayed and obj["currency"] == debits.CURRENCY and capture_method != "manual":
        account.append(debits.TYPE)
    allowed, excluded = obj["allowed_payment_method_types"], obj["excluded_payment_method_types"] or []
    left = [name for name in account if name not in excluded and (not allowed or name in allowed)]
    if not left:
        only = "" if delayed else " (The local sandbox offers cards only, unless delayed methods are on.)"
        raise errors.invalid(
            f"No valid payment method types for this {noun}. Please ensure that you have activated payment "
            "methods compatible with your chosen currency in your dashboard "
            f"(https://dashboard.stripe.com/settings/payment_methods).{only}",
            param="allowed_payment_method_types" if allowed else "excluded_payment_method_types",
        )
    return left
