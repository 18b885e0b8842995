"""What an account has of one kind of objects, page by page, and what time it is at Stripe."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from django.utils import timezone

from kopeck import stopping
from kopeck.stripe_api.client import StripeUnavailable, gateway

log = logging.getLogger(__name__)
T = TypeVar("T")
#: Waits before a page is asked for again, in seconds: the library does not retry "too many requests".
PAUSES = (1.0, 4.0)


def clock(account: str) -> datetime:
    """Stripe's own time where it tells, else ours. StripeUnavailable, StripeRefused."""
    told = patiently(gateway(account).server_time)
    return datetime.fromtimestamp(told, UTC) if told else timezone.now()


def pages(
    account: str, kind: str, since: datetime, until: datetime | None = None, **more: Any
) -> Iterator[tuple[list[dict[str, Any]], bool]]:
    """Pages of what was made from `since` until before `until`, newest first; whether more follow.

    `kind` and `more` as of `Gateway.page`. StripeUnavailable, StripeRefused.
    """
    created = {"gte": int(since.timestamp()), **({"lt": int(until.timestamp())} if until else {})}
    asked: dict[str, Any] = {"created": created, **more}
    has_more = True
    while has_more:
        objects, has_more = patiently(partial(gateway(account).page, kind, **asked))
        if objects:
            asked["starting_after"] = objects[-1]["id"]
        yield objects, has_more


def patiently(ask: Callable[[], T]) -> T:
    """The answer, asked for again after a while where Stripe is busy: a long walk should not end for it."""
    for pause in PAUSES:
        try:
            return ask()
        except StripeUnavailable as trouble:
            log.info("Stripe is asked again in %s s: %s", pause, trouble)
            stopping.sleep(pause)
    return ask()
