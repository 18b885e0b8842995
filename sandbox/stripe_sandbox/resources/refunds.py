"""Refunds: all of a charge or parts of it, until nothing is left. Amounts in minor units.

The two test cards that refund oddly do so here: one stays pending for a while, one succeeds and fails later.
Source: docs.stripe.com/refunds and recorded answers.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.balance_transactions import book
from stripe_sandbox.resources.events import save_changed
from stripe_sandbox.rules import cards, currencies
from stripe_sandbox.server.routes import (
    Call,
    Params,
    each_due,
    fetch,
    listing,
    merge_metadata,
    new_metadata,
    route,
)

KIND = "refund"
CHARGE = "charge"
# How long an odd refund takes; advance the clock to see it decided.
DECIDED_AFTER = 60


@route("POST", "/v1/refunds")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    return give(box, account, params)


def give(box: Box, account: str, params: Params) -> Obj:
    """Give back a charge or a part of it, with all events; `params` are those of `POST /v1/refunds`."""
    for name in ("customer", "currency", "origin", "refund_application_fee", "reverse_transfer"):
        if params.get(name):
            raise errors.invalid(f"The local sandbox does not have {name} of refunds.", param=name)
    charge = _charge(box, account, params)
    amount = _amount(charge, params.get("amount"))
    refund = _build(box, account, charge, amount, params)
    previous = {name: charge[name] for name in ("amount_refunded", "refunded")}
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    box.store.insert(account, refund)
    box.store.save(account, charge)
    box.emit(account, "refund.created", refund)
    box.emit(account, "charge.refunded", charge, previous=previous)
    return refund


def _charge(box: Box, account: str, params: Params) -> Obj:
    """The charge to give back, checked to be one that can be."""
    if "charge" in params:
        charge = box.store.get(account, CHARGE, params["charge"])
        if charge is None:
            raise errors.missing_object("charge", params["charge"])
        if params.get("payment_intent") not in (None, charge["payment_intent"]):
            raise errors.invalid("The charge does not belong to the payment_intent.", param="payment_intent")
    elif "payment_intent" in params:
        intent = box.store.get(account, "payment_intent", params["payment_intent"])
        if intent is None:
            raise errors.missing_object("payment_intent", params["payment_intent"], "payment_intent")
        charge = box.store.get(account, CHARGE, intent["latest_charge"]) if intent["latest_charge"] else None
        if charge is None or not charge["paid"]:
            raise errors.invalid(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                param="payment_intent",
            )
    else:
        raise errors.invalid(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    _check(charge)
    return charge


def _check(charge: Obj) -> None:
    if charge["status"] == "pending":
        raise errors.invalid(
            f"Charge {charge['id']} is still pending; it can be refunded once it has succeeded.",
            param="charge",
        )
    if not charge["paid"]:
        raise errors.invalid(
            f"This PaymentIntent ({charge['payment_intent']}) does not have a successful charge to refund."
        )
    if not charge["captured"]:
        raise errors.invalid(
            f"Charge {charge['id']} has not been captured. Cancel its PaymentIntent to release the "
            "authorization.",
            param="charge",
        )
    if charge.get("_charged_back"):
        raise errors.invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if charge["refunded"]:
        raise errors.invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )


def _amount(charge: Obj, wanted: int | None) -> int:
    left: int = charge["amount"] - charge["amount_refunded"]
    if wanted is None:
        return left
    if wanted < 1:
        raise errors.invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if wanted > left:
        raise errors.invalid(
            f"Refund amount ({_plain(wanted, charge)}) is greater than unrefunded amount on charge "
            f"({_plain(left, charge)})",
            param="amount",
        )
    return wanted


def _plain(amount: int, charge: Obj) -> str:
    return currencies.sentence(amount, charge["currency"]).rpartition(" ")[0]


def _build(box: Box, account: str, charge: Obj, amount: int, params: Params) -> Obj:
    by_card = charge["payment_method_details"]["type"] == "card"
    oddity = cards.BY_NUMBER[charge["_test_card"]].refund if by_card else ""
    now = box.clock.now()
    id = ids.new("re")
    pending = oddity == "pending"
    entry = book(box, account, "refund", id, -amount, charge["currency"])
    refund: Obj = {
        "id": id,
        "object": KIND,
        "amount": amount,
        "balance_transaction": entry["id"],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "metadata": new_metadata(params),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if pending else "succeeded",
        "transfer_reversal": None,
        "_due": now + DECIDED_AFTER if oddity else None,
        "_fate": {"pending": "succeeded", "failing": "failed"}.get(oddity),
    }
    if by_card:
        refund["destination_details"] = _to_card()
    if pending:
        refund["pending_reason"] = "processing"
    return refund


def _to_card() -> Obj:
    return {
        "card": {
            "reference": ids.letters(16).upper(),
            "reference_status": "available",
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        },
        "type": "card",
    }


def settle_due(box: Box) -> int:
    """Decide the odd refunds whose time has come, with their events; how many there were."""
    return each_due(box, KIND, lambda account, refund: _decide(box, account, refund))


def _decide(box: Box, account: str, refund: Obj) -> None:
    refund.update(_due=None, status=refund["_fate"])
    refund.pop("pending_reason", None)
    if refund["status"] == "failed":
        back = book(box, account, "refund_failure", refund["id"], refund["amount"], refund["currency"])
        refund.update(failure_reason="unknown", failure_balance_transaction=back["id"])
        charge = fetch(box, account, CHARGE, refund["charge"])
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        save_changed(box, account, charge, "charge.updated")
    save_changed(box, account, refund, "refund.updated")
    if refund["status"] == "failed":
        box.emit(account, "refund.failed", refund)


@route("GET", "/v1/refunds")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {name: params.get(name) for name in ("charge", "payment_intent")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/refunds/{refund}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "refund", "id")


@route("POST", "/v1/refunds/{refund}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    refund = fetch(box, account, KIND, call.arg(), "refund", "id")
    if "metadata" in params:
        merge_metadata(refund, params["metadata"])
    return save_changed(box, account, refund, "refund.updated")


@route("POST", "/v1/refunds/{refund}/cancel")
def cancel(box: Box, account: str, params: Params, call: Call) -> Obj:
    fetch(box, account, KIND, call.arg(), "refund", "id")
    # Only methods that ask the buyer for bank details ever wait in requires_action, and cards never do.
    raise errors.invalid("Canceling this refund is unsupported.")
