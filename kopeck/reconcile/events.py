"""Refunds, disputes and events at Stripe against our rows: what never arrived is fetched and processed.

Through `refund_news`, `disputes` and the inbox, as if Stripe had delivered it.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from kopeck.money import in_words
from kopeck.payments.models import Payment
from kopeck.reconcile.look import Look, look_up
from kopeck.refunds import disputes
from kopeck.refunds import request as refunds
from kopeck.refunds import sync as refund_news
from kopeck.refunds.models import Dispute, Refund
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway
from kopeck.webhooks import intake
from kopeck.webhooks.models import StripeEvent

#: An event that came a moment ago is being processed; a refund that was asked for then, too.
MOMENT = timedelta(minutes=2)
PAID = (Payment.Status.PAID, Payment.Status.NEEDS_REVIEW)


def examine(look: Look, kind: str, objects: list[dict[str, Any]]) -> None:
    """Compares a page of refunds, disputes or events. StripeUnavailable."""
    ways: dict[str, Callable[[Look, Any, dict[str, Any]], None]]
    ways = {"refund": _refund, "dispute": _dispute, "event": _event}
    known = _known(look.account, kind, [now["id"] for now in objects])
    for now in reversed(objects):  # oldest first, as they were sent
        with look.at(kind, now["id"]):
            ways[kind](look, known.get(now["id"]), now)


def _known(account: str, kind: str, ids: list[str]) -> dict[str, Any]:
    found: Any
    if kind == "event":
        found = StripeEvent.objects.defer("payload").filter(account=account, event_id__in=ids)
        return {row.event_id: row for row in found}
    model: Any = Refund if kind == "refund" else Dispute
    return {row.stripe_id: row for row in model.objects.filter(account=account, stripe_id__in=ids)}


def _same(row: Any, now: dict[str, Any]) -> bool:
    return row is not None and (row.status, row.amount, row.currency) == (
        now["status"],
        now["amount"],
        now["currency"],
    )


def _refund(look: Look, row: Refund | None, now: dict[str, Any]) -> None:
    payment = None if _same(row, now) else refund_news.known_payment(look.account, now)
    if payment is None:
        return None
    now = gateway(look.account).retrieve("refund", now["id"])
    row = Refund.objects.filter(account=look.account, stripe_id=now["id"]).first()
    if _same(row, now):
        return None
    before = f"it was {row.status}, {in_words(row.amount, row.currency)}" if row else "it was not known"
    money = in_words(now["amount"], now["currency"])
    said = f"Order {payment.order_id}: refund {now['id']} of {money} "
    said += f"is {now['status']} at Stripe, here {before}"
    if look.dry_run:
        return look.find("refund_differs", "refund", now["id"], said, order=payment.order_id)
    if payment.status not in PAID:
        payment = refund_news.payment_of(look.account, now) or payment
    agreed = _same(refund_news.apply(payment, now), now)
    end = "; here as well now." if agreed else ". Look at it in Stripe's Dashboard."
    look.find("refund_differs", "refund", now["id"], f"{said}{end}", order=payment.order_id, repaired=agreed)
    return None


def _dispute(look: Look, row: Dispute | None, now: dict[str, Any]) -> None:
    payment = None if _same(row, now) else refund_news.known_payment(look.account, now)
    if payment is None:
        return
    now = gateway(look.account).retrieve("dispute", now["id"])
    row = Dispute.objects.filter(account=look.account, stripe_id=now["id"]).first()
    if _same(row, now):
        return
    before = f"it was {row.status}" if row else "it was not known"
    said = f"Order {payment.order_id}: dispute {now['id']} is {now['status']} at Stripe, here {before}"
    agreed = not look.dry_run and _same(disputes.apply(payment, now), now)
    end = "; here as well now." if agreed else "."
    look.find(
        "dispute_differs", "dispute", now["id"], f"{said}{end}", order=payment.order_id, repaired=agreed
    )


def _event(look: Look, row: StripeEvent | None, now: dict[str, Any]) -> None:
    if row is not None:
        return None  # what failed, or was cut off, is processed with all the others
    made = f"{datetime.fromtimestamp(now['created'], UTC):%Y-%m-%d %H:%M:%S}"
    said = f"{now['type']} {now['id']} of {made} never arrived"
    if look.dry_run:
        return look.find("event_missing", "event", now["id"], f"{said}.")
    account = settings.STRIPE_ACCOUNTS[look.account]
    try:
        stored = intake.receive(look.account, now, livemode=account.livemode)
    except StripeUnavailable:
        raise
    except Exception as error:
        said = f"{said}, and can't be processed: {type(error).__name__}: {error}"
        return look.find("event_failed", "event", now["id"], said)
    said = f"{said}; it is {stored.status} now: {stored.outcome}"
    return look.find("event_missing", "event", now["id"], said, repaired=True)


def stuck_events(look: Look) -> None:
    """Processes again what failed or was cut off, however old. StripeUnavailable."""
    Status = StripeEvent.Status
    stuck = StripeEvent.objects.filter(account=look.account).filter(
        Q(status=Status.FAILED) | Q(status=Status.RECEIVED, received__lt=timezone.now() - MOMENT)
    )
    for pk, event_id in list(stuck.order_by("attempts", "received").values_list("pk", "event_id")):
        with look.at("event", event_id):
            event = StripeEvent.objects.get(pk=pk)
            said = f"{event} is {event.status} since {event.received:%Y-%m-%d %H:%M}"
            if look.dry_run:
                look.find("event_failed", "event", event_id, f"{said}: {event.outcome or 'cut off'}")
                continue
            try:
                event = intake.process(event)
            except StripeUnavailable:
                raise
            except Exception as error:
                said = f"{said}: {type(error).__name__}: {error}. Its page in the admin has the traceback."
                look.find("event_failed", "event", event_id, said)
            else:
                said = f"{said}; it is {event.status} now."
                look.find("event_failed", "event", event_id, said, repaired=True)


def unseen_refunds(look: Look, since: datetime) -> list[str]:
    """Stripe's ids of our refunds that the walk should have met."""
    mine = Refund.objects.filter(
        account=look.account, stripe_id__isnull=False, created__gte=since, status__in=Refund.MADE
    )
    return [id for id in mine.values_list("stripe_id", flat=True) if id and id not in look.seen]


