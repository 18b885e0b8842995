"""Jobs of the worker: what a lost webhook, a crash or a buyer left behind.

Live payments are asked about at Stripe. Every answer goes through `sync`, so a job and a webhook at the same
moment agree. Orders that were placed and left are marked as expired after a day, and resumed by their link at
any time. Nothing is cancelled here and nobody is written to.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.dispatch import receiver
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck import stopping
from kopeck.database.retries import backoff
from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.payments import attempts, sync
from kopeck.payments.models import Payment
from kopeck.payments.signals import order_paid, payment_needs_review
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable

log = logging.getLogger(__name__)

#: How many payments and events one sweep works on: a backlog is processed over minutes, not in one burst.
BATCH = 100
#: A live payment is asked about this often, a failed event retried after this long.
ASK_AGAIN = timedelta(minutes=5)
RETRY = timedelta(minutes=1)
#: An order that nobody has tried to pay for so long is taken for abandoned; so many are marked at once.
LEFT, LEFT_BATCH = timedelta(days=1), 500


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="sweep", pass_context=False)
def sweep(timestamp: int) -> None:
    """Every minute: payments not heard of for a while."""
    ask_about_payments()


@app.task(retry=backoff(ShopError))
def close(payment_id: int) -> None:
    """Closes what could pay an order that is not to be paid any more."""
    payment = Payment.objects.select_related("order").get(pk=payment_id)
    # One without an id is closed by the request that creates it.
    if payment.is_live and payment.stripe_id and payment.order.status not in Order.PAYABLE:
        attempts.expire(payment)


@receiver([order_paid, payment_needs_review])
def close_others(
    sender: type[Payment], payment: Payment, order: Order, was_live: bool = False, **more: Any
) -> None:
    """Once an order is paid, or waits for the owner's word, what could pay it besides is closed."""
    if payment.status == Payment.Status.NEEDS_REVIEW and payment.review_reason != Payment.Review.AMOUNT:
        return
    if was_live:
        return  # it was the live one, and an order has one at most
    for other in order.payments.filter(status__in=Payment.LIVE):
        close.defer(payment_id=other.pk)


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="abandoned", pass_context=False)
def mark_abandoned(timestamp: int) -> None:
    """Every ten minutes, a batch in a transaction of its own until none is left."""
    while expire_abandoned() == LEFT_BATCH:
        stopping.check()


def expire_abandoned() -> int:
    """Marks up to LEFT_BATCH orders; how many were found.

    One with something at Stripe that could still be paid is left alone: only Stripe's word ends that.
    """
    before = timezone.now() - LEFT
    with transaction.atomic():
        # Orders that somebody works on right now are not waited for: they are not abandoned.
        found = _abandoned(before).order_by("created").select_for_update(skip_locked=True)
        numbers = list(found.values_list("pk", flat=True)[:LEFT_BATCH])
        # Asked again now that the rows are locked: a payment may have begun since the first look.
        marked = _abandoned(before).filter(pk__in=numbers).update(status=Order.Status.EXPIRED)
    if marked:
        log.info("%s orders were abandoned", marked)
    return len(numbers)


def _abandoned(before: datetime) -> QuerySet[Order]:
    mine = Payment.objects.filter(order=OuterRef("pk"))
    tried = mine.filter(Q(status__in=Payment.LIVE) | Q(created__gte=before))
    return Order.objects.filter(~Exists(tried), status=Order.Status.OPEN, created__lt=before)


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
