"""Jobs of the worker that keep Stripe's coupons and tax rates in step with the shop's discounts and taxes."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck import stopping
from kopeck.catalog.models import Discount, Tax
from kopeck.database.retries import backoff
from kopeck.mirror import sync as mirror
from kopeck.mirror.described import kind_of
from kopeck.mirror.models import StripeMirror
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable

log = logging.getLogger(__name__)

#: The last time after about an hour; from then on `catch_up` tries hourly.
BACKOFF = backoff(StripeUnavailable, StripeRefused, tries=6)
PATIENCE = timedelta(hours=1)


# No lock and no queueing lock: the one would let a job that waits for its retry hold back the next change,
# the other would drop the job of a change that an earlier one can't see any more. `mirror.sync` keeps order.
@app.task(retry=BACKOFF)
def sync(account_name: str, kind: str, object_id: int) -> None:
    """Makes Stripe have one discount or tax as the shop has it, in one account, whatever of it changed."""
    if account_name not in settings.STRIPE_ACCOUNTS:
        log.warning("%s %s: account %s is not configured any more", kind, object_id, account_name)
        return
    mirror.sync(account_name, StripeMirror.Kind(kind), object_id)


@receiver([post_save, post_delete], sender=Discount, dispatch_uid="mirror of discounts")
@receiver([post_save, post_delete], sender=Tax, dispatch_uid="mirror of taxes")
def follow(sender: type[Discount] | type[Tax], instance: Discount | Tax, **_more: Any) -> None:
    """Defers the jobs in the transaction of the change: they commit or vanish together.

    After the commit (`on_commit`) a crash in between would lose them.
    """
    for account_name in settings.STRIPE_ACCOUNTS:
        sync.defer(account_name=account_name, kind=str(kind_of(sender)), object_id=instance.pk)


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="mirror-catch-up", pass_context=False)
def catch_up(timestamp: int) -> None:
    """Every ten minutes: what no signal told of (`QuerySet.update`, a new account), and what failed for long.

    Reads our own notes only; Stripe is asked by the jobs that this defers.
    """
    for account_name in settings.STRIPE_ACCOUNTS:
        found = mirror.out_of_step(account_name, untouched_since=timezone.now() - PATIENCE)
        for kind, object_id in stopping.each(found):
            sync.defer(account_name=account_name, kind=str(kind), object_id=object_id)
