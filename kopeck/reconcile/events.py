"""Events that never arrived, and events that failed: processed as if Stripe had delivered them just now."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from kopeck.reconcile.kinds import IT_IS_NOW, OVERLAP, Kind, Stretch
from kopeck.reconcile.models import Code, Run
from kopeck.sentences import Said, Sentence
from kopeck.stripe_api.client import StripeUnavailable
from kopeck.webhooks import intake, recovery
from kopeck.webhooks.models import StripeEvent

#: An event that came a moment ago is being processed.
MOMENT = timedelta(minutes=2)

MISSING = Sentence("%(type)s %(id)s of %(time)s never arrived")
CANNOT_PROCESS = Sentence("%(type)s %(id)s of %(time)s never arrived, and can't be processed: %(problem)s")
PROCESSED = Sentence("it is %(status)s now: %(problem)s")
SINCE = Sentence("%(type)s %(id)s is %(status)s since %(time)s")
BECAUSE = Sentence("%(type)s %(id)s is %(status)s since %(time)s: %(problem)s")
TRACED = Sentence(
    "%(type)s %(id)s is %(status)s since %(time)s: %(problem)s. Its page in the admin has the traceback."
)
CUT_OFF = Sentence("cut off")


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
    places = {"type": event["type"], "id": event["id"], "time": made}
    if not run.may_repair:
        return run.find(Code.EVENT_MISSING, event["id"], Said(f"{MISSING(**places)}."))
    try:
        stored = recovery.take(run.account, event)
    except StripeUnavailable:
        raise
    except Exception as error:
        said = CANNOT_PROCESS(**places, problem=f"{type(error).__name__}: {error}")
        return run.find(Code.EVENT_FAILED, event["id"], said)
    now = PROCESSED(status=stored.get_status_display, problem=stored.outcome)
    return run.find(Code.EVENT_MISSING, event["id"], Said(f"{MISSING(**places)}; {now}"), repaired=True)


def _failed(run: Run) -> None:
    """Processes again what failed or was cut off, however old."""
    Status = StripeEvent.Status
    waiting = StripeEvent.objects.filter(account=run.account).filter(
        Q(status=Status.FAILED) | Q(status=Status.RECEIVED, received__lt=timezone.now() - MOMENT)
    )
    for pk, event_id in list(waiting.order_by("attempts", "received").values_list("pk", "event_id")):
        with run.at(event_id):
            event = StripeEvent.objects.get(pk=pk)
            places = {
                "type": event.type,
                "id": event_id,
                "status": event.get_status_display,
                "time": f"{event.received:%Y-%m-%d %H:%M}",
            }
            said = SINCE(**places)
            if not run.may_repair:
                said = BECAUSE(**places, problem=event.outcome or CUT_OFF())
                run.find(Code.EVENT_FAILED, event_id, said)
                continue
            try:
                event = intake.process(event)
            except StripeUnavailable:
                raise
            except Exception as error:
                said = TRACED(**places, problem=f"{type(error).__name__}: {error}")
                run.find(Code.EVENT_FAILED, event_id, said)
            else:
                said = Said(f"{said}; {IT_IS_NOW(status=event.get_status_display)}")
                run.find(Code.EVENT_FAILED, event_id, said, repaired=True)
