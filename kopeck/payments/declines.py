"""Card testing: declined cards are counted, and many of them close an order, an address, or the way to Buy.

Stripe tells of each by `payment_intent.payment_failed`. What follows from the counts for a buyer is in
budgets.py; here an order with too many is closed at Stripe, and an attack on the whole shop is noticed.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import ngettext

from kopeck.locks import one_at_a_time
from kopeck.payments import attempts
from kopeck.payments.budgets import UNDER_ATTACK, USUAL
from kopeck.payments.limit_models import Attack, Decline
from kopeck.payments.models import Payment, StripeEvent

log = logging.getLogger(__name__)

#: The shop is under attack when in ten minutes so many cards were declined, and so much of all tried.
WINDOW = timedelta(minutes=10)
DECLINES = 20
PERCENT = 60
#: What a bank says days later of a debit is no card.
CARDS = ("card", "link", "")


def count(event: StripeEvent) -> str:
    """Notes the declined card of a `payment_intent.payment_failed`; what was done, "" where that is nothing.

    Repeated events change nothing. Raises ShopError where an order can't be closed at Stripe right now.
    """
    intent: dict[str, Any] = event.payload["data"]["object"]
    payment = _payment_of(event, intent)
    error = intent.get("last_payment_error")
    error = error if isinstance(error, dict) else {}
    method = error.get("payment_method")
    if payment is None or str((method if isinstance(method, dict) else {}).get("type") or "") not in CARDS:
        return ""
    Decline.objects.bulk_create(
        [
            Decline(
                account=event.account,
                stripe_id=str(error.get("charge") or event.event_id)[:255],
                order=payment.order,
                visitor=payment.order.visitor,
                address=payment.asked_from,
                code=str(error.get("decline_code") or error.get("code") or "")[:100],
                created=min(event.created, timezone.now()),
            )
        ],
        ignore_conflicts=True,
    )
    attacked = _look_for_attack()
    return _close_if_too_many(payment, (UNDER_ATTACK if attacked else USUAL).order)


def _payment_of(event: StripeEvent, intent: dict[str, Any]) -> Payment | None:
    """By our key in the metadata, which Checkout gives to its intent too."""
    key = key_in(intent.get("metadata"))
    if key is None:
        return None
    return Payment.objects.select_related("order").filter(account=event.account, key=key).first()


def key_in(metadata: Any) -> UUID | None:
    """The payment's key in an object's metadata; None where there is none that we could have written."""
    try:
        return UUID(str((metadata if isinstance(metadata, dict) else {}).get("kopeck_payment")))
    except ValueError:
        return None


def _close_if_too_many(payment: Payment, most: int) -> str:
    hour_ago = timezone.now() - timedelta(hours=1)
    declined = Decline.objects.filter(order=payment.order_id, created__gt=hour_ago).count()
    facts = {"order": payment.order_id, "number": declined}
    if declined < most or payment.status != Payment.Status.OPEN or not payment.stripe_id:
        said = ngettext(
            "Order %(order)s: %(number)s card was declined within the hour.",
            "Order %(order)s: %(number)s cards were declined within the hour.",
            declined,
        )
        return said % facts
    log.warning("order %s: closed after %s declined cards", payment.order_id, declined)
    attempts.withdraw(payment)
    note = ngettext(
        "Closed for an hour: %(number)s card was declined.",
        "Closed for an hour: %(number)s cards were declined.",
        declined,
    )
    payment.order.note(note % facts)
    said = ngettext(
        "Order %(order)s: closed after %(number)s declined card.",
        "Order %(order)s: closed after %(number)s declined cards.",
        declined,
    )
    return said % facts


def _look_for_attack() -> bool:
    """Whether the shop is under attack now; notes when one begins or goes on."""
    now = timezone.now()
    declined = Decline.objects.filter(created__gt=now - WINDOW).count()
    if declined < DECLINES:
        return Attack.objects.filter(until__gt=now).exists()
    paid = Payment.objects.filter(paid_at__gt=now - WINDOW).count()
    if 100 * declined <= PERCENT * (declined + paid):
        return Attack.objects.filter(until__gt=now).exists()
    with transaction.atomic():
        one_at_a_time("attack")
        attack = Attack.objects.filter(ended=None).first()
        if attack is None:
            log.error("card testing: %s cards declined and %s paid in ten minutes", declined, paid)
            Attack.objects.create(until=now + WINDOW, declines=declined, paid=paid)
        else:
            attack.until = now + WINDOW
            if declined > attack.declines:
                attack.declines, attack.paid = declined, paid
            attack.save(update_fields=["until", "declines", "paid"])
    return True


def end_attacks() -> int:
    """Notes the end of an attack that is over; how many ended."""
    now = datetime.now(UTC)
    over = list(Attack.objects.filter(ended=None, until__lte=now))
    for attack in over:
        if Attack.objects.filter(pk=attack.pk, ended=None, until__lte=now).update(ended=now):
            log.warning("card testing: over since %s; it began %s", attack.until, attack.began)
    return len(over)
