"""Giving money back: a row first, then Stripe, then what Stripe said.

The row is written with the order locked, checked against what is left, and keeps the very inputs that Stripe
gets; its key makes the idempotency key and stands in the refund's metadata. So of two who click at once one
refunds, and a crash between Stripe's answer and our commit finds the same refund again.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.locks import one_at_a_time
from kopeck.money import CURRENCIES, in_words
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds import allocation as shares
from kopeck.refunds import sync as refund_news
from kopeck.refunds.allocation import Share
from kopeck.refunds.models import Refund
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway

log = logging.getLogger(__name__)
Status = Refund.Status


@dataclass(frozen=True, slots=True)
class Left:
    """What of an order can still be refunded. `version` changes whenever that changes."""

    payment: Payment
    shares: list[Share]
    amount: int
    version: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What to refund: pieces of lines, by line id; or an amount in minor units; or, with neither, all."""

    quantities: Mapping[int, int] = field(default_factory=dict)
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A wish in money: `amount` in minor units, and its shares of the lines."""

    amount: int
    shares: list[Share]


@dataclass(frozen=True, slots=True)
class Form:
    """What comes with a request from the admin: one form refunds once, and only what it had shown."""

    key: UUID
    version: str
    by: str
    reason: str = ""
    comment: str = ""
    restock: bool = False


def left_of(order: Order) -> Left:
    """ShopError where the order was not paid, or cost nothing."""
    payment = order.payments.filter(status=Payment.Status.PAID).first()
    if payment is None or not payment.amount:
        raise ShopError("refund_nothing", _("This order has no payment to refund."), status=409)
    # All of them, whatever their state: a refund that failed changes the version too.
    known = list(Refund.objects.filter(payment=payment))
    taken = [refund for refund in known if refund.status in Refund.TAKEN]
    amount = payment.amount - sum(refund.amount for refund in taken)
    given = [share for refund in taken for share in refund.shares]
    return Left(
        payment=payment,
        shares=shares.left_of(refund_news.whole(order), given),
        amount=amount,
        version=f"{known[-1].pk if known else 0}-{amount}",
    )


def plan(left: Left, wish: Wish) -> Plan:
    """What the wish comes to. ShopError, with a sentence for the seller, for more than is left."""
    step = CURRENCIES[left.payment.currency].step
    if wish.quantities:
        try:
            pieces = shares.of_lines(left.shares, wish.quantities, step=step)
        except ValueError:
            message = _("There are not so many pieces left to refund.")
            raise ShopError("refund_too_large", message, status=409) from None
        return Plan(_checked(left, shares.total(pieces)), pieces)
    amount = _checked(left, left.amount if wish.amount is None else wish.amount)
    if amount % step:
        message = _("Stripe can't pay out this amount in this currency: it has too many decimals.")
        raise ShopError("refund_amount", message, status=422)
    return Plan(amount, refund_news.share_out(left.shares, amount, step))


def _checked(left: Left, amount: int) -> int:
    if left.amount < 1:
        raise ShopError("refund_nothing", _("Everything has been refunded already."), status=409)
    if amount < 1:
        raise ShopError("refund_nothing", _("This comes to nothing."), status=422)
    if amount > left.amount:
        code = left.payment.currency
        message = _("This is more than what is left: %(left)s.") % {"left": in_words(left.amount, code)}
        raise ShopError("refund_too_large", message, status=409)
    return amount


def request(order_id: int, wish: Wish, form: Form) -> tuple[Refund, bool]:
    """The row of a refund, and whether it is new: a form sent twice finds its first row. ShopError."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        one_at_a_time(
            f"refund {form.key}"
        )  # the order's lock keeps nobody off who sends it for another order
        known = Refund.objects.filter(key=form.key).first()
        if known is not None and known.order_id != order.pk:
            message = _(
                "This form was used for another order. Please open the refund page of this one again."
            )
            raise ShopError("refund_form_used", message, status=409)
        if known is not None:
            return known, False
        left = left_of(order)
        if form.version != left.version:
            message = _("Something was refunded in the meantime. Please look at what is left now.")
            raise ShopError("refund_changed", message, status=409)
        planned = plan(left, wish)
        refund = Refund(
            key=form.key,
            source=Refund.Source.STAFF,
            reason=form.reason,
            comment=form.comment,
            restock=form.restock,
            requested_by=form.by,
        )
        refund.shares = planned.shares
        _insert(refund, left.payment, planned.amount)
        order.note(f"{form.by} refunds {in_words(refund.amount, refund.currency)}.")
        return refund, True


def _insert(refund: Refund, payment: Payment, amount: int) -> None:
    refund.order_id, refund.payment, refund.account = payment.order_id, payment, payment.account
    refund.currency = refund.currency or payment.currency
    refund.amount, refund.created = amount, timezone.now()
    refund.inputs = {
        "payment_intent": payment.payment_intent,
        "amount": amount,
        **({"reason": refund.reason} if refund.reason else {}),
        "metadata": {"kopeck_order": str(payment.order_id), "kopeck_refund": str(refund.key)},
    }
    refund.save(force_insert=True)


