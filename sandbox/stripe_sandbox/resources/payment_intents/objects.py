"""The PaymentIntent object: built, cancelled, captured, for the API and for Checkout."""

from __future__ import annotations

from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import charges
from stripe_sandbox.resources.balance_transactions import settle
from stripe_sandbox.resources.payment_intents import offered
from stripe_sandbox.server.routes import Params, new_metadata

KIND = "payment_intent"
# Parameters that are kept and shown as they came.
ECHOED = (
    "allowed_payment_method_types customer customer_account description excluded_payment_method_types "
    "receipt_email setup_future_usage shipping statement_descriptor statement_descriptor_suffix "
    "transfer_group"
).split()
# Fields of a new intent that nothing has happened to yet, or that stay so in the sandbox.
EMPTY = (
    "application application_fee_amount canceled_at cancellation_reason last_payment_error latest_charge "
    "next_action on_behalf_of payment_method payment_method_configuration_details processing review "
    "transfer_data"
).split()


def build(box: Box, account: str, params: Params, *, session: str | None = None) -> Obj:
    """A new intent of checked `params` (`amount` and `currency` at least), kept; its event is emitted."""
    id = ids.new("pi")
    intent: Obj = {
        "id": id,
        "object": KIND,
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": _automatic(params),
        "capture_method": params.get("capture_method", "automatic_async"),
        "source": None,
        "client_secret": f"{id}_secret_{ids.letters(25)}",
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": box.clock.now(),
        "currency": params["currency"],
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": new_metadata(params),
        "payment_method_options": payment_method_options(params.get("payment_method_options")),
        "status": "requires_payment_method",
        **dict.fromkeys(EMPTY),
        **{name: params.get(name) for name in ECHOED},
        "_session": session,
    }
    intent["payment_method_types"] = offered.types(box, intent, intent["capture_method"], "PaymentIntent")
    box.store.insert(account, intent)
    box.emit(account, "payment_intent.created", intent)
    return intent


def payment_method_options(given: Params | None) -> Obj:
    """Cards' options, with Stripe's defaults."""
    card: dict[str, Any] = {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": "automatic",
    }
    return {"card": card | ((given or {}).get("card") or {})}


def _automatic(params: Params) -> Obj:
    given = params.get("automatic_payment_methods") or {}
    return {"allow_redirects": given.get("allow_redirects", "always"), "enabled": given.get("enabled", True)}


def cancel(box: Box, account: str, intent: Obj, reason: str | None) -> Obj:
    """Cancel an intent that can be cancelled; money held by an authorization is let go."""
    held = box.store.get(account, charges.KIND, intent["latest_charge"]) if intent["latest_charge"] else None
    if held and intent["status"] == "requires_capture":
        held.update(refunded=True, amount_refunded=held["amount"])
        box.store.save(account, held)
        box.emit(account, "charge.refunded", held, previous={"amount_refunded": 0, "refunded": False})
    intent.update(
        status="canceled",
        canceled_at=box.clock.now(),
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
    )
    box.store.save(account, intent)
    box.emit(account, "payment_intent.canceled", intent)
    return intent


def capture(box: Box, account: str, intent: Obj, amount: int) -> Obj:
    """Take the money that an authorization holds, or a part of it; the rest is let go."""
    charge = box.store.get(account, charges.KIND, intent["latest_charge"])
    assert charge is not None  # noqa: S101 - an intent that requires capture has its charge
    charge.update(captured=True, amount_captured=amount, amount_refunded=charge["amount"] - amount)
    settle(box, account, charge)
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    box.store.save(account, intent)
    session = box.store.get(account, "checkout.session", intent["_session"]) if intent["_session"] else None
    if session:
        box.store.save(account, {**session, "payment_status": "paid"})
    box.emit(account, "charge.captured", charge)
    box.emit(account, "payment_intent.succeeded", intent)
    return intent
