"""Jobs of the worker for events: what never arrived is fetched, what failed is processed again."""

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck import stopping
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.webhooks import intake, recovery
from kopeck.webhooks.models import StripeEvent

log = logging.getLogger(__name__)

#: How many events one sweep works on: a backlog is processed over minutes, not in one burst.
BATCH = 100
RETRY = timedelta(minutes=1)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="events", pass_context=False)
def sweep_events(timestamp: int) -> None:
    """Every minute: events that failed or were cut off."""
    retry_events()


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="recover-events", lock="recover-events", pass_context=False)
def recover_events(timestamp: int) -> None:
    """Every five minutes: events that Stripe made and that never arrived."""
    recover()


def recover() -> int:
    """Takes in what never arrived from every account that answers; how many events."""
    taken = 0
    for account in stopping.each(settings.STRIPE_ACCOUNTS):
        try:
            taken += recovery.recover(account)
        except (StripeUnavailable, StripeRefused) as trouble:
            log.warning("account %s: its events could not be listed: %s", account, trouble)
    return taken


def retry_events() -> int:
    """Processes events that failed or were cut off; how many."""
    before = timezone.now() - RETRY
    waiting = StripeEvent.objects.filter(
        status__in=[StripeEvent.Status.RECEIVED, StripeEvent.Status.FAILED], received__lt=before
    )
    # What fails for ever stands behind the others.
    waiting = waiting.order_by("attempts", "received")[:BATCH]
    done = 0
    for event in stopping.each(waiting):
        try:
            intake.process(event)
            done += 1
        except (StripeUnavailable, StripeRefused) as trouble:
            log.warning("event %s waits on: %s", event.event_id, trouble)
        except Exception:
            log.exception("event %s failed again", event.event_id)
    return done
