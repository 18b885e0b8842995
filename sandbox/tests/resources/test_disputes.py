"""Disputes: opened by the buyer's bank, answered with evidence, won or lost; what the balance says of it."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import event_types
from sandbox_testing.own import control, own_sandbox
from sandbox_testing.server import CheckedSandbox


def make_charge(client: stripe.StripeClient, method: str = "pm_card_visa", amount: int = 1000) -> str:
    params: Any = {
        "amount": amount,
        "currency": "usd",
        "payment_method": method,
        "confirm": True,
        "allowed_payment_method_types": ["card"],
    }
    return str(client.v1.payment_intents.create(params).latest_charge)


def dispute(sandbox: CheckedSandbox, charge: str, reason: str = "fraudulent") -> str:
    status, answer = control(sandbox.url, "POST", f"charges/{charge}/dispute", {"reason": reason})
    assert status == 200, answer
    return str(answer["id"])


def verdict(sandbox: CheckedSandbox, id: str, status: str) -> Any:
    return control(sandbox.url, "POST", f"disputes/{id}/close", {"status": status})


def balance(client: stripe.StripeClient) -> list[tuple[str, int, int]]:
    """(reporting category, amount, fee) of what happened, oldest first."""
    entries = client.v1.balance_transactions.list().data[::-1]
    return [(entry.reporting_category, entry.amount, entry.fee) for entry in entries]


def test_a_dispute_takes_the_money_and_a_fee_at_once(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    charge = make_charge(client)
    opened = client.v1.disputes.retrieve(dispute(sandbox, charge, "product_not_received"))
    assert (opened.status, opened.reason, opened.amount) == ("needs_response", "product_not_received", 1000)
    assert (opened.charge, opened.is_charge_refundable) == (charge, False)
    assert opened.evidence_details.due_by is not None
    assert opened.evidence_details.due_by > opened.created
    assert client.v1.charges.retrieve(charge).disputed is True
    assert balance(client)[-1] == ("dispute", -1000, 1500)
    assert event_types(client)[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    listed = client.v1.disputes.list({"charge": charge, "expand": ["data.charge"]}).data
    assert [found.id for found in listed] == [opened.id]


def test_a_won_dispute_brings_money_and_fee_back(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    charge = make_charge(client)
    id = dispute(sandbox, charge)
    status, answer = verdict(sandbox, id, "won")
    assert (status, answer["status"]) == (200, "won")
    won = client.v1.disputes.retrieve(id)
    assert [entry.net for entry in won.balance_transactions] == [-2500, 2500]
    assert balance(client)[-1] == ("dispute_reversal", 1000, -1500)
    assert event_types(client)[-2:] == ["charge.dispute.funds_reinstated", "charge.dispute.closed"]
    assert client.v1.refunds.create({"charge": charge}).status == "succeeded"


def test_a_lost_dispute_leaves_the_money_gone(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    charge = make_charge(client)
    id = dispute(sandbox, charge)
    before = balance(client)
    assert verdict(sandbox, id, "lost")[1]["status"] == "lost"
    assert balance(client) == before
    assert event_types(client)[-1] == "charge.dispute.closed"
    assert "charge.dispute.funds_reinstated" not in event_types(client)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge})
    assert caught.value.code == "charge_disputed"


def test_a_verdict_is_final(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    id = dispute(sandbox, make_charge(client))
    verdict(sandbox, id, "won")
    before = event_types(client)
    assert verdict(sandbox, id, "lost")[0] == 409
    for ask in (
        lambda: client.v1.disputes.close(id),
        lambda: client.v1.disputes.update(id, {"evidence": {"product_description": "Tea"}}),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="This dispute is already closed"):
            ask()
    assert event_types(client) == before


def test_evidence_is_staged_then_submitted_once(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    id = dispute(sandbox, make_charge(client))
    staged = client.v1.disputes.update(
        id, {"evidence": {"product_description": "Tea"}, "submit": False, "metadata": {"who": "Ann"}}
    )
    assert (staged.status, staged.evidence_details.submission_count) == ("needs_response", 0)
    assert staged.evidence_details.has_evidence is True
    sent = client.v1.disputes.update(id, {"evidence": {"customer_name": "Ada"}, "submit": True})
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
    assert (sent.evidence.product_description, sent.evidence.customer_name) == ("Tea", "Ada")
    [last] = client.v1.events.list({"limit": 1}).data
    assert last.type == "charge.dispute.updated"
    assert last.data.previous_attributes is not None
    assert last.data.previous_attributes["status"] == "needs_response"
    with pytest.raises(stripe.InvalidRequestError, match="status of under_review"):
        client.v1.disputes.update(id, {"evidence": {"customer_name": "Grace"}})
    assert client.v1.disputes.update(id, {"metadata": {"who": "Grace"}}).metadata["who"] == "Grace"
    assert verdict(sandbox, id, "won")[1]["status"] == "won"


@pytest.mark.parametrize(("words", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_stripe_s_magic_evidence_decides_at_once(
    client: stripe.StripeClient, sandbox: CheckedSandbox, words: str, status: str
) -> None:
    id = dispute(sandbox, make_charge(client))
    assert client.v1.disputes.update(id, {"evidence": {"uncategorized_text": words}}).status == status


def test_files_as_evidence_are_refused_in_words(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    id = dispute(sandbox, make_charge(client))
    with pytest.raises(stripe.InvalidRequestError, match="evidence in words only"):
        client.v1.disputes.update(id, {"evidence": {"receipt": "file_123"}})
    assert client.v1.disputes.retrieve(id).status == "needs_response"


def test_closing_a_dispute_gives_it_up(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    id = dispute(sandbox, make_charge(client))
    assert client.v1.disputes.close(id).status == "lost"


def test_an_inquiry_takes_no_money_and_can_be_refunded_and_ends(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    charge = make_charge(client, "pm_card_createDisputeInquiry")
    [inquiry] = client.v1.disputes.list().data
    assert (inquiry.status, inquiry.is_charge_refundable) == ("warning_needs_response", True)
    assert inquiry.payment_method_details is not None
    assert inquiry.payment_method_details.card is not None
    assert inquiry.payment_method_details.card.case_type == "inquiry"
    assert [kind for kind, _, _ in balance(client)] == ["charge"]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(inquiry.id)
    answered = client.v1.disputes.update(inquiry.id, {"evidence": {"customer_name": "Ada"}})
    assert answered.status == "warning_under_review"
    assert client.v1.refunds.create({"charge": charge, "amount": 400}).status == "succeeded"
    assert verdict(sandbox, inquiry.id, "won")[1]["status"] == "warning_closed"
    assert "charge.dispute.funds_reinstated" not in event_types(client)


def test_only_what_was_not_refunded_is_disputed(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    charge = make_charge(client)
    client.v1.refunds.create({"charge": charge, "amount": 300})
    assert client.v1.disputes.retrieve(dispute(sandbox, charge)).amount == 700


def test_a_charge_without_money_cannot_be_disputed_nor_one_twice(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    refunded = make_charge(client)
    client.v1.refunds.create({"charge": refunded})
    twice = make_charge(client)
    dispute(sandbox, twice)
    for charge in (refunded, twice):
        assert control(sandbox.url, "POST", f"charges/{charge}/dispute")[0] == 400
    assert control(sandbox.url, "POST", "charges/ch_nothing/dispute")[0] == 404
    assert control(sandbox.url, "POST", f"charges/{make_charge(client)}/dispute", {"reason": "x"})[0] == 400
    assert len(client.v1.disputes.list().data) == 1


def test_a_dispute_that_is_not_answered_in_time_is_lost() -> None:
    with own_sandbox() as own:
        charge = make_charge(own.client)
        _, opened = own.control("POST", f"charges/{charge}/dispute")
        make_charge(own.client, "pm_card_createDisputeInquiry")
        own.control("POST", "clock/advance", {"seconds": 8 * 86400})
        assert own.client.v1.disputes.retrieve(opened["id"]).status == "needs_response"
        own.control("POST", "clock/advance", {"seconds": 2 * 86400})
        late = own.client.v1.disputes.retrieve(opened["id"])
        assert (late.status, late.evidence_details.past_due) == ("lost", True)
        assert {found.status for found in own.client.v1.disputes.list().data} == {"lost", "warning_closed"}


def test_a_refund_on_the_dashboard_is_a_refund_like_any(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    charge = make_charge(client)
    status, refund = control(sandbox.url, "POST", f"charges/{charge}/refund", {"amount": 300})
    assert (status, refund["amount"], refund["object"]) == (200, 300, "refund")
    assert control(sandbox.url, "POST", f"charges/{charge}/refund", {"amount": 800})[0] == 400
    assert control(sandbox.url, "POST", f"charges/{charge}/refund")[1]["amount"] == 700
    assert client.v1.charges.retrieve(charge).refunded is True
    assert event_types(client)[-2:] == ["refund.created", "charge.refunded"]
    status, refusal = control(sandbox.url, "POST", f"charges/{charge}/refund")
    assert (status, refusal["error"]["code"]) == (400, "charge_already_refunded")
