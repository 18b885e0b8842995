"""What Stripe says of refunds, wherever they were made: asked again, then written with the order locked.

Events, the admin's own requests and the periodic jobs all end in `apply`. A refund only goes forward, so any
order of events ends in the same ledger; the order's state follows from the ledger.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from kopeck.money import CURRENCIES, in_words
from kopeck.orders.models import Order
from kopeck.payments import stock, sync
from kopeck.payments.inputs import key_in
from kopeck.payments.models import Payment
from kopeck.refunds import allocation
from kopeck.refunds.allocation import Part
from kopeck.refunds.models import Refund, refunded
from kopeck.refunds.signals import refund_made
from kopeck.sentences import Sentence
from kopeck.stripe_api.client import gateway

log = logging.getLogger(__name__)
Status = Refund.Status
REFUNDED = Sentence("%(amount)s was refunded: %(id)s %(status)s.")
REFUNDED_AT_STRIPE = Sentence("%(amount)s was refunded at Stripe: %(id)s %(status)s.")
RETURNED = Sentence("The refund of %(amount)s %(status)s; the money is with the shop again.")
BACK = Sentence("Back in stock: %(pieces)s.")
OUT_AGAIN = Sentence("Out of stock again, for the refund failed: %(pieces)s.")
NOT_TAKEN = Sentence("The bank did not take it: %(reason)s.")
GONE = Sentence("Sold or being paid for meanwhile, though the refund failed: %(pieces)s.")


def learn(account: str, stripe_id: str) -> Refund | None:
    """Asks Stripe about one refund; None if it is none of this shop's. StripeUnavailable, StripeRefused."""
    answer = gateway(account).retrieve("refund", stripe_id)
    payment = payment_of(account, answer)
    return apply(payment, answer) if payment else None


def learn_charge(account: str, charge: str) -> list[Refund]:
    """The same for all refunds of a charge."""
    answers = list(gateway(account).list_all("refund", charge=charge))
    payment = payment_of(account, answers[0]) if answers else None
    return [apply(payment, answer) for answer in reversed(answers)] if payment else []


def learn_payment(payment: Payment) -> list[Refund]:
    """The same for all refunds of a payment of ours."""
    answers = list(gateway(payment.account).list_all("refund", payment_intent=payment.payment_intent))
    return [apply(payment, answer) for answer in reversed(answers)]


def payment_of(account: str, answer: dict[str, Any], *, ask: bool = True) -> Payment | None:
    """The payment that a refund or dispute is about; None if it is none of this shop's.

    Of a payment whose own events are late or lost we may hear first by its refund. So Stripe is asked (`ask`)
    for our key in the intent's metadata, and whether the payment is paid. StripeUnavailable, StripeRefused.
    """
    intent = answer.get("payment_intent")
    if not intent:
        return None
    ours = Payment.objects.filter(account=account)
    payment = ours.filter(Q(payment_intent=intent) | Q(stripe_id=intent)).first()
    if not ask:
        return payment
    if payment is None:
        key = key_in(gateway(account).retrieve("intent", intent).get("metadata"))
        payment = ours.filter(key=key).first() if key else None
    if payment is not None and payment.status not in (Payment.Status.PAID, Payment.Status.NEEDS_REVIEW):
        payment = sync.refresh(payment)
    return payment


