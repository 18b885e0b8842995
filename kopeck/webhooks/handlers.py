"""Who processes which events. An event is a hint to look: each handler asks Stripe for its object anew."""

from collections.abc import Callable

from kopeck.database import rows
from kopeck.payments import sync
from kopeck.payments.inputs import key_in
from kopeck.payments.models import Payment
from kopeck.refunds import disputes
from kopeck.refunds import sync as refund_sync
from kopeck.sentences import Said, Sentence
from kopeck.stripe_api.client import StripeRefused
from kopeck.webhooks import declines
from kopeck.webhooks.models import StripeEvent

Status = Payment.Status
#: The event's state, and what was done in a sentence.
Outcome = tuple[StripeEvent.Status, Said]
PAYMENT_NOW = Sentence("Order %(order)s: payment is %(status)s.")
TOLD_ELSEWHERE = Sentence("Its Checkout Session's own events tell of it.")
NOT_OURS = Sentence("Not a payment of this shop.")
NO_SUCH_REFUND = Sentence("Stripe knows no such refund.")
NOT_OUR_REFUND = Sentence("Not a refund of this shop.")
REFUND_NOW = Sentence("Order %(order)s: %(id)s is %(status)s.")
NO_SUCH_DISPUTE = Sentence("Stripe knows no such dispute.")
DISPUTE_NOW = Sentence("Order %(order)s: the dispute is now: %(status)s.")


def _payment(event: StripeEvent) -> Outcome:
    # The intent of a Checkout Session is no payment of ours by its id: the session's own events tell of it.
    payment = _payment_of(event)
    if payment is None:
        metadata = event.object.get("metadata")
        ours = isinstance(metadata, dict) and "kopeck_payment" in metadata
        return StripeEvent.Status.IGNORED, TOLD_ELSEWHERE() if ours else NOT_OURS()
    if not _is_old_news(event, payment):
        payment.stripe_id = payment.stripe_id or event.object_id
        payment = sync.refresh(payment)
    said = PAYMENT_NOW(order=payment.order_id, status=payment.get_status_display)
    return StripeEvent.Status.DONE, said


def _is_old_news(event: StripeEvent, payment: Payment) -> bool:
    """Whether Stripe need not be asked: the event tells of what can't change this payment any more.

    One payment makes several events, and the return page may have learnt of it before the first.
    """
    if payment.status in (Status.PAID, Status.NEEDS_REVIEW):
        return True
    if payment.status == Status.EXPIRED:  # an object that was closed at Stripe stays closed
        return event.type in ("checkout.session.expired", "payment_intent.canceled")
    # A card that was declined: the intent asks for another. Of one that a bank was at work on it is news.
    return payment.status == Status.OPEN and event.type == "payment_intent.payment_failed"


def _declined(event: StripeEvent) -> Outcome:
    counted = declines.count(event)
    status, said = _payment(event)
    return (StripeEvent.Status.DONE, Said(f"{counted} {said}")) if counted else (status, said)


#: By Stripe's id; else by our key in the metadata, for a session whose id we crashed before storing.
_PAYMENT = f"""
SELECT {rows.columns(Payment, "p")} FROM payments_payment p
WHERE account = %s AND (stripe_id = %s OR (key = %s AND kind = %s AND stripe_id IS NULL))
ORDER BY stripe_id NULLS LAST LIMIT 1
"""  # noqa: S608 - the model's own names


def _payment_of(event: StripeEvent) -> Payment | None:
    key = key_in(event.object.get("metadata"))
    # The intent of a Checkout attempt carries its key too, and is not the object that the attempt waits for.
    kind = Payment.Kind.CHECKOUT if event.type.startswith("checkout.") else Payment.Kind.INTENT
    found = rows.read(_PAYMENT, [event.account, event.object_id, key, kind], Payment)
    return found[0][0] if found else None


def _refund(event: StripeEvent) -> Outcome:
    """Processes `refund.*`, `charge.refunded` and the old `charge.refund.updated`."""
    Event = StripeEvent.Status
    try:
        if event.object_id.startswith("ch_"):
            found = refund_sync.learn_charge(event.account, event.object_id)
        else:
            refund = refund_sync.learn(event.account, event.object_id)
            found = [refund] if refund else []
    except StripeRefused as refusal:
        if not refusal.missing:
            raise
        return Event.IGNORED, NO_SUCH_REFUND()
    if not found:
        return Event.IGNORED, NOT_OUR_REFUND()
    told = [REFUND_NOW(order=it.order_id, id=it, status=it.get_status_display) for it in found]
    return Event.DONE, Said(" ".join(told))


def _dispute(event: StripeEvent) -> Outcome:
    """Processes `charge.dispute.*`."""
    try:
        dispute = disputes.learn(event.account, event.object_id)
    except StripeRefused as refusal:
        if not refusal.missing:
            raise
        return StripeEvent.Status.IGNORED, NO_SUCH_DISPUTE()
    if dispute is None:
        return StripeEvent.Status.IGNORED, NOT_OURS()
    said = DISPUTE_NOW(order=dispute.order_id, status=dispute.get_status_display)
    return StripeEvent.Status.DONE, said


#: By the beginning of an event's type.
HANDLERS: dict[str, Callable[[StripeEvent], Outcome]] = {
    "checkout.session.": _payment,
    "payment_intent.payment_failed": _declined,
    "payment_intent.": _payment,
    "refund.": _refund,
    "charge.refund": _refund,
    "charge.dispute.": _dispute,
}
