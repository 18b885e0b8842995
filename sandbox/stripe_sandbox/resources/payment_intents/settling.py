"""Delayed payments: a debit is on its way for a while, then its money has come, or will not come.

Runs inside the caller's transaction. Events as docs.stripe.com/payments/sepa-debit and /checkout/fulfillment
name them: `processing` at first; at the end `charge.*`, `payment_intent.*`, and for a Checkout Session
`checkout.session.async_payment_succeeded` or `..._failed`.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import charges, payment_methods
from stripe_sandbox.resources.balance_transactions import settle
from stripe_sandbox.resources.payment_intents.charging import fail
from stripe_sandbox.rules import debits
from stripe_sandbox.server.routes import each_due, fetch

INTENT, SESSION = "payment_intent", "checkout.session"


def pending_charge(box: Box, account: str, intent: Obj) -> Obj | None:
    """The charge that an intent waits for; None where it waits for none."""
    if intent["status"] != "processing":
        return None
    return box.store.get(account, charges.KIND, intent["latest_charge"])


def settle_due(box: Box) -> int:
    """Decide the debits whose time has come; how many there were."""
    return each_due(box, charges.KIND, lambda account, charge: decide(box, account, charge))


def decide(box: Box, account: str, charge: Obj, *, succeeds: bool | None = None) -> None:
    """End a pending charge, with all events; None leaves it to the test account it is drawn on."""
    debit = debits.BY_IBAN[charge["_iban"]]
    if succeeds is None:
        succeeds = debit.failure is None
    intent = fetch(box, account, INTENT, charge["payment_intent"])
    charge["_due"] = None
    if succeeds:
        _succeed(box, account, intent, charge)
    else:
        failure = debit.failure or debits.NO_MONEY
        charge.update(
            status="failed",
            paid=False,
            captured=False,
            amount_captured=0,
            failure_code=failure.code,
            failure_message=failure.message,
            outcome=charges.outcome(failure),
        )
        box.store.save(account, charge)
        method = fetch(box, account, payment_methods.KIND, charge["payment_method"])
        fail(box, account, intent, method, failure, charge)
    if intent["_session"]:
        _tell_session(box, account, intent["_session"], succeeds)


def _succeed(box: Box, account: str, intent: Obj, charge: Obj) -> None:
    charge.update(status="succeeded", paid=True)
    settle(box, account, charge)
    intent.update(status="succeeded", amount_received=charge["amount"])
    box.store.save(account, intent)
    box.emit(account, "charge.succeeded", charge)
    box.emit(account, "payment_intent.succeeded", intent)


def _tell_session(box: Box, account: str, session_id: str, succeeds: bool) -> None:
    session = fetch(box, account, SESSION, session_id)
    if succeeds:
        session["payment_status"] = "paid"
        box.store.save(account, session)
    box.emit(account, f"checkout.session.async_payment_{'succeeded' if succeeds else 'failed'}", session)
