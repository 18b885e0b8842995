"""Disputes: a bank takes money back, the merchant answers, the bank decides. Amounts in minor units.

The test cards that are disputed open one, as does `/_sandbox/`. Evidence that says `winning_evidence` or
`losing_evidence` decides it at once (docs.stripe.com/testing#disputes); no answer in time loses it.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.balance_transactions import book
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.server.routes import Call, Params, each_due, fetch, listing, merge_metadata, route

KIND = "dispute"
INQUIRY = "inquiry"
ANSWER_WITHIN = 9 * 24 * 3600
FEE = 1500
REASONS = (
    "bank_cannot_process check_returned credit_not_processed customer_initiated debit_not_authorized "
    "duplicate fraudulent general incorrect_account_details insufficient_funds noncompliant "
    "product_not_received product_unacceptable subscription_canceled unrecognized"
).split()
UNANSWERED = ("needs_response", "warning_needs_response")
OPEN = (*UNANSWERED, "under_review", "warning_under_review")
VERDICTS = {"winning_evidence": True, "losing_evidence": False}
FILES = (
    "cancellation_policy customer_communication customer_signature duplicate_charge_documentation receipt "
    "refund_policy service_documentation shipping_documentation uncategorized_file"
).split()
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
    dispute = _build(charge, reason, box.clock.now())
    # An inquiry is not a chargeback yet: its charge can still be refunded.
    charge.update(disputed=True, _charged_back=reason != INQUIRY)
    box.store.save(account, charge)
    if reason == INQUIRY:
        return insert_new(box, account, dispute, "charge.dispute.created")
    lost, currency = -dispute["amount"], dispute["currency"]
    entry = book(box, account, "adjustment", dispute["id"], lost, currency, fee=FEE, category="dispute")
    dispute["balance_transactions"] = [entry]
    insert_new(box, account, dispute, "charge.dispute.created")
    box.emit(account, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def check_disputable(box: Box, account: str, charge: Obj) -> None:
    """Refuse what no bank could take back: StripeError (400)."""
    details = charge["payment_method_details"]
    if charge["status"] != "succeeded" or not charge["captured"] or charge["refunded"]:
        raise errors.invalid(f"Charge {charge['id']} has no money that could be taken back.", param="charge")
    if details["type"] != "card":
        raise errors.invalid("The local sandbox disputes card payments only.", param="charge")
    found, _ = box.store.list(account, KIND, where={"charge": charge["id"]})
    if found:
        raise errors.invalid(f"Charge {charge['id']} has been disputed already.", param="charge")


def decide(box: Box, account: str, dispute: Obj, *, won: bool) -> Obj:
    """The bank's word: the money comes back, or it doesn't; an inquiry just ends."""
    inquiry = dispute["status"].startswith("warning_")
    dispute.update(status="warning_closed" if inquiry else "won" if won else "lost", _due=None)
    dispute["is_charge_refundable"] = inquiry
    if won and not inquiry:
        amount, currency = dispute["amount"], dispute["currency"]
        back = book(
            box, account, "adjustment", dispute["id"], amount, currency, fee=-FEE, category="dispute_reversal"
        )
        dispute["balance_transactions"].append(back)
        charge = fetch(box, account, "charge", dispute["charge"])
        box.store.save(account, {**charge, "_charged_back": False})
    box.store.save(account, dispute)
    if dispute["status"] == "won":
        box.emit(account, "charge.dispute.funds_reinstated", dispute)
    box.emit(account, "charge.dispute.closed", dispute)
    return dispute


def end_due(box: Box) -> int:
    """Whatever nobody has answered in time is lost (an inquiry ends); how many there were."""

    def end(account: str, dispute: Obj) -> None:
        dispute["evidence_details"]["past_due"] = True
        decide(box, account, dispute, won=False)

    return each_due(box, KIND, end)


def _build(charge: Obj, reason: str, now: int) -> Obj:
    inquiry = reason == INQUIRY
    card = charge["payment_method_details"]["card"]
    return {
        "id": ids.new("du"),
        "object": KIND,
        "amount": charge["amount"] - charge["amount_refunded"],
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
        "_due": now + ANSWER_WITHIN,
    }


def _card(card: Obj, reason: str) -> Obj:
    return {
        "brand": card["brand"],
        "case_type": "inquiry" if reason == INQUIRY else "chargeback",
        "network": card["network"],
        "network_reason_code": {"fraudulent": "10.4", INQUIRY: "10"}.get(reason, "13.1"),
    }


@route("GET", "/v1/disputes")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {name: params.get(name) for name in ("charge", "payment_intent")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/disputes/{dispute}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "dispute", "dispute")


@route("POST", "/v1/disputes/{dispute}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    dispute = fetch(box, account, KIND, call.arg(), "dispute", "dispute")
    if "metadata" in params:
        merge_metadata(dispute, params["metadata"])
    evidence = params.get("evidence")
    if evidence is None and "submit" not in params:
        return save_changed(box, account, dispute, "charge.dispute.updated")
    _check_open(dispute)
    if dispute["status"] not in UNANSWERED:
        raise errors.invalid(
            f"This dispute's evidence cannot be changed because the dispute has a status of "
            f"{dispute['status']}."
        )
    _take_evidence(dispute, evidence or {})
    submitted = params.get("submit", True)
    if submitted:
        dispute["evidence_details"]["submission_count"] += 1
        dispute.update(status=dispute["status"].replace("needs_response", "under_review"), _due=None)
    save_changed(box, account, dispute, "charge.dispute.updated")
    verdict = VERDICTS.get(dispute["evidence"]["uncategorized_text"] or "")
    return decide(box, account, dispute, won=verdict) if submitted and verdict is not None else dispute


def _check_open(dispute: Obj) -> None:
    if dispute["status"] in ("won", "lost", "warning_closed"):
        raise errors.invalid("This dispute is already closed")


def _take_evidence(dispute: Obj, evidence: Params) -> None:
    for name in ("enhanced_evidence", *FILES):
        if evidence.get(name):
            raise errors.invalid(
                f"The local sandbox keeps evidence in words only, not {name}.",
                code="sandbox_not_supported",
                param=f"evidence[{name}]",
            )
    dispute["evidence"] |= evidence
    given = (value for name, value in dispute["evidence"].items() if name != "enhanced_evidence")
    dispute["evidence_details"]["has_evidence"] = any(given)


@route("POST", "/v1/disputes/{dispute}/close")
def close(box: Box, account: str, params: Params, call: Call) -> Obj:
    dispute = fetch(box, account, KIND, call.arg(), "dispute", "dispute")
    _check_open(dispute)
    if dispute["status"] != "needs_response":
        raise errors.invalid(
            f"This dispute cannot be closed because it has a status of {dispute['status']}. Only a dispute "
            "with the following status can be closed: needs_response."
        )
    return decide(box, account, dispute, won=False)
