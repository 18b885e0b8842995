"""Payments that need review: Stripe took the money, and no order is paid by it.

The shop refunds by itself what nobody can want (`surplus`, `late`). About another amount than the order's the
owner decides: until then the order waits, and once the money is refunded it can be paid again (`release`).
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds.models import Refund
from kopeck.sentences import Sentence
from kopeck.stripe_api.client import gateway

log = logging.getLogger(__name__)
PAYABLE_AGAIN = Sentence("No payment is under way any more: the order can be paid again.")


@dataclass(frozen=True, slots=True)
class AtStripe:
    """What Stripe took by a payment, and how much of that is not refunded. Minor units of `currency`."""

    taken: int
    left: int
    currency: str


def at_stripe(payment: Payment) -> AtStripe:
    """Asks Stripe. StripeUnavailable, StripeRefused."""
    if not payment.payment_intent:
        return AtStripe(0, 0, payment.currency)  # an order that cost nothing
    intent = gateway(payment.account).retrieve("intent", payment.payment_intent)
    return AtStripe(int(intent["amount_received"]), left_at_stripe(intent), str(intent["currency"]))


def left_at_stripe(intent: dict[str, Any] | str | None) -> int:
    """How much of an intent's money Stripe has not refunded, in minor units; 0 where it is not expanded."""
    charge = intent.get("latest_charge") if isinstance(intent, dict) else None
    # Of a charge captured in part, what was let go counts as refunded: what is left is right all the same.
    return int(charge["amount"] - charge["amount_refunded"]) if isinstance(charge, dict) else 0


def surplus() -> QuerySet[Payment]:
    """Payments that nobody can want: the order was changed, cancelled or paid by another one.

    About another amount than the order's the owner decides, until another payment has paid the order.
    """
    paid = Payment.objects.filter(order=OuterRef("order"), status=Payment.Status.PAID)
    in_review = Payment.objects.filter(status=Payment.Status.NEEDS_REVIEW)
    return in_review.filter(Exists(paid) | ~Q(review_reason__in=Payment.OWNER_DECIDES))


def late() -> QuerySet[Payment]:
    """Payments that paid for what had been sold to others by then, and of which the shop has money."""
    orders = Order.objects.filter(status__in=[Order.Status.PAID, Order.Status.PARTLY_REFUNDED])
    return Payment.objects.filter(status=Payment.Status.PAID, order__in=orders.exclude(sold_out=""))


def is_surplus(payment: Payment) -> bool:
    return surplus().filter(pk=payment.pk).exists()


def can_be_refunded(payment: Payment) -> bool:
    """Whether the owner's button is shown: it needs review, and neither the shop nor staff refunds it yet."""
    ours = payment.refunds.filter(source__in=[Refund.Source.SHOP, Refund.Source.STAFF])
    claimed = ours.filter(status__in=Refund.CLAIMED)
    return payment.status == Payment.Status.NEEDS_REVIEW and not claimed.exists()


def waits_for_nothing(order: Order) -> bool:
    """Whether an order is processing though no payment of it is live or in review with its money.

    Asks Stripe about those in review: StripeUnavailable, StripeRefused.
    """
    if order.status != Order.Status.PROCESSING:
        return False
    payments = list(order.payments.all())
    if any(payment.is_live for payment in payments):
        return False
    in_review = [payment for payment in payments if payment.status == Payment.Status.NEEDS_REVIEW]
    return not any(at_stripe(payment).left for payment in in_review)


def release(order_id: int) -> bool:
    """Lets an order that waits for nothing be paid again; whether it did. Raises as `waits_for_nothing`."""
    if not waits_for_nothing(Order.objects.get(pk=order_id)):
        return False
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        is_waiting = order.status == Order.Status.PROCESSING
        if not is_waiting or order.payments.filter(status__in=Payment.LIVE).exists():
            return False
        order.mark_failed()
        order.note(PAYABLE_AGAIN())
    log.info("order %s can be paid again", order_id)
    return True
