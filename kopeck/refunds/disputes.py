"""Disputes as facts on the order: amount, reason, deadline, how it ended. They never change an order's state.

Stripe's dispute is asked about again at every event and goes forward only: opened, answered, closed.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from kopeck.money import in_words
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds.models import Dispute
from kopeck.refunds.signals import dispute_changed
from kopeck.refunds.sync import payment_of
from kopeck.sentences import Sentence
from kopeck.stripe_api.client import gateway

log = logging.getLogger(__name__)
DISPUTED = Sentence("The buyer's bank disputes %(amount)s (%(reason)s): %(status)s.")
DISPUTE_NOW = Sentence("The dispute about %(amount)s is now: %(status)s.")


def learn(account: str, stripe_id: str) -> Dispute | None:
    """Asks Stripe about a dispute; None if it is none of this shop's. StripeUnavailable, StripeRefused."""
    answer = gateway(account).retrieve("dispute", stripe_id)
    payment = payment_of(account, answer)
    return apply(payment, answer) if payment else None


def apply(payment: Payment, answer: dict[str, Any]) -> Dispute:
    """Writes what Stripe says of a dispute."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=payment.order_id)
        known = Dispute.objects.filter(account=payment.account, stripe_id=answer["id"]).first()
        dispute = known or Dispute(
            order=order,
            payment=payment,
            account=payment.account,
            stripe_id=answer["id"],
            opened=datetime.fromtimestamp(answer["created"], UTC),
        )
        before = dispute.status
        dispute.asked_at = timezone.now()
        if known is None or Dispute.rank(answer["status"]) >= Dispute.rank(before):
            _read(dispute, answer)
        dispute.save()
        if dispute.status != before:
            _tell(order, dispute, is_new=known is None)
            dispute_changed.send(Dispute, dispute=dispute, order=order)
    return dispute


def _read(dispute: Dispute, answer: dict[str, Any]) -> None:
    evidence = answer.get("evidence_details") or {}
    due_by = evidence.get("due_by")
    dispute.status, dispute.reason = answer["status"], answer["reason"]
    dispute.amount, dispute.currency = answer["amount"], answer["currency"]
    dispute.due_by = datetime.fromtimestamp(due_by, UTC) if due_by else None
    dispute.has_evidence = bool(evidence.get("has_evidence"))
    # Stripe does not say when it was closed: when we first heard of it.
    dispute.closed = (dispute.closed or timezone.now()) if dispute.status in Dispute.CLOSED else None


def _tell(order: Order, dispute: Dispute, *, is_new: bool) -> None:
    amount = in_words(dispute.amount, dispute.currency)
    if is_new:
        log.error("order %s is disputed: %s, %s", order.pk, amount, dispute.why)
        order.note(DISPUTED(amount=amount, reason=dispute.why, status=dispute.get_status_display))
    else:
        order.note(DISPUTE_NOW(amount=amount, status=dispute.get_status_display))
