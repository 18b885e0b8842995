"""Taking money: what happens to a PaymentIntent when a card is tried on it.

Used by the API's confirm, by the hosted page and by /_sandbox/. Runs inside the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core.errors import DOCS, StripeError
from stripe_sandbox.core.store import Obj, shown
from stripe_sandbox.resources import charges, disputes, payment_methods
from stripe_sandbox.resources.balance_transactions import settle
from stripe_sandbox.rules import debits
from stripe_sandbox.rules.cards import AUTHENTICATION_REQUIRED, Decline, TestCard

UNAUTHENTICATED = Decline(
    "payment_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method and try "
    "again.",
)


@dataclass(frozen=True)
class PayOutcome:
    """How a try to pay ended. `kind`: paid, processing, declined, requires_action (a 3-D Secure challenge is
    to be passed or failed: try again with `authenticated`), closed (there is nothing to pay any more)."""

    kind: str
    message: str | None = None
    code: str | None = None
    decline_code: str | None = None
    redirect_url: str | None = None


def attempt(
    box: Box,
    account: str,
    intent: Obj,
    method: Obj,
    *,
    authenticated: bool | None,
    base_url: str,
    url: str = "",
    off_session: bool = False,
    asking_fails: bool = False,
) -> PayOutcome:
    """Try a payment method on an intent and save what comes of it, with all events. `authenticated` None
    means that nobody has been asked yet; `url` is where a challenge leads back to (then next_action is a
    redirect). `off_session`: there is nobody to ask; `asking_fails`: who is there shall not be asked."""
    if method["type"] == debits.TYPE:
        return _begin_debit(box, account, intent, method, base_url)
    test_card = payment_methods.behaviour(method)
    asks = test_card.three_d_secure == "challenge" or (
        test_card.three_d_secure != "" and not (off_session and method.get("_set_up"))
    )
    if asks and authenticated is None and (off_session or asking_fails):
        test_card = replace(test_card, decline=AUTHENTICATION_REQUIRED)
    elif asks and authenticated is None:
        _ask(box, account, intent, method, base_url, url)
        return PayOutcome("requires_action")
    elif asks and not authenticated:
        fail(box, account, intent, method, UNAUTHENTICATED, None)
        return PayOutcome("declined", UNAUTHENTICATED.message, UNAUTHENTICATED.code)
    charge = charges.make(
        box, account, intent, method, test_card, authenticated=bool(authenticated), base_url=base_url
    )
    decline = test_card.decline
    if decline:
        fail(box, account, intent, method, decline, charge)
        return PayOutcome("declined", decline.message, decline.code, decline.decline_code)
    _succeed(box, account, intent, method, charge, test_card)
    return PayOutcome("paid")


def card_error(intent: Obj, outcome: PayOutcome) -> StripeError:
    """The 402 that the API answers for a declined confirm; what the decline left behind stays."""
    known = (intent["last_payment_error"] or {}) | {}
    return StripeError(
        402,
        "card_error",
        outcome.message or "",
        code=outcome.code,
        keeps_work=True,
        payment_intent=shown(intent),
        **{
            name: known[name]
            for name in ("advice_code", "charge", "decline_code", "network_decline_code", "payment_method")
            if name in known
        },
    )


def _ask(box: Box, account: str, intent: Obj, method: Obj, base_url: str, return_url: str) -> None:
    address = f"{base_url}/c/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url:
        redirect = {"return_url": return_url, "url": address}
        intent["next_action"] = {"redirect_to_url": redirect, "type": "redirect_to_url"}
    else:
        sdk = {"stripe_js": address, "type": "three_d_secure_redirect"}
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    intent.update(status="requires_action", payment_method=method["id"], last_payment_error=None)
    box.store.save(account, intent)
    box.emit(account, "payment_intent.requires_action", intent)


def _begin_debit(box: Box, account: str, intent: Obj, method: Obj, base_url: str) -> PayOutcome:
    """The bank is asked for the money; `settling.py` says what comes of it."""
    charge = charges.make_debit(box, account, intent, method, base_url=base_url)
    intent.update(
        status="processing",
        latest_charge=charge["id"],
        payment_method=method["id"],
        next_action=None,
        last_payment_error=None,
    )
    box.store.save(account, intent)
    box.emit(account, "charge.pending", charge)
    box.emit(account, "payment_intent.processing", intent)
    return PayOutcome("processing")


def fail(box: Box, account: str, intent: Obj, method: Obj, decline: Decline, charge: Obj | None) -> None:
    """Nothing came of a try: the intent waits for another method, and says why."""
    error: dict[str, Any] = {
        "advice_code": decline.advice_code,
        "charge": charge["id"] if charge else None,
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": DOCS + decline.code.replace("_", "-"),
        "message": decline.message,
        "network_decline_code": decline.network_decline_code,
        "payment_method": shown(method),
        "type": "card_error" if charge else "invalid_request_error",
    }
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error={name: value for name, value in error.items() if value is not None},
    )
    if charge:
        intent["latest_charge"] = charge["id"]
    box.store.save(account, intent)
    if charge:
        box.emit(account, "charge.failed", charge)
    box.emit(account, "payment_intent.payment_failed", intent)


def keep_method(box: Box, account: str, intent: Obj, method: Obj) -> None:
    """After a payment: saved for its customer where that was asked for, else used up by it."""
    if intent["setup_future_usage"] and intent["customer"]:
        if method["customer"] is None:
            payment_methods.save_for(box, account, method, intent["customer"])
    elif method["customer"] is None and not intent["setup_future_usage"]:
        box.store.save(account, {**method, "_used_up": True})


def _succeed(box: Box, account: str, intent: Obj, method: Obj, charge: Obj, test_card: TestCard) -> None:
    intent.update(
        latest_charge=charge["id"], payment_method=method["id"], next_action=None, last_payment_error=None
    )
    if charge["captured"]:
        settle(box, account, charge)
        intent.update(status="succeeded", amount_received=charge["amount"], amount_capturable=0)
    else:
        intent.update(status="requires_capture", amount_capturable=charge["amount"])
    box.store.save(account, intent)
    keep_method(box, account, intent, method)
    box.emit(account, "charge.succeeded", charge)
    if test_card.dispute and charge["captured"]:  # Stripe tells of it before it tells of the intent
        disputes.open_dispute(box, account, charge, test_card.dispute)
    ending = "succeeded" if charge["captured"] else "amount_capturable_updated"
    box.emit(account, f"payment_intent.{ending}", intent)
