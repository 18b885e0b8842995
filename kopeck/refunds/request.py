"""Asking Stripe for refunds: a row first, then Stripe, then what Stripe said.

The row is written with the order locked, checked against what is left, and keeps the very inputs that Stripe
gets. Its key makes the idempotency key and stands in the refund's metadata. So of two who click at once one
refunds, and a crash between Stripe's answer and our commit finds the same refund again.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.database.locks import one_at_a_time
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES, in_words
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds import allocation, review, sync
from kopeck.refunds.allocation import Part
from kopeck.refunds.models import Refund
from kopeck.sentences import Said, Sentence
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway

log = logging.getLogger(__name__)
Source, Status = Refund.Source, Refund.Status
ASKED = Sentence("%(by)s refunds %(amount)s.")
AFTER_REVIEW = Sentence("%(by)s refunds %(amount)s, which needed review.")
TWICE = Sentence("The order was paid twice: %(amount)s is refunded.")
BY_ITSELF = Sentence("%(amount)s is refunded: %(problem)s")
REFUSED = Sentence("Stripe refuses to refund %(amount)s: %(problem)s")


@dataclass(frozen=True, slots=True)
class Left:
    """What of an order can still be refunded. `version` changes whenever that changes."""

    payment: Payment
    parts: list[Part]
    amount: int
    version: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What to refund: pieces of lines, by line id; or an amount in minor units; or, with neither, all."""

    quantities: Mapping[int, int] = field(default_factory=dict)
    amount: int | None = None


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
    claimed = [refund for refund in known if refund.status in Refund.CLAIMED]
    amount = payment.amount - sum(refund.amount for refund in claimed)
    return Left(
        payment=payment,
        parts=allocation.left_of(sync.parts_of(order), [part for one in claimed for part in one.parts]),
        amount=amount,
        version=f"{known[-1].pk if known else 0}-{amount}",
    )


def plan(left: Left, wish: Wish) -> Refund:
    """The refund that the wish comes to, not stored yet. ShopError, for the seller, for more than is left."""
    step = CURRENCIES[left.payment.currency].step
    if wish.quantities:
        try:
            parts = allocation.of_lines(left.parts, wish.quantities, step=step)
        except ValueError:
            message = _("There are not so many pieces left to refund.")
            raise ShopError("refund_too_large", message, status=409) from None
        amount = _checked(left, allocation.total(parts))
    else:
        amount = _checked(left, left.amount if wish.amount is None else wish.amount)
        if amount % step:
            message = _("Stripe can't pay out this amount in this currency: it has too many decimals.")
            raise ShopError("refund_amount", message, status=422)
        parts = allocation.up_to(left.parts, amount, step=step)
    refund = Refund.of(left.payment, amount)
    refund.parts = parts
    return refund


def _checked(left: Left, amount: int) -> int:
    if left.amount < 1:
        raise _nothing_left()
    if amount < 1:
        raise ShopError("refund_nothing", _("This comes to nothing."), status=422)
    if amount > left.amount:
        code = left.payment.currency
        message = _("This is more than what is left: %(left)s.") % {"left": in_words(left.amount, code)}
        raise ShopError("refund_too_large", message, status=409)
    return amount


def _nothing_left() -> ShopError:
    return ShopError("refund_nothing", _("Everything has been refunded already."), status=409)


