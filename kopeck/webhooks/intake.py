"""Stripe's events: stored once, then processed by whoever knows their object.

An event's body is only a hint to look: every handler asks Stripe for the object as it is now.
"""

import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError
from django.db.models import F
from django.utils import timezone

from kopeck.telemetry.redaction import scrub, without_secrets
from kopeck.webhooks.handlers import HANDLERS
from kopeck.webhooks.models import StripeEvent

log = logging.getLogger(__name__)
_STRIPE_ID = re.compile(r"\w+", re.ASCII)


def receive(account_name: str, event: dict[str, Any], *, livemode: bool) -> StripeEvent:
    """Stores the event once and works it off. Raises what stopped it, after noting that on the event."""
    stored = _store(account_name, event)
    if bool(event.get("livemode")) != livemode:
        return _settle(stored, StripeEvent.Status.REJECTED, "Of another mode (live, test) than our keys.")
    return process(stored)


def process(event: StripeEvent) -> StripeEvent:
    """Does what the event asks for, unless that was done before."""
    if event.is_settled:
        return event
    try:
        return _handle(event)
    except Exception as error:
        _note_failure(event, error)
        raise


def replay(event: StripeEvent) -> StripeEvent:
    """Processes the event again, whatever became of it before: it only makes the shop look at Stripe."""
    event.status = StripeEvent.Status.RECEIVED
    event.save(update_fields=["status"])
    return process(event)


def _note_failure(event: StripeEvent, error: Exception) -> None:
    """On its own, outside whatever was rolled back; Stripe will deliver the event again, and so do we."""
    trace = "".join(traceback.format_exception(error))
    try:
        StripeEvent.objects.filter(pk=event.pk).exclude(status__in=StripeEvent.SETTLED).update(
            status=StripeEvent.Status.FAILED,
            attempts=F("attempts") + 1,
            outcome=_readable(f"{type(error).__name__}: {error}"),
            traceback=_readable(trace),
        )
    except DatabaseError as away:
        # What stopped the event is what should be read; it stays received, and the sweep takes it up.
        log.error("event %s failed, which could not be noted: %s", event.event_id, away)


#: How much of a traceback is kept: its end tells what happened.
MOST = 10_000


def _readable(text: str) -> str:
    """A text for the admin: no secrets, no bytes that PostgreSQL refuses, not too long."""
    return scrub(text.replace("\0", ""))[-MOST:]


def _handle(event: StripeEvent) -> StripeEvent:
    for prefix, handle in HANDLERS.items():
        if event.type.startswith(prefix):
            # Handlers ask Stripe by this id: "../refunds" would be another address of Stripe's.
            if not _STRIPE_ID.fullmatch(event.object_id):
                return _settle(event, StripeEvent.Status.IGNORED, "It names no object of Stripe's.")
            return _settle(event, *handle(event))
    return _settle(event, StripeEvent.Status.IGNORED, "The shop needs no events of this type.")


def _store(account_name: str, event: dict[str, Any]) -> StripeEvent:
    data = event.get("data")
    body = data.get("object") if isinstance(data, dict) else None
    body = body if isinstance(body, dict) else {}
    row = StripeEvent(
        account=account_name,
        event_id=event["id"][:255],
        type=event["type"][:100],
        object_id=str(body.get("id") or "")[:255],
        api_version=str(event.get("api_version") or "")[:40],
        payload=without_secrets({**event, "data": {"object": body}}),
        created=_time(event.get("created")),
    )
    # ON CONFLICT DO NOTHING: of two copies that arrive together one row stays, and both go on with it.
    StripeEvent.objects.bulk_create([row], ignore_conflicts=True)
    return StripeEvent.objects.get(account=account_name, event_id=row.event_id)


def _time(second: Any) -> datetime:
    """Of a Unix second; now for what is none."""
    try:
        return datetime.fromtimestamp(second, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return timezone.now()


def _settle(event: StripeEvent, status: StripeEvent.Status, outcome: str) -> StripeEvent:
    event.status, event.outcome, event.handled = status, outcome, timezone.now()
    event.traceback = ""
    event.attempts += 1
    event.save(update_fields=["status", "outcome", "traceback", "handled", "attempts"])
    return event
