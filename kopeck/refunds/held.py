"""Payments that need review: Stripe took another amount than the order's total, or the order was paid before.

A second payment is refunded by itself (`request.refund_unwanted`). One of another amount, with nothing else
having paid the order, is for the seller to decide: they refund it here, and the order can be paid again.
"""

import logging

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.money import in_words
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from kopeck.refunds import sync as refund_news
from kopeck.refunds.models import Refund
from kopeck.stripe_api.client import gateway

log = logging.getLogger(__name__)


def left_at_stripe(payment: Payment) -> tuple[int, str]:
    """How much of a payment's money Stripe still has for us, in minor units, and its currency.

    StripeUnavailable, StripeRefused.
    """
    if not payment.payment_intent:
        return 0, payment.currency
    charge = gateway(payment.account).retrieve("intent", payment.payment_intent).get("latest_charge")
    if not isinstance(charge, dict):
        return 0, payment.currency
    # Of a charge captured in part, what was let go counts as refunded: what is left is right all the same.
    return int(charge["amount"] - charge["amount_refunded"]), str(charge["currency"])


def refund_all(payment_id: int, *, by: str) -> Refund:
    """Refunds all that is left of a held payment; once, however often it is asked for at once.

    `by`: who asked. Raises ShopError; StripeUnavailable: the worker goes on with it; StripeRefused.
    """
    payment = Payment.objects.get(pk=payment_id)
    if payment.status != Payment.Status.NEEDS_REVIEW:
        raise ShopError("not_in_review", _("This payment needs no review."), status=409)
    if not payment.payment_intent:
        raise _nothing_left()  # of an order that cost nothing
    refund_news.learn_payment(payment)
    received, currency = refunds.received_at_stripe(payment)
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=payment.order_id)
        taken = Refund.objects.filter(payment=payment, status__in=Refund.TAKEN)
        # Stripe's amount, not ours: that they differ is why it is held.
        amount = received - (taken.aggregate(sum=Sum("amount"))["sum"] or 0)
        if amount < 1:
            raise _nothing_left()
        refund = _row(payment, amount, currency, by)
        order.note(f"{by} refunds {in_words(amount, refund.currency)}, which needed review.")
    refund = refunds.send(refund)
    release(payment.order_id)
    return refund


def _nothing_left() -> ShopError:
    return ShopError("refund_nothing", _("Everything has been refunded already."), status=409)


def _row(payment: Payment, amount: int, currency: str, by: str) -> Refund:
    refund = Refund(
        order_id=payment.order_id,
        payment=payment,
        account=payment.account,
        amount=amount,
        currency=currency,
        source=Refund.Source.STAFF,
        requested_by=by,
        created=timezone.now(),
    )
    refund.inputs = {
        "payment_intent": payment.payment_intent,
        "amount": amount,
        "metadata": {"kopeck_order": str(payment.order_id), "kopeck_refund": str(refund.key)},
    }
    refund.save(force_insert=True)
    return refund


def waits_for_nothing(order: Order) -> bool:
    """Whether an order waits for a bank though no payment of it is live, and none is held with its money.

    StripeUnavailable, StripeRefused: held ones are asked about.
    """
    if order.status != Order.Status.PROCESSING:
        return False
    payments = list(order.payments.all())
    if any(payment.is_live for payment in payments):
        return False
    return not any(left_at_stripe(one)[0] for one in payments if one.status == Payment.Status.NEEDS_REVIEW)


def release(order_id: int) -> bool:
    """Lets an order be paid again that waits for nothing; whether it did. Raises as `waits_for_nothing`."""
    if not waits_for_nothing(Order.objects.get(pk=order_id)):
        return False
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        waits = order.status == Order.Status.PROCESSING
        if not waits or order.payments.filter(status__in=Payment.LIVE).exists():
            return False
        order.mark_failed()
        order.note("No payment is under way any more: it can be paid again.")
    log.info("order %s can be paid again", order_id)
    return True
