"""Stripe's events: stored once, then processed by the room that knows their object.

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

from kopeck.database import rows
from kopeck.sentences import Said, Sentence
from kopeck.telemetry.redaction import holds_nothing, scrub, without_secrets
from kopeck.webhooks.handlers import HANDLERS, Outcome
from kopeck.webhooks.models import STORE_ONCE, StripeEvent

log = logging.getLogger(__name__)
OTHER_MODE = Sentence("Of another mode (live, test) than our keys.")
NOT_NEEDED = Sentence("The shop needs no events of this type.")
NO_OBJECT = Sentence("It names no object of Stripe's.")
SETTLING = ("status", "outcome", "traceback", "handled", "attempts")
_STRIPE_ID = re.compile(r"\w+", re.ASCII)


def receive(account_name: str, event: dict[str, Any], body: bytes, *, livemode: bool) -> StripeEvent:
    """Stores the event once and processes it. Raises what stopped it, after noting that on the event."""
    return process(keep(account_name, event, body, livemode=livemode))


def keep(account_name: str, event: dict[str, Any], body: bytes, *, livemode: bool) -> StripeEvent:
    """The event as it is stored, once; settled by that where it needs no work. `body`: its JSON."""
    row = _row(account_name, event, body)
    is_ours = bool(event.get("livemode")) == livemode
    useless = _useless(row)
    if not is_ours:
        _settle(row, StripeEvent.Status.REJECTED, OTHER_MODE())
    elif useless:
        _settle(row, StripeEvent.Status.IGNORED, useless)
    if _store(row) or row.is_settled:
        return row
    # It came before, and was cut off or failed then.
    stored = StripeEvent.objects.get(pk=row.pk)
    if not is_ours:
        _settle(stored, StripeEvent.Status.REJECTED, OTHER_MODE())
        rows.update(stored, *SETTLING)
    return stored


def process(event: StripeEvent) -> StripeEvent:
    """Does what the event asks for, unless that was done before."""
    if event.is_settled:
        return event
    try:
        reason = _useless(event)
        outcome = (StripeEvent.Status.IGNORED, reason) if reason else _handle(event)
        _settle(event, *outcome)
        rows.update(event, *SETTLING)
    except Exception as error:
        _note_failure(event, error)
        raise
    return event


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


def _useless(event: StripeEvent) -> Said | None:
    """Why the event needs no work; None where somebody has to look at its object."""
    if not event.type.startswith(tuple(HANDLERS)):
        return NOT_NEEDED()
    # Handlers ask Stripe by this id: "../refunds" would be another address of Stripe's.
    return None if _STRIPE_ID.fullmatch(event.object_id) else NO_OBJECT()


def _handle(event: StripeEvent) -> Outcome:
    return next(handle for prefix, handle in HANDLERS.items() if event.type.startswith(prefix))(event)


def _row(account_name: str, event: dict[str, Any], text: bytes) -> StripeEvent:
    data = event.get("data")
    body = data.get("object") if isinstance(data, dict) else None
    body = body if isinstance(body, dict) else {}
    payload = {**event, "data": {"object": body}}
    return StripeEvent(
        account=account_name,
        event_id=event["id"][:255],
        type=event["type"][:100],
        object_id=str(body.get("id") or "")[:255],
        api_version=str(event.get("api_version") or "")[:40],
        payload=payload if holds_nothing(text) else without_secrets(payload),
        created=_time(event.get("created")),
        traceback="",
    )


def _store(row: StripeEvent) -> bool:
    """Stores the event; False where it was stored before, and then `row` has what became of it."""
    asked = [*rows.values(row), row.account, row.event_id]
    while not (found := rows.at_once(STORE_ONCE, asked)):
        # Another copy came at this very moment: this statement waited for it, and looked before it was there.
        continue
    (row.pk, row.status, row.outcome, is_new) = found[0]
    row._state.adding = False
    return bool(is_new)


def _time(second: Any) -> datetime:
    """Of a Unix second; now for what is none."""
    try:
        return datetime.fromtimestamp(second, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return timezone.now()


def _settle(event: StripeEvent, status: StripeEvent.Status, outcome: Said) -> None:
    event.status, event.outcome, event.handled = status, outcome, timezone.now()
    event.traceback = ""
    event.attempts += 1
