"""One discount or tax, one Stripe account: the coupon or tax rate there is brought in step, step by step.

Each step is decided with the copy's row locked, for a moment; then the row's lease is held while Stripe is
asked, with no transaction or connection. Jobs and checkouts that want the same copy wait for who asks.
"""

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from kopeck.catalog.models import Discount, Tax, shown_percent
from kopeck.locks import one_at_a_time
from kopeck.mirror.models import StripeMirror
from kopeck.stripe_api.client import Gateway, StripeRefused, StripeUnavailable, gateway
from kopeck.stripe_api.waiting import wait_until

log = logging.getLogger(__name__)
Kind, Status = StripeMirror.Kind, StripeMirror.Status

#: Longer than one try at Stripe; then whoever asks counts as dead. Who only tries again meanwhile does no
#: harm: both ask with the same key, and whoever is late writes "doubtful". Shorter than PATIENCE, so that a
#: buyer who waits for a worker that was killed gets a session.
LEASE = timedelta(seconds=15)
#: How long one waits for another who asks Stripe about the same copy.
PATIENCE = 25.0
#: How far Stripe's clock and ours may differ.
SKEW = 3600


@dataclass(frozen=True, slots=True)
class Described:
    """A discount or a tax in Stripe's words: `facts` that Stripe never changes, `details` that it does.

    `needed`: whether it has to be at Stripe where it is not yet.
    """

    facts: dict[str, Any]
    details: dict[str, Any]
    needed: bool = True

    def is_what(self, copy: StripeMirror) -> bool:
        """Whether our note of the copy says the same."""
        return (copy.facts, copy.details) == (self.facts, self.details)


def kind_of(model: type[Discount] | type[Tax]) -> StripeMirror.Kind:
    return Kind.COUPON if issubclass(model, Discount) else Kind.TAX_RATE


def describe(thing: Discount | Tax) -> Described:
    """As Stripe should have it.

    How often, when and from which sum on a discount may be used is the shop's own affair: Stripe would count
    and refuse by other rules. So a discount that is switched off or has run out may keep its coupon, while a
    tax that is switched off has its rate archived.
    """
    if isinstance(thing, Discount):
        if thing.percent_off is not None:
            facts: dict[str, Any] = {"percent_off": shown_percent(thing.percent_off)}
        else:
            facts = {"amount_off": thing.amount_off, "currency": thing.currency}
        return Described(facts, {"name": thing.name}, thing.active)
    # Country and state can be set once, and none of these can be emptied again: a change makes a new rate.
    places = {"country": thing.country.upper(), "state": thing.state, "jurisdiction": thing.jurisdiction}
    facts = {"percentage": shown_percent(thing.percentage), "inclusive": thing.inclusive}
    facts |= {name: place for name, place in places.items() if place}
    return Described(facts, {"display_name": thing.display_name, "active": thing.active}, thing.active)


def read(kind: StripeMirror.Kind, theirs: dict[str, Any]) -> Described:
    """What Stripe has: a coupon or tax rate as it answers."""
    names: tuple[str, ...] = ("percent_off", "amount_off", "currency")
    if kind == Kind.TAX_RATE:
        names = ("percentage", "inclusive", "country", "state", "jurisdiction")
    facts = {name: theirs[name] for name in names if theirs.get(name) not in (None, "")}
    for name in ("percent_off", "percentage"):
        if name in facts:  # JSON made it a float, whose shortest form is what Stripe wrote
            facts[name] = shown_percent(Decimal(str(facts[name])))
    if kind == Kind.COUPON:
        return Described(facts, {"name": theirs.get("name") or ""})
    return Described(facts, {"display_name": theirs["display_name"], "active": theirs["active"]})


def find(kind: StripeMirror.Kind, object_id: int) -> Described | None:
    """The discount or tax as it is now; None if it was deleted."""
    model: type[Discount] | type[Tax] = Discount if kind == Kind.COUPON else Tax
    thing = model.objects.filter(pk=object_id).first()
    return None if thing is None else describe(thing)


def shop_mark() -> str:
    """Tells our coupons and tax rates from those of another shop that uses the same Stripe account."""
    return salted_hmac("kopeck.mirror.sync", "shop", algorithm="sha256").hexdigest()[:16]


