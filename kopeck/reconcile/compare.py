"""Compares Stripe with the shop, both ways, account by account: repairs what is safe, tells the rest.

Everything that an account made since its cursor is listed, the oldest days first; then what the lists did not
show is asked about. A cursor moves when a stretch was walked to its end, so a walk that was cut off goes on
from there; every walk looks a little further back, for what was late or made by a clock that is wrong.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from django.db import transaction
from django.utils import timezone

from kopeck import stopping
from kopeck.payments.models import Payment
from kopeck.reconcile import books as reconcile_books
from kopeck.reconcile import events as reconcile_news
from kopeck.reconcile import payments as reconcile_payments
from kopeck.reconcile.look import Look
from kopeck.reconcile.models import Cursor, Difference, Finding, Run
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway
from kopeck.webhooks.endpoints import event_types

log = logging.getLogger(__name__)

#: In this order: what a refund or an event is about is known by then.
KINDS = ("session", "intent", "refund", "dispute", "event")
#: Walked again each time: longer than a session can be paid, and than clocks differ.
OVERLAP = timedelta(hours=3)
#: A walk goes in stretches of so much, each of which moves the cursor.
STRETCH = timedelta(days=1)
#: Stripe lists no older events.
EVENTS_KEPT = timedelta(days=30)
#: Waits before a page is asked for again, in seconds: the library does not retry "too many requests".
PAUSES = (1.0, 4.0)
#: How long runs are remembered.
REMEMBERED = timedelta(days=92)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """What to compare: since when (None: since the cursors, but at least `back`), or `everything`."""

    accounts: tuple[str, ...]
    since: datetime | None = None
    everything: bool = False
    back: timedelta = OVERLAP
    dry_run: bool = False


@dataclass(slots=True)
class Report:
    """What came of it. `troubles`: sentences about what could not be compared."""

    accounts: tuple[str, ...]
    started: datetime
    checked: int = 0
    findings: list[Finding] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def repaired(self) -> int:
        return sum(finding.repaired for finding in self.findings)

    @property
    def left(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.repaired]


@dataclass(frozen=True, slots=True)
class Walk:
    """One kind of objects of one account: from when on, in which stretches (None: open at the end)."""

    account: str
    kind: str
    begin: datetime
    stretches: tuple[tuple[datetime, datetime | None], ...]
    #: Whether nothing lies between the cursor and the walk's beginning.
    moves_cursor: bool


def reconcile(scope: Scope, tell: Tell = lambda done, total, what: None) -> Report:
    """Compares, repairs and stores what was found. `tell(done, total, what)` hears of every stretch."""
    began, report = time.monotonic(), Report(scope.accounts, timezone.now())
    plans: dict[str, list[Walk]] = {}
    for account in scope.accounts:
        try:
            plans[account] = _plan(scope, account)
        except (StripeUnavailable, StripeRefused) as trouble:
            report.troubles[account] = str(trouble)
    total = sum(len(walk.stretches) for plan in plans.values() for walk in plan)
    done = 0
    for account, plan in plans.items():
        look = Look(account, dry_run=scope.dry_run, is_first=account == scope.accounts[0])
        _try(reconcile_news.stuck_refunds, look, report)
        for walk in plan:
            for what in _walk_safely(look, walk, report):
                tell(done, total, what)
                done += 1
        _finish(look, report)
        report.checked += look.checked
        report.findings += look.findings
    report.seconds = time.monotonic() - began
    if not scope.dry_run:
        _store(report)
    _log(report)
    return report


def _plan(scope: Scope, account: str) -> list[Walk]:
    # By Stripe's own clock, where it tells.
    told = _patiently(gateway(account).server_time)
    now = datetime.fromtimestamp(told, UTC) if told else timezone.now()
    cursors = dict(Cursor.objects.filter(account=account).values_list("kind", "up_to"))
    oldest = Payment.objects.filter(account=account).order_by("pk").values_list("created", flat=True).first()
    return [_walk(scope, account, kind, cursors.get(kind), oldest or now, now) for kind in KINDS]


def _walk(
    scope: Scope, account: str, kind: str, cursor: datetime | None, oldest: datetime, now: datetime
) -> Walk:
    if scope.since is not None:
        begin = scope.since
    elif scope.everything or cursor is None:
        begin = EPOCH
    else:
        begin = min(cursor - OVERLAP, now - scope.back)
    stretches = []
    start, first = begin, oldest - STRETCH
    if kind == "event":
        first = max(first, now - EVENTS_KEPT)
    if start < first <= now - STRETCH - OVERLAP:  # nothing of ours, or not much
        stretches.append((start, first))
        start = first
    while start > EPOCH and start + STRETCH <= now - OVERLAP:
        stretches.append((start, start + STRETCH))
        start += STRETCH
    moves = begin <= (cursor or EPOCH)
    return Walk(account, kind, begin, (*stretches, (start, None)), moves)


def _walk_safely(look: Look, walk: Walk, report: Report) -> Iterator[str]:
    """Walks, as far as Stripe answers; what it is at."""
    try:
        for since, until in walk.stretches:
            yield f"{walk.account}: {walk.kind}s since {since:%Y-%m-%d}"
            newest = _stretch(look, walk.kind, since, until)
            if walk.moves_cursor and not look.dry_run:
                # By what Stripe has shown; a stretch that is open at the end may get more any moment.
                _move(walk, max(until or since, newest or since))
        if walk.kind in reconcile_payments.KINDS:
            for _pk, stripe_id in reconcile_payments.unseen(look, walk.kind, walk.begin):
                reconcile_payments.ask(look, walk.kind, stripe_id)
        elif walk.kind == "refund":
            for stripe_id in reconcile_news.unseen_refunds(look, walk.begin):
                reconcile_news.ask(look, walk.kind, stripe_id)
    except (StripeUnavailable, StripeRefused) as trouble:
        report.troubles.setdefault(look.account, f"{walk.kind}s: {trouble}")


def _stretch(look: Look, kind: str, since: datetime, until: datetime | None) -> datetime | None:
    """Compares everything made from `since` until before `until`; when the newest was made."""
    created = {"gte": int(since.timestamp()), **({"lt": int(until.timestamp())} if until else {})}
    asked: dict[str, Any] = {"created": created, **({"types": event_types()} if kind == "event" else {})}
    examine = reconcile_payments if kind in reconcile_payments.KINDS else reconcile_news
    newest, has_more = 0, True
    while has_more:
        objects, has_more = _patiently(partial(gateway(look.account).page, kind, **asked))
        if objects:
            newest = max(newest, objects[0]["created"])
            asked["starting_after"] = objects[-1]["id"]
            examine.examine(look, kind, objects)
    return datetime.fromtimestamp(newest, UTC) if newest else None


def _patiently(ask: Callable[[], T]) -> T:
    """The answer, asked for again after a while where Stripe is busy: a long walk should not end for it."""
    for pause in PAUSES:
        try:
            return ask()
        except StripeUnavailable as trouble:
            log.info("reconcile: asked again in %s s: %s", pause, trouble)
            stopping.sleep(pause)
    return ask()


def _move(walk: Walk, up_to: datetime) -> None:
    cursor, made = Cursor.objects.get_or_create(
        account=walk.account, kind=walk.kind, defaults={"up_to": up_to}
    )
    if not made:
        Cursor.objects.filter(pk=cursor.pk, up_to__lt=up_to).update(up_to=up_to)


def _finish(look: Look, report: Report) -> None:
    """What has no list: stuck rows, the shop's own books, and what an earlier run could not repair."""
    steps: list[Callable[[Look], None]] = [
        _known_differences,
        reconcile_news.stuck_events,
        reconcile_books.examine,
    ]
    for step in steps:
        _try(step, look, report)


