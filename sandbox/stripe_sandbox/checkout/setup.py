"""`mode=setup`: a card saved for later payments, with nothing to pay now."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.buyer import Buyer
from stripe_sandbox.core import errors
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import payment_methods, setup_intents
from stripe_sandbox.resources.payment_intents.charging import PayOutcome
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.rules.debits import BankAccount
from stripe_sandbox.server.routes import Params, fetch

#: What only a payment has.
OF_A_PAYMENT = (
    "allow_promotion_codes automatic_tax discounts invoice_creation line_items payment_intent_data "
    "shipping_options submit_type"
).split()


def check(params: Params) -> None:
    """Refuse what does not fit the mode, in either of the two modes that there are."""
    mode = params["mode"]
    wrong = [name for name in OF_A_PAYMENT if name in params] if mode == "setup" else []
    if mode == "payment" and "setup_intent_data" in params:
        wrong = ["setup_intent_data"]
    if wrong:
        raise errors.invalid(f"You can not pass `{wrong[0]}` in `{mode}` mode.", param=wrong[0])
    if mode == "setup" and not params.keys() & {"currency", "allowed_payment_method_types"}:
        raise errors.missing_param("currency")
    if "on_behalf_of" in (params.get("setup_intent_data") or {}):
        raise errors.invalid(
            "The local sandbox does not have on_behalf_of of Checkout Sessions, though Stripe does.",
            code="sandbox_not_supported",
            param="setup_intent_data[on_behalf_of]",
        )


def begin(box: Box, account: str, session: Obj, params: Params) -> None:
    """Give a new session its SetupIntent in place of sums."""
    wanted = {
        "customer": session["customer"],
        "allowed_payment_method_types": session["allowed_payment_method_types"],
        "excluded_payment_method_types": session["excluded_payment_method_types"] or None,
        **(params.get("setup_intent_data") or {}),
    }
    intent = setup_intents.build(box, account, wanted, session=session["id"])
    session |= {
        "currency": params.get("currency"),
        "payment_method_collection": "always",
        "payment_method_types": intent["payment_method_types"],
        "payment_status": "no_payment_required",
        "setup_intent": intent["id"],
        **dict.fromkeys(("amount_subtotal", "amount_total", "total_details")),
    }


def save(
    box: Box,
    account: str,
    session: Obj,
    card: Card | BankAccount,
    buyer: Buyer,
    authenticated: bool | None,
) -> PayOutcome:
    """Try to save a card; `paid` once it is. The outcome as of `sessions.pay_session`."""
    if isinstance(card, BankAccount):
        return PayOutcome("declined", "The local sandbox saves cards only.", "invalid_bank_account_iban")
    intent = fetch(box, account, setup_intents.KIND, session["setup_intent"])
    try:
        method = payment_methods.make(box, account, card, billing=buyer.billing())
        status = setup_intents.attempt(
            box, account, intent, method, authenticated=authenticated, base_url=session["_base_url"]
        )
    except StripeError as error:
        return PayOutcome("declined", error.message, error.code, error.extra.get("decline_code"))
    if status == "requires_action":
        return PayOutcome("requires_action")
    if status == "succeeded":
        return PayOutcome("paid")
    unauthenticated = setup_intents.UNAUTHENTICATED
    return PayOutcome("declined", unauthenticated.message, unauthenticated.code)
