"""Attempts whose answer from Stripe was lost: looked for at Stripe before they are given up.

What was made all the same is found by our key in its metadata, and closed or taken as what it is by now. Only
what Stripe does not have is given up, and its order can be resumed.
"""

import logging
from datetime import timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from kopeck.database.leases import is_free
from kopeck.orders.models import Order
from kopeck.payments.inputs import key_in
from kopeck.payments.models import Payment
from kopeck.reconcile.models import Run
from kopeck.reconcile.payments import NAMES, compare
from kopeck.sentences import Sentence
from kopeck.stripe_api import listing
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable

log = logging.getLogger(__name__)
NEVER_MADE = Sentence("Stripe never made it.")
#: A session that nobody was handed can't be paid long before; until then the buyer's next try may find it.
GIVE_UP = timedelta(hours=1)
#: Longer than a few lists take. After that another may take it over, and keeps it.
LEASE = timedelta(minutes=2)
#: How far Stripe's clock and ours may differ.
SKEW = timedelta(hours=1)
BATCH = 100


def give_up_attempts() -> int:
    """Closes attempts whose request died before Stripe's answer was stored; how many."""
    now = timezone.now()
    dead = Payment.objects.filter(status=Payment.Status.CREATING, stripe_id=None, created__lt=now - GIVE_UP)
    free = dead.filter(is_free()).order_by("account", "kind", "pk")
    closed = 0
    for (account, kind), attempts in groupby(list(free[:BATCH]), lambda one: (one.account, one.kind)):
        try:
            closed += _give_up(account, Payment.Kind(kind), list(attempts))
        except (StripeUnavailable, StripeRefused) as trouble:
            log.warning("account %s: attempts without an answer wait on: %s", account, trouble)
    return closed


def _give_up(account: str, kind: Payment.Kind, attempts: list[Payment]) -> int:
    claimed = [payment for payment in attempts if _claim(payment)]
    try:
        _take_up(account, kind, claimed)
        closed = [payment for payment in claimed if _close(payment)]
    finally:
        for payment in claimed:
            payment.release()
    return len(closed)


def _claim(payment: Payment) -> bool:
    """Nobody asks Stripe for it from here on: what is not there then will not come."""
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=payment.order_id)
        return payment.claim(LEASE, Q(status=Payment.Status.CREATING, stripe_id=None))


def _take_up(account: str, kind: Payment.Kind, claimed: list[Payment]) -> None:
    """Finds at Stripe what was made of these attempts: it is closed, or taken as what it is."""
    wanted = {payment.key: payment for payment in claimed}
    if not wanted:
        return
    run = Run.begin(account, NAMES[kind])
    since = min(payment.created for payment in claimed) - SKEW
    for objects, _has_more in listing.pages(account, run.kind, since):
        for now in objects:
            key = key_in(now.get("metadata"))
            if key in wanted:
                compare(run, wanted.pop(key), now, mine=True)
        if not wanted:
            return


def _close(payment: Payment) -> bool:
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=payment.order_id)
        found = payment.mine().filter(status=Payment.Status.CREATING, stripe_id=None).first()
        if found is None:
            return not Payment.objects.get(pk=payment.pk).is_live
        found.settle(Payment.Status.REFUSED, problem=NEVER_MADE())
        order.mark_expired()
    return True