def request(order_id: int, wish: Wish, form: Form) -> tuple[Refund, bool]:
    """The row of a refund, and whether it is new: a form sent twice finds its first row. ShopError."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        # The order's lock keeps nobody off who sends the same form for another order.
        one_at_a_time(f"refund {form.key}")
        known = Refund.objects.filter(key=form.key).first()
        if known is not None and known.order_id != order.pk:
            message = _("This form was used for another order. Please open this order's refund page again.")
            raise ShopError("refund_form_used", message, status=409)
        if known is not None:
            return known, False
        left = left_of(order)
        if form.version != left.version:
            message = _("Something was refunded in the meantime. Please look at what is left now.")
            raise ShopError("refund_changed", message, status=409)
        refund = plan(left, wish)
        refund.key, refund.source, refund.requested_by = form.key, Source.STAFF, form.by
        refund.reason, refund.comment, refund.restock = form.reason, form.comment, form.restock
        _write(order, refund, ASKED(by=form.by, amount=in_words(refund.amount, refund.currency)))
        return refund, True


def refund_in_review(payment_id: int, *, by: str) -> Refund:
    """Refunds all that is left of a payment that needs review, once, however often `by` asks at once.

    Then its order can be paid again. ShopError, StripeRefused; StripeUnavailable: the worker retries what has
    a row by then.
    """
    payment = Payment.objects.get(pk=payment_id)
    if payment.status != Payment.Status.NEEDS_REVIEW:
        raise ShopError("not_in_review", _("This payment needs no review."), status=409)
    refund = _refund_rest(payment, by) if payment.payment_intent else None
    if refund is None:
        raise _nothing_left()
    with suppress(StripeUnavailable, StripeRefused):  # the worker does it (jobs.release)
        review.release(payment.order_id)
    return refund


def refund_unwanted(payment_id: int) -> Refund | None:
    """Refunds a payment for which the buyer gets nothing; once, however often it is called."""
    for unwanted in (review.surplus(), review.late()):
        if payment := unwanted.filter(pk=payment_id).exclude(payment_intent="").first():
            return _refund_rest(payment)
    return None


def _refund_rest(payment: Payment, by: str = "") -> Refund | None:
    """Refunds what Stripe took by a payment less what our rows claim; None where nothing is left.

    `by`: who asked; "": the shop itself, which has one refund a payment.
    """
    sync.learn_payment(payment)
    at_stripe = review.at_stripe(payment)
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=payment.order_id)
        claimed = Refund.objects.filter(payment=payment, status__in=Refund.CLAIMED)
        refund = None if by else claimed.filter(source=Source.SHOP).first()
        if refund is None:
            # Stripe's amount, not ours: a payment of another one needs review for that. And what it took, not
            # what was left when it was asked: another request may have refunded since.
            amount = at_stripe.taken - sum(claimed.values_list("amount", flat=True))
            if amount < 1:
                return None
            refund = Refund.of(payment, amount, currency=at_stripe.currency, requested_by=by)
            refund.source = Source.STAFF if by else Source.SHOP
            refund.reason, note = _why(order, refund)
            _write(order, refund, note)
    return send(refund) if refund.status == Status.CREATING else refund


def _why(order: Order, refund: Refund) -> tuple[str, Said | None]:
    """The reason that Stripe is given, and the timeline's line."""
    money = in_words(refund.amount, refund.currency)
    if refund.requested_by:
        return "", AFTER_REVIEW(by=refund.requested_by, amount=money)
    if refund.payment.status != Payment.Status.NEEDS_REVIEW:
        return "", None  # it came too late, and the timeline says so
    if order.status in Order.WAS_PAID:
        return Refund.Reason.DUPLICATE, TWICE(amount=money)
    return "", BY_ITSELF(amount=money, problem=refund.payment.problem)


def _write(order: Order, refund: Refund, note: Said | None) -> None:
    """The row, with the inputs that Stripe will get. Called with the order's row locked."""
    refund.inputs = {
        "payment_intent": refund.payment.payment_intent,
        "amount": refund.amount,
        **({"reason": refund.reason} if refund.reason else {}),
        "metadata": {"kopeck_order": str(order.pk), "kopeck_refund": str(refund.key)},
    }
    refund.save(force_insert=True)
    if note:
        order.note(note)


def send(refund: Refund) -> Refund:
    """Asks Stripe for the refund and stores the answer. StripeUnavailable: `finish` retries it later."""
    ours = Refund.objects.filter(pk=refund.pk, status=Status.CREATING)
    ours.update(asked_at=timezone.now())
    try:
        answer = gateway(refund.account).create(
            "refund", refund.inputs, idempotency_key=refund.idempotency_key
        )
    except StripeUnavailable as trouble:
        ours.update(problem=str(trouble))
        log.warning("refund %s of order %s is retried later: %s", refund.pk, refund.order_id, trouble)
        raise
    except StripeRefused as refusal:
        _refuse(refund, refusal)
        raise
    return sync.apply(refund.payment, answer)


def _refuse(refund: Refund, refusal: StripeRefused) -> None:
    log.error("refund %s of order %s is refused: %s", refund.pk, refund.order_id, refusal)
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=refund.order_id)
        ours = Refund.objects.filter(pk=refund.pk, status=Status.CREATING)
        if ours.update(status=Status.REFUSED, problem=str(refusal)):
            order.note(REFUSED(amount=in_words(refund.amount, refund.currency), problem=refusal))
    # Most often because the money was refunded elsewhere, and we have not heard of that yet.
    with suppress(StripeUnavailable, StripeRefused):
        sync.learn_payment(refund.payment)


def finish(refund: Refund) -> Refund:
    """Retries a refund whose request died or got no answer. Raises StripeUnavailable, StripeRefused."""
    Refund.objects.filter(pk=refund.pk).update(asked_at=timezone.now())
    # Looked up before it is requested again: Stripe forgets idempotency keys after a day.
    sync.learn_payment(refund.payment)
    refund = Refund.objects.select_related("payment").get(pk=refund.pk)
    return send(refund) if refund.status == Status.CREATING else refund
