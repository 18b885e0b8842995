"""Orders that were placed and left: marked as expired after a day, and resumed by their link at any time.

Nothing is cancelled here and nobody is written to. An order with something at Stripe that could still be paid
is left alone: only Stripe's word ends that (payments/jobs.py asks).
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments.models import Payment

log = logging.getLogger(__name__)

#: An order that nobody has tried to pay for so long is taken for abandoned.
LEFT = timedelta(days=1)
BATCH = 500


def expire() -> int:
    """Marks up to BATCH orders; how many were found."""
    before = timezone.now() - LEFT
    with transaction.atomic():
        # Orders that somebody works on right now are not waited for: they are not abandoned.
        found = _left(before).order_by("created").select_for_update(skip_locked=True)
        numbers = list(found.values_list("pk", flat=True)[:BATCH])
        # Asked again now that the rows are locked: a payment may have begun since the first look.
        marked = _left(before).filter(pk__in=numbers).update(status=Order.Status.EXPIRED)
    if marked:
        log.info("%s orders were abandoned", marked)
    return len(numbers)


def _left(before: datetime) -> QuerySet[Order]:
    mine = Payment.objects.filter(order=OuterRef("pk"))
    tried = mine.filter(Q(status__in=Payment.LIVE) | Q(created__gte=before))
    return Order.objects.filter(~Exists(tried), status=Order.Status.OPEN, created__lt=before)
