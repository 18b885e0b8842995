"""Jobs of the worker: refunds of second and late payments, and requests that crashed."""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.dispatch import receiver
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from kopeck import stopping
from kopeck.database.retries import backoff
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.payments.signals import order_paid, payment_needs_review
from kopeck.refunds import request, review
from kopeck.refunds.models import Dispute, Refund, refunded
from kopeck.refunds.signals import refund_made
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable

log = logging.getLogger(__name__)

#: From then on `finish_refunds` retries it.
BACKOFF = backoff(StripeUnavailable)
BATCH = 100
#: A request that asks Stripe is done by then, or dead.
PATIENCE = timedelta(minutes=2)
#: How often a refund that is on its way is asked about.
ASK_AGAIN = timedelta(hours=1)
#: How often one that Stripe refused is requested again: the account may have money by then.
REFUSED_AGAIN = timedelta(days=1)
#: For so long after it was begun: what is older waits among the discrepancies for a person.
UNWANTED = timedelta(days=92)


@app.task(retry=BACKOFF)
def refund_unwanted(payment_id: int) -> None:
    """Refunds a payment that nobody can want, or a late one. Deferred as it is found so."""
    try:
        request.refund_unwanted(payment_id)
    except StripeRefused as refusal:
        log.error("payment %s can't be refunded: %s", payment_id, refusal)


@app.task(retry=BACKOFF)
def release(order_id: int) -> None:
    """Lets an order be paid again that waited for the owner's decision. Deferred as its money is refunded."""
    try:
        review.release(order_id)
    except StripeRefused as refusal:
        log.error("order %s can't be released: %s", order_id, refusal)


@receiver(payment_needs_review)
def refund_what_nobody_wants(sender: type[Payment], payment: Payment, amount: int, **more: Any) -> None:
    """About another amount than the order's the owner decides; whatever else came in vain is refunded."""
    if amount and payment.review_reason != Payment.Review.AMOUNT:
        refund_unwanted.defer(payment_id=payment.pk)


@receiver(order_paid)
def refund_what_is_sold_out(sender: type[Payment], payment: Payment, order: Order, **more: Any) -> None:
    """The money came for what is not there any more. A refund at Stripe may also be older than our news."""
    if order.sold_out:
        refund_unwanted.defer(payment_id=payment.pk)
    order.mark_refunded(refunded(payment))


@receiver(refund_made)
def release_what_waited(sender: type[Refund], refund: Refund, **more: Any) -> None:
    """Wherever the refund was made: the owner may have pressed Stripe's button instead of ours."""
    in_review = refund.payment.status == Payment.Status.NEEDS_REVIEW
    if in_review and refund.order.status == Order.Status.PROCESSING:
        release.defer(order_id=refund.order_id)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="refunds", pass_context=False)
def finish_refunds(timestamp: int) -> None:
    """Every minute: refunds whose request died, refunds on their way, payments that nobody refunded."""
    finish()
    refund_all_unwanted()


def finish() -> int:
    """Retries or asks about refunds that were not heard of for a while; how many."""
    now = timezone.now()
    dead = Q(status=Refund.Status.CREATING) & (
        Q(asked_at__lt=now - PATIENCE) | Q(asked_at=None, created__lt=now - PATIENCE)
    )
    slow = Q(status__in=["pending", "requires_action"], asked_at__lt=now - ASK_AGAIN)
    waiting = Refund.objects.filter(dead | slow).select_related("payment")
    done = 0
    for refund in stopping.each(waiting.order_by(F("asked_at").asc(nulls_first=True), "pk")[:BATCH]):
        try:
            request.finish(refund)
            done += 1
        except stopping.Stopping:
            Refund.objects.filter(pk=refund.pk).update(asked_at=refund.asked_at)  # the next worker's, at once
            raise
        except (StripeUnavailable, StripeRefused) as trouble:
            log.warning("refund %s of order %s: %s", refund, refund.order_id, trouble)
        except Exception:
            log.exception("refund %s of order %s can't be settled", refund, refund.order_id)
    return done


def refund_all_unwanted() -> int:
    """Defers `refund_unwanted` for surplus and late payments of which no refund was requested; how many.

    One that Stripe refused is requested again each day, but not while the buyer's bank has the money.
    """
    refunds = Refund.objects.filter(payment=OuterRef("pk"))
    mine = refunds.filter(source=Refund.Source.SHOP)
    requested = mine.exclude(status=Refund.Status.REFUSED, created__lt=timezone.now() - REFUSED_AGAIN)
    with_the_bank = Q(closed=None) & ~Q(status__startswith="warning_") | Q(status=Dispute.Status.LOST)
    disputed = Dispute.objects.filter(with_the_bank, payment=OuterRef("pk"))
    made = refunds.filter(status__in=Refund.MADE)
    surplus = review.surplus().filter(~Exists(made), created__gt=timezone.now() - UNWANTED)
    waiting = [
        payment.pk
        for unwanted in (surplus.exclude(payment_intent=""), review.late())
        for payment in unwanted.filter(~Exists(requested), ~Exists(disputed))[:BATCH]
    ]
    for number in waiting:
        # A job that waits already does the same.
        with suppress(AlreadyEnqueued):
            refund_unwanted.configure(queueing_lock=f"refund-{number}").defer(payment_id=number)
    return len(waiting)
