"""Disputes: the test cards that are disputed open one; it can be read. Answering it with evidence isn't
here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ids
from .booking import book
from .events import insert_new
from .routes import Call, Params, fetch, listing, route
from .store import Obj

if TYPE_CHECKING:
    from .box import Box

KIND = "dispute"
ANSWER_WITHIN = 9 * 24 * 3600
FEE = 1500
EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure "
    "cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip "
    "customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id "
    "product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation "
    "service_date service_documentation shipping_address shipping_carrier shipping_date "
    "shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text"
).split()


def open_dispute(box: Box, account: str, charge: Obj, reason: str) -> Obj:
    """The buyer's bank disputes a charge: the money leaves at once, except for an inquiry."""
    inquiry = reason == "inquiry"
    dispute = _build(charge, reason, box.clock.now())
    # An inquiry is not a chargeback yet: its charge can still be refunded.
    charge.update(disputed=True, _inquiry=inquiry)
    box.store.save(account, charge)
    if inquiry:
        return insert_new(box, account, dispute, "charge.dispute.created")
    lost, currency = -dispute["amount"], dispute["currency"]
    entry = book(box, account, "adjustment", dispute["id"], lost, currency, fee=FEE, category="dispute")
    dispute["balance_transactions"] = [entry]
    insert_new(box, account, dispute, "charge.dispute.created")
    box.emit(account, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def _build(charge: Obj, reason: str, now: int) -> Obj:
    inquiry = reason == "inquiry"
    card = charge["payment_method_details"]["card"]
    return {
        "id": ids.new("dp"),
        "object": KIND,
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + ANSWER_WITHIN,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {"card": _card(card, reason), "type": "card"},
        "reason": "general" if inquiry else reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def _card(card: Obj, reason: str) -> Obj:
    return {
        "brand": card["brand"],
        "case_type": "inquiry" if reason == "inquiry" else "chargeback",
        "network": card["network"],
        "network_reason_code": "10.4" if reason == "fraudulent" else "13.1",
    }


@route("GET", "/v1/disputes")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {name: params.get(name) for name in ("charge", "payment_intent")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/disputes/{dispute}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "dispute", "id")
