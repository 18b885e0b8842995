"""Charges, taken or tried: made by `charging.py`, read and annotated here. Amounts in minor units."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.events import save_changed
from stripe_sandbox.rules import cards, debits
from stripe_sandbox.rules.cards import Decline, TestCard
from stripe_sandbox.server.routes import Call, Params, fetch, includable, listing, merge_metadata, route

KIND = "charge"
# Always there, and always so in the sandbox.
PLAIN: Obj = {
    "amount_refunded": 0,
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "balance_transaction": None,
    "calculated_statement_descriptor": "SANDBOX",
    "disputed": False,
    "failure_balance_transaction": None,
    "fraud_details": {},
    "livemode": False,
    "on_behalf_of": None,
    "radar_options": {},
    "receipt_number": None,
    "refunded": False,
    "review": None,
    "source": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "transfer_data": None,
}
OF_THE_INTENT = (
    "amount currency customer description metadata receipt_email shipping statement_descriptor_suffix "
    "transfer_group _session"
).split()

# How long a debit is on its way; advance the clock to see it end.
DEBITED_AFTER = 180


def make(
    box: Box,
    account: str,
    intent: Obj,
    method: Obj,
    test_card: TestCard,
    *,
    authenticated: bool,
    base_url: str,
) -> Obj:
    """A new charge of an intent on a card, kept: succeeded, authorized (manual capture), or failed."""
    decline = test_card.decline
    captured = decline is None and intent["capture_method"] != "manual"
    charge: Obj = _of_intent(box, intent, method) | {
        "amount_captured": intent["amount"] if captured else 0,
        "captured": captured,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "outcome": outcome(decline),
        "paid": decline is None,
        "payment_method_details": {
            "card": _card_details(intent, method, test_card, authenticated),
            "type": "card",
        },
        "status": "failed" if decline else "succeeded",
        "_test_card": method["_test_card"],
    }
    charge["receipt_url"] = f"{base_url}/c/receipt/{charge['id']}" if decline is None else None
    box.store.insert(account, charge)
    return charge


def make_debit(box: Box, account: str, intent: Obj, method: Obj, *, base_url: str) -> Obj:
    """A new charge of an intent on a bank account, kept: pending."""
    names = ("bank_code", "branch_code", "country", "fingerprint", "last4")
    details = {name: method[debits.TYPE][name] for name in names} | {"mandate": None}
    charge: Obj = _of_intent(box, intent, method) | {
        "amount_captured": intent["amount"],
        "captured": True,
        "failure_code": None,
        "failure_message": None,
        "outcome": outcome(None),
        "paid": False,
        "payment_method_details": {debits.TYPE: details, "type": debits.TYPE},
        "status": "pending",
        "_iban": method["_iban"],
        "_due": box.clock.now() + DEBITED_AFTER,
    }
    charge["receipt_url"] = f"{base_url}/c/receipt/{charge['id']}"
    box.store.insert(account, charge)
    return charge


def _of_intent(box: Box, intent: Obj, method: Obj) -> Obj:
    return {
        **PLAIN,
        **{name: intent[name] for name in OF_THE_INTENT},
        "id": ids.new("ch"),
        "object": KIND,
        "billing_details": method["billing_details"],
        "created": box.clock.now(),
        "payment_intent": intent["id"],
        "payment_method": method["id"],
    }


def outcome(decline: Decline | None) -> Obj:
    """Radar's and the network's view of a charge."""
    if decline is None:
        return {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "risk_score": 20,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    blocked = decline.blocked
    return {
        "advice_code": decline.advice_code,
        "network_advice_code": None,
        "network_decline_code": decline.network_decline_code,
        "network_status": "not_sent_to_network" if blocked else "declined_by_network",
        "reason": "highest_risk_level" if blocked else decline.decline_code,
        "risk_level": "highest" if blocked else "normal",
        "risk_score": 90 if blocked else 20,
        "seller_message": (
            "Stripe blocked this payment as too risky."
            if blocked
            else "The bank did not return any further details."
        ),
        "type": "blocked" if blocked else "issuer_declined",
    }


def _card_details(intent: Obj, method: Obj, test_card: TestCard, authenticated: bool) -> Obj:
    card = method["card"]
    declined = test_card.decline is not None
    checked = "pass" if card["checks"]["cvc_check"] is not None else None
    wrong_cvc = test_card.decline is cards.WRONG_CVC
    names = (
        "brand",
        "country",
        "exp_month",
        "exp_year",
        "fingerprint",
        "funding",
        "last4",
        "regulated_status",
    )
    return {
        **{name: card[name] for name in names},
        "amount_authorized": None if declined else intent["amount"],
        "authorization_code": None if declined else ids.letters(6).upper(),
        "checks": {**card["checks"], "cvc_check": "fail" if wrong_cvc else checked},
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None if declined else ids.letters(15).upper(),
        "overcapture": {
            "maximum_amount_capturable": 0 if declined else intent["amount"],
            "status": "unavailable",
        },
        "three_d_secure": _three_d_secure() if authenticated else None,
        "wallet": None,
    }


def _three_d_secure() -> Obj:
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": ids.letters(36),
        "version": "2.2.0",
    }


@includable(KIND, "refunds")
def refunds(box: Box, account: str, charge: Obj) -> Obj:
    """The last ten refunds of a charge."""
    found, has_more = box.store.list(account, "refund", where={"charge": charge["id"]}, limit=10)
    url = f"/v1/charges/{charge['id']}/refunds"
    return {"object": "list", "data": found, "has_more": has_more, "url": url}


@route("GET", "/v1/charges")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {name: params.get(name) for name in ("customer", "payment_intent", "transfer_group")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/charges/{charge}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "charge", "id")


@route("POST", "/v1/charges/{charge}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    charge = fetch(box, account, KIND, call.arg(), "charge", "id")
    if "metadata" in params:
        merge_metadata(charge, params.pop("metadata"))
    for name in ("description", "receipt_email", "shipping", "transfer_group", "customer"):
        if name in params:
            charge[name] = params.pop(name)
    if report := params.pop("fraud_details", None):
        charge["fraud_details"] = {"user_report": report["user_report"]}
    if params:
        raise errors.invalid(f"The local sandbox cannot change {min(params)}.", param=min(params))
    return save_changed(box, account, charge, "charge.updated")
