"""Stripe's events: stored once, then worked off by whoever knows their object.

An event's body is only a hint to look: every handler asks Stripe for the object as it is now.
"""

import logging
import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError
from django.db.models import F
from django.utils import timezone

from kopeck.payments import declines, disputes, refund_news, sync
from kopeck.payments.models import Payment, StripeEvent
from kopeck.redaction import scrub, without_secrets

log = logging.getLogger(__name__)
_STRIPE_ID = re.compile(r"\w+", re.ASCII)


def receive(account_name: str, event: dict[str, Any], *, livemode: bool) -> StripeEvent:
    """Stores the event once and works it off. Raises what stopped it, after noting that on the event."""
    stored = _store(account_name, event)
    if bool(event.get("livemode")) != livemode:
        return _settle(stored, StripeEvent.Status.REJECTED, "Of another mode (live, test) than our keys.")
    return work_off(stored)


def work_off(event: StripeEvent) -> StripeEvent:
    """Does what the event asks for, unless that was done before."""
    if event.is_settled:
        return event
    try:
        return _handle(event)
    except Exception as error:
        _note_failure(event, error)
        raise


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


Outcome = tuple[StripeEvent.Status, str]


def _handle(event: StripeEvent) -> StripeEvent:
    for prefix, handle in HANDLERS.items():
        if event.type.startswith(prefix):
            # Handlers ask Stripe by this id: "../refunds" would be another address of Stripe's.
            if not _STRIPE_ID.fullmatch(event.object_id):
                return _settle(event, StripeEvent.Status.IGNORED, "It names no object of Stripe's.")
            return _settle(event, *handle(event))
    return _settle(event, StripeEvent.Status.IGNORED, "The shop needs no events of this type.")


def _payment(event: StripeEvent) -> Outcome:
    # The intent of a Checkout Session is no payment of ours by its id: the session's own events tell of it.
    payment = _payment_of(event)
    if payment is None:
        metadata = event.payload["data"]["object"].get("metadata")
        ours = isinstance(metadata, dict) and "kopeck_payment" in metadata
        said = "Its Checkout Session's own events tell of it." if ours else "Not a payment of this shop."
        return StripeEvent.Status.IGNORED, said
    if not payment.stripe_id:
        payment.stripe_id = event.object_id
    payment = sync.refresh(payment)
    return StripeEvent.Status.DONE, f"Order {payment.order_id}: payment is {payment.status}."


def _declined(event: StripeEvent) -> Outcome:
    counted = declines.count(event)
    status, said = _payment(event)
    return (StripeEvent.Status.DONE, f"{counted} {said}") if counted else (status, said)


def _payment_of(event: StripeEvent) -> Payment | None:
    """By Stripe's id; else by our key in the metadata, for a session whose id we crashed before storing."""
    ours = Payment.objects.filter(account=event.account)
    payment = ours.filter(stripe_id=event.object_id).first()
    if payment is not None:
        return payment
    key = declines.key_in(event.payload["data"]["object"].get("metadata"))
    if key is None:
        return None
    # The intent of a Checkout attempt carries its key too, and is not the object that the attempt waits for.
    kind = Payment.Kind.CHECKOUT if event.type.startswith("checkout.") else Payment.Kind.INTENT
    return ours.filter(key=key, kind=kind, stripe_id__isnull=True).first()


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


#: Who works off which events, by the beginning of their type. Each re-reads its object: the body is a hint.
HANDLERS: dict[str, Callable[[StripeEvent], Outcome]] = {
    "checkout.session.": _payment,
    "payment_intent.payment_failed": _declined,
    "payment_intent.": _payment,
    "refund.": refund_news.on_event,
    "charge.refund": refund_news.on_event,
    "charge.dispute.": disputes.on_event,
}
