"""Card testing: declined cards are counted, and many of them close an order, an address, or the way to Buy.

What follows from the counts for a buyer is in budgets.py; here they are kept, and an attack on the whole shop
is noticed. Which order a decline is of, and closing it at Stripe, is for webhooks/declines.py.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from kopeck.abuse.budgets import UNDER_ATTACK, USUAL
from kopeck.abuse.models import Attack, Decline
from kopeck.database.locks import one_at_a_time

log = logging.getLogger(__name__)

#: The shop is under attack when in ten minutes so many cards were declined, and so much of all tried.
WINDOW = timedelta(minutes=10)
DECLINES = 20
PERCENT = 60


def note(decline: Decline, paid: Callable[[datetime], int]) -> int:
    """Keeps a declined card, once however often it is told: how many an order may have within the hour.

    `paid` says how many payments of all orders have come since a time.
    """
    Decline.objects.bulk_create([decline], ignore_conflicts=True)
    return (UNDER_ATTACK if _look_for_attack(paid) else USUAL).order


def within_the_hour(order_id: int) -> int:
    """How many cards were declined for an order."""
    hour_ago = timezone.now() - timedelta(hours=1)
    return Decline.objects.filter(order=order_id, created__gt=hour_ago).count()


def _look_for_attack(paid_since: Callable[[datetime], int]) -> bool:
    """Whether the shop is under attack now; notes when one begins or goes on."""
    now = timezone.now()
    declined = Decline.objects.filter(created__gt=now - WINDOW).count()
    if declined < DECLINES:
        return Attack.objects.filter(until__gt=now).exists()
    paid = paid_since(now - WINDOW)
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