def doubt(*which: Q) -> None:
    """Lets the next who needs these copies look them up at Stripe first."""
    StripeMirror.objects.filter(*which, status=Status.CURRENT).update(status=Status.DOUBTFUL)


def out_of_step(
    account_name: str, *, untouched_since: datetime | None = None
) -> list[tuple[StripeMirror.Kind, int]]:
    """What `bring` would find to do, by our notes; without what failed after `untouched_since`."""
    notes = StripeMirror.objects.filter(account=account_name)
    todo = dict.fromkeys((Kind(copy.kind), copy.object_id) for copy in notes if copy.status != Status.CURRENT)
    current = {(copy.kind, copy.object_id): copy for copy in notes if copy.status == Status.CURRENT}
    things: list[Discount | Tax] = [*Discount.objects.all(), *Tax.objects.all()]
    for thing in things:
        described, name = describe(thing), (kind_of(type(thing)), thing.pk)
        copy = current.pop(name, None)
        if described.needed if copy is None else not described.is_what(copy):
            todo[name] = None
    todo |= dict.fromkeys((Kind(kind), object_id) for kind, object_id in current)
    if untouched_since is None:
        return list(todo)
    failed = {(Kind(c.kind), c.object_id) for c in notes if c.problem and c.updated > untouched_since}
    return [name for name in todo if name not in failed]


# One step after another -------------------------------------------------------------------------------


class Turn(Enum):
    """What to do next about a copy."""

    WAIT = auto()
    CREATE = auto()
    LOOK_UP = auto()
    UPDATE = auto()
    RETIRE = auto()


@dataclass(frozen=True, slots=True)
class Step:
    turn: Turn
    copy: StripeMirror
    wanted: Described | None


def bring(account_name: str, kind: StripeMirror.Kind, object_id: int, *, retire: bool = True) -> None:
    """Makes, changes, repairs or retires until Stripe has what the shop has; asks nothing where it has.

    Called outside transactions. Raises StripeUnavailable and StripeRefused, noting them on the copy.
    """
    deadline = time.monotonic() + PATIENCE
    for _attempt in range(20):
        step = _next_step(account_name, kind, object_id, retire=retire)
        if step is None:
            return
        if step.turn is Turn.WAIT:
            _wait(step.copy, deadline)
        else:
            _ask(step)
    raise StripeUnavailable("It keeps changing while Stripe is asked.")


def _next_step(account_name: str, kind: StripeMirror.Kind, object_id: int, *, retire: bool) -> Step | None:
    """Decides with the copy's row locked, and takes its lease."""
    mine = StripeMirror.objects.filter(account=account_name, kind=kind, object_id=object_id)
    with transaction.atomic():
        # An object has several copies while one takes another's place: with row locks alone, two who go
        # through them in another order would wait for each other.
        one_at_a_time(f"copy {account_name} {kind} {object_id}")
        copy = mine.exclude(status=Status.RETIRING).select_for_update().first()
        # Read after the lock: who held it before may not have seen the change that we came for.
        wanted = find(kind, object_id)
        if copy is not None and _is_replaced(copy, wanted) and not copy.is_leased:
            copy.status, copy.tries = Status.RETIRING, 0
            copy.save(update_fields=["status", "tries", "updated"])
            copy = None
        if copy is None and wanted is not None and wanted.needed:
            new = StripeMirror(account=account_name, kind=kind, object_id=object_id)
            StripeMirror.objects.bulk_create([new], ignore_conflicts=True)
            copy = mine.exclude(status=Status.RETIRING).select_for_update().get()
            if copy.key != new.key:
                return Step(Turn.WAIT, copy, wanted)  # another was quicker: look again
        turn = _turn(copy, wanted) if copy is not None else None
        if turn is None and retire:
            copy = mine.filter(status=Status.RETIRING).select_for_update().first()
            turn = Turn.RETIRE
        if copy is None or turn is None:
            return None
        if not copy.claim(LEASE, tries=copy.tries + 1, updated=timezone.now()):
            turn = Turn.WAIT
        return Step(turn, copy, wanted)


def _is_replaced(copy: StripeMirror, wanted: Described | None) -> bool:
    """Whether this copy can't become what is wanted: a new one takes its place, if any."""
    known = copy.status == Status.CURRENT or (copy.status == Status.DOUBTFUL and wanted is None)
    return known and (wanted is None or copy.facts != wanted.facts)