def ask(look: Look, kind: str, stripe_id: str) -> None:
    """Compares one refund or dispute that no list has shown."""
    if now := look_up(look.account, kind, stripe_id):
        return examine(look, kind, [now])
    with look.at(kind, stripe_id):
        refund = Refund.objects.filter(account=look.account, stripe_id=stripe_id).first()
        if refund is not None and refund.is_made:
            said = (
                f"Order {refund.order_id}: refund {stripe_id} is {refund.status} here, and Stripe knows none."
            )
            look.find("unknown_at_stripe", kind, stripe_id, said, order=refund.order_id)
    return None


def stuck_refunds(look: Look) -> None:
    """Refunds whose request died are gone on with. StripeUnavailable."""
    dead = Refund.objects.filter(
        account=look.account, status=Refund.Status.CREATING, created__lt=timezone.now() - MOMENT
    )
    for refund in list(dead.select_related("payment")):
        with look.at("refund", str(refund.key)):
            said, done = _finish(refund, dry_run=look.dry_run)
            look.find("refund_stuck", "refund", str(refund.key), said, order=refund.order_id, repaired=done)


def _finish(refund: Refund, *, dry_run: bool) -> tuple[str, bool]:
    money = in_words(refund.amount, refund.currency)
    said = f"Order {refund.order_id}: a refund of {money} was not confirmed"
    if dry_run:
        return f"{said}.", False
    try:
        refund = refunds.finish(refund)
    except StripeRefused as refusal:
        return f"{said}; Stripe refuses it: {refusal}", True
    return f"{said}; now it is {refund.status}.", refund.status != Refund.Status.CREATING