def _try(step: Callable[[Look], None], look: Look, report: Report) -> None:
    try:
        step(look)
    except (StripeUnavailable, StripeRefused) as trouble:
        report.troubles.setdefault(look.account, str(trouble))


def _known_differences(look: Look) -> None:
    """However old: a difference is gone when it was looked for, and not when it is out of the window."""
    ways = {"session": reconcile_payments.ask, "intent": reconcile_payments.ask}
    ways |= {"refund": reconcile_news.ask, "dispute": reconcile_news.ask}
    known = Difference.objects.filter(account=look.account, gone=None, kind__in=ways)
    for kind, id in list(known.values_list("kind", "object_id")):
        if id not in look.seen and "_" in id:
            ways[kind](look, kind, id)


def _store(report: Report) -> None:
    now = timezone.now()
    with transaction.atomic():
        kept = [_keep(finding, now) for finding in report.left]
        whole = [account for account in report.accounts if account not in report.troubles]
        there = Difference.objects.filter(account__in=whole, gone=None)
        there.exclude(pk__in=kept).update(gone=now)
        Run.objects.create(
            started=report.started,
            ended=now,
            checked=report.checked,
            repaired=report.repaired,
            left=len(report.left),
            trouble="\n".join(f"{account}: {said}" for account, said in report.troubles.items()),
        )
        Run.objects.filter(ended__lt=now - REMEMBERED).delete()


def _keep(finding: Finding, now: datetime) -> int:
    difference, made = Difference.objects.get_or_create(
        account=finding.account,
        kind=finding.kind,
        object_id=finding.id[:255],
        code=finding.code,
        defaults={"said": finding.said, "order_id": finding.order, "first_seen": now, "last_seen": now},
    )
    if not made:
        difference.said, difference.last_seen, difference.gone = finding.said, now, None
        difference.save(update_fields=["said", "last_seen", "gone"])
    return difference.pk


def _log(report: Report) -> None:
    for finding in report.findings:
        level = logging.WARNING if finding.repaired else logging.ERROR
        log.log(level, "reconcile: account %s: %s (%s)", finding.account, finding.said, finding.code)
    for account, trouble in report.troubles.items():
        log.error("reconcile: account %s could not be compared: %s", account, trouble)
    log.info(
        "reconcile: %s compared, %s repaired, %s left, %.1f s",
        report.checked,
        report.repaired,
        len(report.left),
        report.seconds,
    )
