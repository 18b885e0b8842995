"""Events that never arrived, and events that failed: processed as if Stripe had delivered them just now."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from kopeck.reconcile.kinds import OVERLAP, Kind, Stretch
from kopeck.reconcile.models import Run
from kopeck.stripe_api.client import StripeUnavailable
from kopeck.webhooks import intake, recovery
from kopeck.webhooks.models import StripeEvent

#: An event that came a moment ago is being processed.
MOMENT = timedelta(minutes=2)


class Events(Kind):
    name = "event"
    #: The worker reads Stripe's list every few minutes; the nightly run only tells what failed.
    age = OVERLAP

    def stretches(self, begin: datetime, first: datetime, now: datetime) -> list[Stretch]:
        # With the events that the repairs of this very comparison make.
        return [(max(begin, first, now - recovery.KEPT), now + OVERLAP)]

    def step(self, since: datetime) -> str:
        return f"events since {since:%Y-%m-%d}"

    def compare(self, run: Run, since: datetime, until: datetime | None) -> datetime | None:
        for events, _until in recovery.missing(run.account, since, until or run.started):
            for event in events:
                with run.at(event["id"]):
                    _take(run, event)
        _failed(run)
        return None


def _take(run: Run, event: dict[str, Any]) -> None:
    made = f"{datetime.fromtimestamp(event['created'], UTC):%Y-%m-%d %H:%M:%S}"
    said = f"{event['type']} {event['id']} of {made} never arrived"
    if not run.may_repair:
        return run.find("event_missing", event["id"], f"{said}.")
    try:
        stored = recovery.take(run.account, event)
    except StripeUnavailable:
        raise
    except Exception as error:
        said = f"{said}, and can't be processed: {type(error).__name__}: {error}"
        return run.find("event_failed", event["id"], said)
    said = f"{said}; it is {stored.status} now: {stored.outcome}"
    return run.find("event_missing", event["id"], said, repaired=True)


def _failed(run: Run) -> None:
    """Processes again what failed or was cut off, however old."""
    Status = StripeEvent.Status
    waiting = StripeEvent.objects.filter(account=run.account).filter(
        Q(status=Status.FAILED) | Q(status=Status.RECEIVED, received__lt=timezone.now() - MOMENT)
    )
    for pk, event_id in list(waiting.order_by("attempts", "received").values_list("pk", "event_id")):
        with run.at(event_id):
            event = StripeEvent.objects.get(pk=pk)
            said = f"{event} is {event.status} since {event.received:%Y-%m-%d %H:%M}"
            if not run.may_repair:
                run.find("event_failed", event_id, f"{said}: {event.outcome or 'cut off'}")
                continue
            try:
                event = intake.process(event)
            except StripeUnavailable:
                raise
            except Exception as error:
                said = f"{said}: {type(error).__name__}: {error}. Its page in the admin has the traceback."
                run.find("event_failed", event_id, said)
            else:
                run.find("event_failed", event_id, f"{said}; it is {event.status} now.", repaired=True)