def apply(payment: Payment, answer: dict[str, Any]) -> Refund:
    """Writes what Stripe says of a refund, and moves the order to where its ledger is."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=payment.order_id)
        payment = Payment.objects.get(pk=payment.pk)
        refund = _find(payment, answer) or _foreign(payment, answer)
        before = Status(refund.status)
        refund.stripe_id, refund.asked_at = answer["id"], timezone.now()
        refund.amount = answer["amount"]
        now = Status(answer["status"]) if answer.get("status") in Status.values else Status.PENDING
        if Refund.RANK[now] >= Refund.RANK[before]:
            refund.status = now
            reason = str(answer.get("failure_reason") or "no reason given").replace("_", " ")
            refund.problem = NOT_TAKEN(reason=reason) if now == Status.FAILED else ""
        refund.save()
        if refund.status != before:
            _tell(order, refund)
        is_news = refund.is_made and before not in Refund.MADE
        if is_news:
            _put_back(order, refund)
        elif before in Refund.MADE and not refund.is_made:
            _take_again(order, refund)
        if payment.status == Payment.Status.PAID:
            _allocate(order, payment)
            order.mark_refunded(refunded(payment))
        if is_news:
            refund_made.send(Refund, refund=refund, order=order)
    refund.refresh_from_db()
    return refund


def _find(payment: Payment, answer: dict[str, Any]) -> Refund | None:
    """By Stripe's id; else by our key in the metadata, for one whose id we crashed before storing."""
    ours = Refund.objects.filter(account=payment.account)
    found = ours.filter(stripe_id=answer["id"]).first()
    key = key_in(answer.get("metadata"), "kopeck_refund")
    if found is None and key:
        found = ours.filter(key=key, payment=payment, stripe_id=None).first()
    return found


def _foreign(payment: Payment, answer: dict[str, Any]) -> Refund:
    return Refund.of(
        payment,
        answer["amount"],
        currency=answer["currency"],
        source=Refund.Source.STRIPE,
        reason=answer.get("reason") or "",
        created=datetime.fromtimestamp(answer["created"], UTC),
    )


def _tell(order: Order, refund: Refund) -> None:
    """A line on the order's timeline."""
    amount = in_words(refund.amount, refund.currency)
    if refund.is_made:
        made = REFUNDED_AT_STRIPE if refund.source == Refund.Source.STRIPE else REFUNDED
        order.note(made(amount=amount, id=refund.stripe_id, status=refund.get_status_display))
        return
    log.error("refund %s of order %s is %s: %s", refund, order.pk, refund.status, refund.problem)
    order.note(RETURNED(amount=amount, status=refund.get_status_display))


def _put_back(order: Order, refund: Refund) -> None:
    """The pieces that were ticked as good with the refund's request. A sold out order has taken nothing."""
    if (pieces := _restocked(order, refund)) and (told := stock.put_back(pieces)):
        order.note(BACK(pieces=", ".join(told)))


def _restocked(order: Order, refund: Refund) -> dict[int, int]:
    """Pieces by line id."""
    return refund.pieces if refund.restock and not order.sold_out else {}


def _take_again(order: Order, refund: Refund) -> None:
    """The refund failed: the pieces are the buyer's again, and the next refund's to put back."""
    if not (pieces := _restocked(order, refund)):
        return
    taken, gone = stock.take_again(pieces, order)
    if taken:
        order.note(OUT_AGAIN(pieces=", ".join(taken)))
    if gone:
        order.note(GONE(pieces=", ".join(gone)))


def parts_of(order: Order) -> list[Part]:
    """All lines of an order, whole."""
    return [
        Part(
            line=line.pk,
            quantity=line.quantity,
            subtotal=line.subtotal,
            discount=line.discount_amount,
            tax=line.tax_amount,
            tax_included=line.tax_included,
        )
        for line in order.lines.all()
    ]


def _allocate(order: Order, payment: Payment) -> None:
    """Allocates to the lines what of the refunds is not yet: those made elsewhere come as a mere sum."""
    claimed = list(Refund.objects.filter(payment=payment, status__in=Refund.CLAIMED))
    left = allocation.left_of(parts_of(order), [part for refund in claimed for part in refund.parts])
    for refund in claimed:
        missing = refund.amount - allocation.total(refund.parts)
        if missing <= 0 or refund.status == Status.CREATING:
            continue
        more = allocation.up_to(left, missing, step=CURRENCIES[refund.currency].step)
        refund.parts = [*refund.parts, *more]
        refund.save(update_fields=["allocation"])
        left = allocation.left_of(left, more)
