"""Compares Stripe with the shop, kind by kind of every account: repairs what is safe, tells the rest.

Whatever may have changed is listed, the oldest days first; then what the lists did not show is asked about.
The next run begins where the last one ended, so a comparison that was cut off goes on from there.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kopeck.payments.models import Payment
from kopeck.reconcile.events import Events
from kopeck.reconcile.kinds import EPOCH, OVERLAP, STRETCH, Kind, Stretch
from kopeck.reconcile.mirrored import Coupons, TaxRates
from kopeck.reconcile.models import Discrepancy, Run
from kopeck.reconcile.orders import Orders
from kopeck.reconcile.payments import Intents, Sessions
from kopeck.reconcile.refunds import Disputes, Refunds
from kopeck.sentences import Sentence
from kopeck.stripe_api import listing
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable

log = logging.getLogger(__name__)

#: In this order: what a refund or an event is about is known by then.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Sessions(),
        Intents(),
        Refunds(),
        Disputes(),
        Events(),
        Orders(),
        Coupons(),
        TaxRates(),
    )
}
#: Discounts and taxes as Stripe has them: a change made there may be meant.
MIRRORED = frozenset({Coupons.name, TaxRates.name})

#: What stopped the comparison of a kind.
TROUBLE = {
    Sessions.name: Sentence("sessions: %(problem)s"),
    Intents.name: Sentence("intents: %(problem)s"),
    Refunds.name: Sentence("refunds: %(problem)s"),
    Disputes.name: Sentence("disputes: %(problem)s"),
    Events.name: Sentence("events: %(problem)s"),
    Orders.name: Sentence("orders: %(problem)s"),
    Coupons.name: Sentence("coupons: %(problem)s"),
    TaxRates.name: Sentence("tax rates: %(problem)s"),
}

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """What to compare: since when (None: since the last run, but at least `back`), or `everything`.

    `back` None: as far back as objects of a kind change. `repair`: the kinds that may be repaired.
    """

    accounts: tuple[str, ...]
    kinds: tuple[str, ...] = tuple(KINDS)
    since: datetime | None = None
    everything: bool = False
    back: timedelta | None = OVERLAP
    repair: frozenset[str] = frozenset(KINDS)
    store: bool = True


@dataclass(slots=True)
class Report:
    """What came of it."""

    accounts: tuple[str, ...]
    runs: list[Run] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def discrepancies(self) -> list[Discrepancy]:
        """All that were found; one that two kinds met is told as the later one left it."""
        return list({name: found for run in self.runs for name, found in run.found.items()}.values())

    @property
    def left(self) -> list[Discrepancy]:
        return [found for found in self.discrepancies if not found.is_repaired]

    @property
    def checked(self) -> int:
        return sum(run.checked for run in self.runs)

    @property
    def troubles(self) -> dict[str, str]:
        """By account a sentence about what could not be compared."""
        return {run.account: run.trouble for run in reversed(self.runs) if run.trouble}


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that is to come: since when, in which stretches, and up to when there is no gap before it."""

    run: Run
    begin: datetime = EPOCH
    stretches: tuple[Stretch, ...] = ()
    moves_on: bool = False


def reconcile(scope: Scope, tell: Tell = lambda done, total, what: None) -> Report:
    """Compares, repairs and stores what was found. `tell(done, total, what)` hears of every step."""
    began, report, done = time.monotonic(), Report(scope.accounts), 0
    plans = [plan for account in scope.accounts for plan in _plan(scope, account)]
    total = sum(len(plan.stretches) for plan in plans)
    for plan in plans:
        done = _go(plan, done, total, tell)
        plan.run.end(store=scope.store)
        report.runs.append(plan.run)
    report.seconds = time.monotonic() - began
    if scope.store:
        _log(report)
    return report


def _plan(scope: Scope, account: str) -> list[Plan]:
    runs = [Run.begin(account, name, may_repair=name in scope.repair) for name in scope.kinds]
    try:
        now = listing.clock(account)
    except (StripeUnavailable, StripeRefused) as trouble:
        for run in runs:
            run.trouble = str(trouble)
        return [Plan(run) for run in runs]
    oldest = (
        Payment.objects.filter(account=account).order_by("created").values_list("created", flat=True).first()
    )
    return [_plan_run(scope, run, (oldest or now) - STRETCH, now) for run in runs]


def _plan_run(scope: Scope, run: Run, first: datetime, now: datetime) -> Plan:
    kind = KINDS[run.kind]
    last = Run.objects.filter(account=run.account, kind=run.kind).first()
    run.up_to = last.up_to if last else None
    if scope.since is not None:
        begin = scope.since
    elif scope.everything or run.up_to is None:
        begin = EPOCH
    else:
        begin = min(run.up_to - OVERLAP, now - (scope.back or kind.age))
    stretches = tuple(kind.stretches(begin, first, now))
    return Plan(run, begin, stretches, moves_on=begin <= (run.up_to or EPOCH))


def _go(plan: Plan, done: int, total: int, tell: Tell) -> int:
    """Compares as far as Stripe answers; how many steps are done by then."""
    run, kind = plan.run, KINDS[plan.run.kind]
    try:
        for number, (since, until) in enumerate(plan.stretches):
            tell(done + number, total, f"{run.account}: {kind.step(since)}")
            newest = kind.compare(run, since, until)
            if plan.moves_on:
                # By what Stripe has shown: a stretch that is open at the end may get more any moment.
                run.up_to = max(until or since, newest or since, run.up_to or EPOCH)
        if not run.trouble:
            kind.finish(run, plan.begin)
    except (StripeUnavailable, StripeRefused) as trouble:
        run.trouble = TROUBLE[kind.name](problem=trouble)
    return done + len(plan.stretches)


def _log(report: Report) -> None:
    for found in report.discrepancies:
        level = logging.WARNING if found.is_repaired else logging.ERROR
        log.log(level, "reconcile: account %s: %s (%s)", found.account, found.said, found.code)
    for account, trouble in report.troubles.items():
        log.error("reconcile: account %s could not be compared: %s", account, trouble)
    checked, left, seconds = report.checked, len(report.left), report.seconds
    repaired = len(report.discrepancies) - left
    log.info("reconcile: %s compared, %s repaired, %s left, %.1f s", checked, repaired, left, seconds)


def latest_runs() -> dict[tuple[str, str], Run]:
    """The last run of each account and kind."""
    runs = Run.objects.order_by("account", "kind", "-pk").distinct("account", "kind")
    return {(run.account, run.kind): run for run in runs}
