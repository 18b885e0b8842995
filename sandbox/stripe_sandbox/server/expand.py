"""`expand[]`: ids replaced by their objects, and the fields that are there only when asked for.

Dotted paths up to four levels, `data.` in front for lists, as docs.stripe.com/expand says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors
from stripe_sandbox.core.store import Obj
from stripe_sandbox.server.routes import INCLUDABLES
from stripe_sandbox.versions.change import Shown

DEPTH = 4
# Which kind of object an id in such a field names. (`tests/server/test_expand.py` holds that every field that
# the spec calls expandable is here or below.)
REFERENCES = {
    "balance_transaction": "balance_transaction",
    "charge": "charge",
    "coupon": "coupon",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "default_price": "price",
    "failure_balance_transaction": "balance_transaction",
    "latest_charge": "charge",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "product": "product",
    "promotion_code": "promotion_code",
    "setup_intent": "setup_intent",
    "shipping_rate": "shipping_rate",
}
# `source` is a charge or a refund; its id tells which.
PREFIXES = {"ch": "charge", "re": "refund", "pyr": "refund", "du": "dispute", "dp": "dispute"}
# References that can be there in the spec and are always null here.
EMPTY = frozenset(
    "account account_tax_ids application application_fee back cancellation_policy customer_communication "
    "customer_signature default_account_tax_ids default_source destination duplicate_charge_documentation "
    "front generated_sepa_debit generated_sepa_debit_mandate icon invoice logo mandate on_behalf_of "
    "payment_link receipt refund_policy review rule service_documentation setup_attempt "
    "shipping_documentation "
    "source_transfer source_transfer_reversal subscription tax_code test_clock transfer transfer_reversal "
    "uncategorized_file".split()
)
# What an object has only in a certain state (by kind), or that the sandbox's objects never come to have.
SOMETIMES = {
    "customer": frozenset({"cash_balance"}),
    "price": frozenset({"currency_options", "tiers"}),
    "refund": frozenset({"failure_balance_transaction"}),
}


Older = Mapping[tuple[str, str], Shown]


def expand(box: Box, account: str, obj: Obj, paths: list[str], older: Older) -> None:
    """Expand in place; `older` are fields that only the version asked for has. Raises StripeError (400) for
    what cannot be expanded."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > DEPTH:
            message = f"You cannot expand more than {DEPTH} levels of a property. Property: {path}"
            raise errors.invalid(message, param="expand", stored=False)
        wrong = _expand(box, account, obj, parts, older)
        if wrong:
            message = f"This property cannot be expanded ({wrong})."
            if _is_list(obj) and parts[0] != "data":
                message += f" You may want to try expanding 'data.{wrong}' instead."
            raise errors.invalid(message, stored=False)


def _is_list(obj: Obj) -> bool:
    return obj.get("object") == "list"


def _expand(box: Box, account: str, obj: Obj, parts: list[str], older: Older) -> str:
    """Empty, or the path up to the name that cannot be opened, as Stripe tells it."""
    head, rest = parts[0], parts[1:]
    if (_is_list(obj) and head != "data") or head[:1] in ("_", "+") or head == "metadata":
        return head
    value = _included(box, account, obj, head, older)
    if isinstance(value, str):
        value = obj[head] = _referred(box, account, head, value)
    if value is None:
        # Nothing to open here; all there is to tell is whether the name is one that could be opened.
        openable = head in REFERENCES or head in EMPTY or head == "source" or bool(rest)
        known = (head in obj and openable) or head in SOMETIMES.get(obj.get("object", ""), ())
        return "" if known else head
    if not rest:
        # What is an object already has nothing to open either: Stripe says nothing of it.
        opened = isinstance(value, dict) or (isinstance(value, list) and _is_list(obj))
        return "" if opened or _is_included(obj, head, older) else head
    inner = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in inner):
        return head
    wrong = next(filter(None, (_expand(box, account, item, rest, older) for item in inner)), "")
    return f"{head}.{wrong}" if wrong else ""


def _is_included(obj: Obj, name: str, older: Older) -> bool:
    """Whether the field is one that is there only when asked for."""
    return f"+{name}" in obj or (obj.get("object", ""), name) in (INCLUDABLES.keys() | older.keys())


def _included(box: Box, account: str, obj: Obj, name: str, older: Older) -> Any:
    if name in obj:
        return obj[name]
    if f"+{name}" in obj:
        obj[name] = obj[f"+{name}"]
    field = (obj.get("object", ""), name)
    if field in older:
        obj[name] = older[field](box.store, account, obj)
    elif field in INCLUDABLES:
        obj[name] = INCLUDABLES[field](box, account, obj)
    return obj.get(name)


def _referred(box: Box, account: str, name: str, id: str) -> Any:
    kind = REFERENCES.get(name) or (PREFIXES.get(id.partition("_")[0]) if name == "source" else None)
    if kind is None:
        return id if name != "source" else None
    found = box.store.get(account, kind, id)
    # A deleted coupon or product stays where it was used, as an id that opens to Stripe's stub.
    return found or {"id": id, "object": kind, "deleted": True}
