"""Declined cards, as `payment_intent.payment_failed` tells of them: counted, and too many close an order."""

import logging
from datetime import datetime
from typing import Any

from django.utils import timezone

from kopeck.abuse import declines
from kopeck.abuse.models import Decline
from kopeck.payments import attempts
from kopeck.payments.inputs import key_in
from kopeck.payments.models import Payment
from kopeck.sentences import Sentence
from kopeck.webhooks.models import StripeEvent

log = logging.getLogger(__name__)
#: What a bank says days later of a debit is no card.
CARDS = ("card", "link", "")
DECLINED = Sentence(
    "Order %(order)s: %(number)s card was declined within the hour.",
    "Order %(order)s: %(number)s cards were declined within the hour.",
)
CLOSED = Sentence(
    "Closed for an hour: %(number)s card was declined.",
    "Closed for an hour: %(number)s cards were declined.",
)
CLOSED_AFTER = Sentence(
    "Order %(order)s: closed after %(number)s declined card.",
    "Order %(order)s: closed after %(number)s declined cards.",
)


def count(event: StripeEvent) -> str:
    """Notes the declined card of a `payment_intent.payment_failed`; what was done, "" where that is nothing.

    Repeated events change nothing. Raises ShopError where an order can't be closed at Stripe right now.
    """
    intent = event.object
    payment = _payment_of(event, intent)
    error = intent.get("last_payment_error")
    error = error if isinstance(error, dict) else {}
    method = error.get("payment_method")
    if payment is None or str((method if isinstance(method, dict) else {}).get("type") or "") not in CARDS:
        return ""
    decline = Decline(
        account=event.account,
        stripe_id=str(error.get("charge") or event.event_id)[:255],
        order=payment.order,
        visitor=payment.order.visitor,
        address=payment.asked_from,
        code=str(error.get("decline_code") or error.get("code") or "")[:100],
        created=min(event.created, timezone.now()),
    )
    return _close_if_too_many(payment, declines.note(decline, _paid_since))


def _paid_since(time: datetime) -> int:
    return Payment.objects.filter(paid_at__gt=time).count()


def _payment_of(event: StripeEvent, intent: dict[str, Any]) -> Payment | None:
    """By our key in the metadata, which Checkout gives to its intent too."""
    key = key_in(intent.get("metadata"))
    if key is None:
        return None
    return Payment.objects.select_related("order").filter(account=event.account, key=key).first()


def _close_if_too_many(payment: Payment, most: int) -> str:
    declined = declines.within_the_hour(payment.order_id)
    facts = {"order": payment.order_id, "number": declined}
    if declined < most or payment.status != Payment.Status.OPEN or not payment.stripe_id:
        return DECLINED(**facts)
    log.warning("order %s: closed after %s declined cards", payment.order_id, declined)
    attempts.expire(payment)
    payment.order.note(CLOSED(number=declined))
    return CLOSED_AFTER(**facts)
