"""Events that never arrived: read from Stripe's own list and given to the same intake, the oldest first.

This is how the shop hears of whatever a lost webhook would have told: refunds of the dashboard, refunds that
fail after weeks, disputes. Stripe lists events of the last 30 days; the comparison of objects finds the rest.
"""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings

from kopeck import stopping
from kopeck.database.retries import AWAY
from kopeck.payments.models import Payment
from kopeck.stripe_api import listing
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.stripe_api.events import storable
from kopeck.webhooks import intake
from kopeck.webhooks.endpoints import event_types
from kopeck.webhooks.models import Cursor, StripeEvent

log = logging.getLogger(__name__)
#: Stripe lists no older events.
KEPT = timedelta(days=30)
#: A younger event is on its way to the webhook.
YOUNG = timedelta(minutes=1)
#: Read again each time, for an event that Stripe lists late.
OVERLAP = timedelta(minutes=15)
#: A stretch of time with more pages of events than this is read in shorter ones, but never in shorter than
#: the shortest; a run reads so many stretches, the next run goes on.
PAGES, SHORTEST, STRETCHES = 10, timedelta(minutes=1), 5
#: How far Stripe's clock and ours may differ.
SKEW = timedelta(days=1)

Event = dict[str, Any]


def recover(account: str) -> int:
    """Takes in what never arrived since the cursor, as far as one run goes; how many events.

    StripeUnavailable, StripeRefused: Stripe could not be asked. An event that fails is kept as failed, and is
    processed again with the others that failed.
    """
    now, taken = listing.clock(account), 0
    begin = max(_begin(account, now), now - KEPT)
    for events, until in islice(missing(account, begin, now - YOUNG), STRETCHES):
        for event in stopping.each(events):
            log.warning("event %s %s of account %s never arrived", event["type"], event["id"], account)
            _take(account, event)
            taken += 1
        if not Cursor.objects.filter(account=account, up_to__gte=until).exists():
            Cursor.objects.update_or_create(account=account, defaults={"up_to": until})
    return taken


def _begin(account: str, now: datetime) -> datetime:
    """Where the last run ended; else a little before our oldest payment of the account."""
    cursor = Cursor.objects.filter(account=account).first()
    if cursor is not None:
        # Of a clock that was put back the cursor is ahead.
        return min(cursor.up_to, now - YOUNG) - OVERLAP
    oldest = Payment.objects.filter(account=account).order_by("created").first()
    return oldest.created - SKEW if oldest else now - YOUNG - OVERLAP


def missing(account: str, begin: datetime, end: datetime) -> Iterator[tuple[list[Event], datetime]]:
    """Events that are not stored, oldest first, in stretches from `begin`; up to when each stretch goes."""
    length = end - begin
    while begin < end:
        until = min(begin + length, end)
        events = _read(account, begin, until, most=PAGES if length > SHORTEST else 0)
        if events is None:
            length = max(length / 4, SHORTEST)
            continue
        yield events, until
        begin, length = until, length * 2


def _read(account: str, begin: datetime, until: datetime, *, most: int) -> list[Event] | None:
    """The events of a stretch that are not stored, oldest first; None where it has more than `most` pages."""
    found: list[Event] = []
    listed = listing.pages(account, "event", begin, until, types=event_types())
    for number, (events, has_more) in enumerate(listed, start=1):
        ids = [event["id"] for event in events]
        stored = StripeEvent.objects.filter(account=account, event_id__in=ids)
        known = set(stored.values_list("event_id", flat=True))
        found += [event for event in events if event["id"] not in known]
        if has_more and number == most:
            return None
    return found[::-1]


def _take(account: str, event: Event) -> None:
    try:
        take(account, event)
    except AWAY:
        raise  # it may not be stored: the cursor stays
    except (StripeUnavailable, StripeRefused) as trouble:
        log.warning("event %s waits on: %s", event["id"], trouble)
    except Exception:
        log.exception("event %s failed", event["id"])


def take(account: str, event: Event) -> StripeEvent:
    """What the webhook does with an event that was delivered. Raises what stopped it, noted on the event."""
    livemode = settings.STRIPE_ACCOUNTS[account].livemode
    text = json.dumps(event)
    return intake.receive(account, storable(text), text.encode(), livemode=livemode)