def _turn(copy: StripeMirror, wanted: Described | None) -> Turn | None:
    if copy.status == Status.CREATING:
        return Turn.CREATE
    if copy.status == Status.DOUBTFUL:
        return Turn.LOOK_UP
    return Turn.UPDATE if wanted is not None and copy.details != wanted.details else None


def _wait(copy: StripeMirror, deadline: float) -> None:
    """Until the one who asks Stripe about this copy is done. Raises StripeUnavailable."""

    def done() -> bool:
        now = StripeMirror.objects.filter(pk=copy.pk).first()
        if now is not None and now.is_leased:
            return False
        if now is not None and now.problem and now.tries:
            raise StripeUnavailable(now.problem)  # no use in asking a Stripe that fails once for each of us
        return True

    if not wait_until(done, patience=deadline - time.monotonic()):
        raise StripeUnavailable("Another process is asking Stripe for the same.")


def _ask(step: Step) -> None:
    """Does the step at Stripe and writes down what came of it."""
    try:
        result = _do(gateway(step.copy.account), step)
    except (StripeUnavailable, StripeRefused) as trouble:
        step.copy.release(problem=str(trouble), updated=timezone.now())
        log.warning("%s %s, %s: %s", step.copy.kind, step.copy.object_id, step.turn.name, trouble)
        raise
    except BaseException:
        step.copy.release()
        raise
    if result is None:
        step.copy.mine().delete()
    elif not step.copy.release(**result, tries=0, problem="", updated=timezone.now()):
        doubt(Q(pk=step.copy.pk))  # we took longer than our lease, and somebody else has been here


def _do(stripe: Gateway, step: Step) -> dict[str, Any] | None:
    """What the copy's row says after this step; None: it is to be deleted."""
    kind, stripe_id, wanted = Kind(step.copy.kind), step.copy.stripe_id or "", step.wanted
    if step.turn is Turn.CREATE:
        return _create(stripe, step.copy, wanted)
    try:
        if step.turn is Turn.LOOK_UP:
            theirs = stripe.retrieve(kind, stripe_id)
            return None if theirs.get("deleted") else _noted(stripe_id, read(kind, theirs))
        if step.turn is Turn.UPDATE and wanted is not None:
            stripe.update(kind, stripe_id, wanted.details)
            return {"details": wanted.details}
        stripe.retire(kind, stripe_id)
    except StripeRefused as refusal:
        # Deleted in the dashboard, a sandbox that was reset, or the keys are another account's now.
        if not refusal.missing:
            raise
        log.warning("Stripe (%s) knows no %s %s any more", step.copy.account, kind, stripe_id)
    return None


def _create(stripe: Gateway, copy: StripeMirror, wanted: Described | None) -> dict[str, Any] | None:
    kind = Kind(copy.kind)
    if copy.tries > 1 and (made := _made_before(stripe, copy)):
        return _noted(made["id"], read(kind, made))
    if wanted is None or not wanted.needed:
        return None
    inputs = {**wanted.facts, **wanted.details, "metadata": metadata(copy)}
    if kind == Kind.COUPON:
        inputs["duration"] = "once"
    # Other inputs need another key. So does the third try: Stripe repeats an answer 500 to the same key.
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    key = f"kopeck-{copy.key}-{digest}-{max(0, copy.tries - 2)}"
    return _noted(stripe.create(kind, inputs, idempotency_key=key)["id"], wanted)


def _made_before(stripe: Gateway, copy: StripeMirror) -> dict[str, Any] | None:
    """What an earlier try made, though its answer was lost."""
    for theirs in stripe.list_all(copy.kind, created={"gte": int(copy.created.timestamp()) - SKEW}):
        if theirs["metadata"].get("kopeck_copy") == str(copy.key):
            return theirs
    return None


def _noted(stripe_id: str, described: Described) -> dict[str, Any]:
    facts = {"facts": described.facts, "details": described.details}
    return {"stripe_id": stripe_id, "status": Status.CURRENT, **facts}


def metadata(copy: StripeMirror) -> dict[str, str]:
    """How a copy is known at Stripe, and in its dashboard."""
    owner = "kopeck_discount" if copy.kind == Kind.COUPON else "kopeck_tax"
    return {owner: str(copy.object_id), "kopeck_copy": str(copy.key), "kopeck_shop": shop_mark()}
