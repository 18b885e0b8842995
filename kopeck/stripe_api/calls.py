"""Calls of Stripe as they are seen from outside: each try is one line of the log and one count.

Knows addresses and statuses only, nothing of what is sent: inputs, keys and idempotency keys stay unseen.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kopeck.telemetry import metrics
from kopeck.telemetry.tracing import name_of

log = logging.getLogger("kopeck.stripe")


@dataclass(slots=True)
class Call:
    """One try. `status` stays 0 where no answer came."""

    name: str
    status: int = 0
    request_id: str = ""

    @property
    def outcome(self) -> str:
        """ok; refused (Stripe says no); busy (ask again); failed (Stripe broke); unreachable (no answer)."""
        if not self.status:
            return "unreachable"
        if self.status >= 500:
            return "failed"
        if self.status in (409, 429):
            return "busy"
        return "refused" if self.status >= 400 else "ok"


@dataclass(frozen=True, slots=True)
class Heard:
    """What the last call of an account came to, in this process, and since when that is so (Unix second)."""

    outcome: str
    since: float

    @property
    def answers(self) -> bool:
        """Stripe's service is there; it may have said no."""
        return self.outcome not in ("unreachable", "failed")


#: By account; for `/readyz`. One assignment a call: threads need no lock.
heard: dict[str, Heard] = {}


@contextmanager
def watch(account: str, method: str, url: str) -> Iterator[Call]:
    """Around one try: write its status and request id on the Call."""
    call, began = Call(name_of(method, url)), time.perf_counter()
    try:
        yield call
    finally:
        seconds = time.perf_counter() - began
        metrics.count_call(account, call.name, call.outcome, seconds)
        _hear(account, call.outcome)
        _write(account, call, round(seconds * 1000, 1))


def _hear(account: str, outcome: str) -> None:
    before, now = heard.get(account), Heard(outcome, time.time())
    if before is None or before.answers != now.answers:
        heard[account] = now


def _write(account: str, call: Call, ms: float) -> None:
    level = logging.INFO if call.outcome in ("ok", "refused") else logging.WARNING
    said = {"account": account, "call": call.name, "outcome": call.outcome, "ms": ms}
    if call.status:
        said |= {"status": call.status, "stripe_request": call.request_id}
    log.log(level, "%s %s in %s ms", call.name, call.outcome, ms, extra=said)