def send(refund: Refund) -> Refund:
    """Asks Stripe for the refund and stores the answer. StripeUnavailable: `finish` goes on with it later."""
    ours = Refund.objects.filter(pk=refund.pk, status=Status.CREATING)
    ours.update(asked_at=timezone.now())
    try:
        answer = gateway(refund.account).create(
            "refund", refund.inputs, idempotency_key=refund.idempotency_key
        )
    except StripeUnavailable as trouble:
        ours.update(problem=str(trouble))
        log.warning("refund %s of order %s waits on: %s", refund.pk, refund.order_id, trouble)
        raise
    except StripeRefused as refusal:
        _refuse(refund, refusal)
        raise
    return refund_news.apply(refund.payment, answer)


def _refuse(refund: Refund, refusal: StripeRefused) -> None:
    log.error("refund %s of order %s is refused: %s", refund.pk, refund.order_id, refusal)
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=refund.order_id)
        ours = Refund.objects.filter(pk=refund.pk, status=Status.CREATING)
        if ours.update(status=Status.REFUSED, problem=str(refusal)):
            order.note(f"Stripe refuses to refund {in_words(refund.amount, refund.currency)}: {refusal}")
    # Most often because the money went back elsewhere, and we have not heard of that yet.
    with suppress(StripeUnavailable, StripeRefused):
        refund_news.learn_payment(refund.payment)


def finish(refund: Refund) -> Refund:
    """Goes on with a refund whose request died or got no answer. Raises StripeUnavailable, StripeRefused."""
    Refund.objects.filter(pk=refund.pk).update(asked_at=timezone.now())
    # Looked up before it is asked for again: Stripe forgets idempotency keys after a day.
    refund_news.learn_payment(refund.payment)
    refund = Refund.objects.select_related("payment").get(pk=refund.pk)
    return send(refund) if refund.status == Status.CREATING else refund


def refund_unwanted(payment_id: int) -> Refund | None:
    """Refunds a payment for which the buyer gets nothing; once, however often it is called."""
    payment = Payment.objects.select_related("order").get(pk=payment_id)
    if not payment.payment_intent or not (is_surplus(payment) or is_too_late(payment)):
        return None
    refund_news.learn_payment(payment)
    received, currency = received_at_stripe(payment)
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=payment.order_id)
        refunds = Refund.objects.filter(payment=payment, status__in=Refund.TAKEN)
        refund = refunds.filter(source=Refund.Source.SHOP).first()
        if refund is None:
            # Stripe's amount, not ours: a second payment may have been of another one.
            amount = received - (refunds.aggregate(sum=Sum("amount"))["sum"] or 0)
            if amount < 1:
                return None  # somebody was faster, at Stripe's dashboard
            refund = Refund(source=Refund.Source.SHOP, currency=currency)
            if payment.status == Payment.Status.NEEDS_REVIEW:
                if order.status in Order.WAS_PAID:
                    refund.reason = Refund.Reason.DUPLICATE
                    order.note(f"It was paid twice: {in_words(amount, currency)} is refunded.")
                else:
                    order.note(f"{in_words(amount, currency)} is refunded: {payment.problem}")
            _insert(refund, payment, amount)
    return send(refund) if refund.status == Status.CREATING else refund


def received_at_stripe(payment: Payment) -> tuple[int, str]:
    """What Stripe took by this payment, in minor units, and its currency; refunds are not taken off.

    StripeUnavailable, StripeRefused.
    """
    if not payment.payment_intent:
        return 0, payment.currency  # an order that cost nothing
    intent = gateway(payment.account).retrieve("intent", payment.payment_intent)
    return int(intent["amount_received"]), str(intent["currency"])


def is_surplus(payment: Payment) -> bool:
    """Whether nobody can want this payment: the order was changed, cancelled or paid by another one.

    About another amount than the order's the owner decides, until another payment has paid the order.
    """
    if payment.status != Payment.Status.NEEDS_REVIEW:
        return False
    if payment.review_reason not in Payment.OWNER_DECIDES:
        return True
    return payment.order.payments.filter(status=Payment.Status.PAID).exists()


def is_too_late(payment: Payment) -> bool:
    """Whether what this payment was for had been sold to others when it came."""
    return payment.status == Payment.Status.PAID and bool(payment.order.sold_out)


def explain(refusal: StripeRefused) -> str:
    """A refusal as a sentence for the seller."""
    sentences: dict[str, Any] = {
        "charge_already_refunded": _("Everything has been refunded already; the list below is up to date."),
        "charge_disputed": _(
            "The buyer's bank has taken this payment back: Stripe refunds nothing while it is disputed."
        ),
    }
    return str(sentences.get(refusal.code) or _("Stripe refused: %(said)s") % {"said": refusal})
