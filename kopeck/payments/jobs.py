"""Jobs of the worker: what a lost webhook or a crash left behind is asked of Stripe again.

Periodic and cheap; every answer goes through `sync`, so a job and a webhook at the same moment agree.
"""

import logging
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q
from django.dispatch import receiver
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from kopeck import stopping
from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.payments import abandoned, attempts, sync
from kopeck.payments.models import Payment
from kopeck.payments.signals import order_paid, payment_needs_review
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable

log = logging.getLogger(__name__)

#: How many payments and events one sweep works on: a backlog is processed over minutes, not in one burst.
BATCH = 100
#: A live payment is asked about this often, a failed event retried after this long.
ASK_AGAIN = timedelta(minutes=5)
RETRY = timedelta(minutes=1)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="sweep", pass_context=False)
def sweep(timestamp: int) -> None:
    """Every minute: payments not heard of for a while."""
    ask_about_payments()


@app.task(
    retry=RetryStrategy(
        max_attempts=5, exponential_wait=4, retry_exceptions=(ShopError, OperationalError, InterfaceError)
    )
)
def close(payment_id: int) -> None:
    """Closes what could pay an order that is not to be paid any more."""
    payment = Payment.objects.select_related("order").get(pk=payment_id)
    # One without an id is closed by the request that creates it.
    if payment.is_live and payment.stripe_id and payment.order.status not in Order.PAYABLE:
        attempts.expire(payment)


@receiver([order_paid, payment_needs_review])
def close_others(sender: type[Payment], payment: Payment, order: Order, **more: Any) -> None:
    """Once an order is paid, or waits for the owner's word, what could pay it besides is closed."""
    if payment.status == Payment.Status.NEEDS_REVIEW and payment.review_reason != Payment.Review.AMOUNT:
        return
    for other in order.payments.filter(status__in=Payment.LIVE):
        close.defer(payment_id=other.pk)


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="abandoned", pass_context=False)
def mark_abandoned(timestamp: int) -> None:
    """Every ten minutes, a batch in a transaction of its own until none is left."""
    while abandoned.expire() == abandoned.BATCH:
        stopping.check()


def ask_about_payments() -> int:
    """Asks Stripe about live payments that are over or were not asked about lately; how many."""
    now = timezone.now()
    stale = Q(asked_at__lt=now - ASK_AGAIN) | Q(asked_at=None, created__lt=now - ASK_AGAIN)
    over = Q(expires_at__lt=now) & (Q(asked_at=None) | Q(asked_at__lt=now - RETRY))
    live = Payment.objects.filter(status__in=Payment.LIVE, stripe_id__isnull=False).filter(stale | over)
    asked = 0
    for payment in stopping.each(live.order_by(F("asked_at").asc(nulls_first=True), "pk")[:BATCH]):
        row, asked_before = Payment.objects.filter(pk=payment.pk), payment.asked_at
        # Noted before the answer: what can't be asked about must not keep the others from their turn.
        row.update(asked_at=now)
        try:
            payment = sync.refresh(payment)
            asked += 1
            is_over = payment.expires_at < now or payment.order.status in Order.WAS_PAID
            if payment.status == Payment.Status.OPEN and is_over:
                attempts.expire(payment)  # an intent never ends by itself
        except stopping.Stopping:
            row.update(asked_at=asked_before)  # the next worker asks at once, not five minutes later
            raise
        except (StripeUnavailable, StripeRefused, ShopError) as trouble:
            log.warning("payment %s: %s", payment, trouble)
        except Exception:
            log.exception("payment %s can't be settled", payment)
    return asked
