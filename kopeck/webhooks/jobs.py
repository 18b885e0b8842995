"""Jobs of the worker for events: what failed or was cut off is processed again."""

import logging
from datetime import timedelta

from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck import stopping
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.webhooks import intake
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
