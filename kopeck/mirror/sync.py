"""Keeps the coupon of one discount, or the rate of one tax, in step in one Stripe account, step by step.

Each step is decided with the object locked, for a moment; then the lease of its row is held while Stripe is
asked, with no transaction or connection. Jobs and checkouts that want the same object wait for who asks.
"""

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from kopeck.catalog.models import Discount, Tax
from kopeck.database.locks import one_at_a_time
from kopeck.mirror.described import Described, describe, find, kind_of, read
from kopeck.mirror.models import StripeMirror
from kopeck.sentences import Sentence
from kopeck.stripe_api.client import Gateway, StripeRefused, StripeUnavailable, gateway, shop_mark
from kopeck.stripe_api.waiting import wait_until

log = logging.getLogger(__name__)
Kind, Status = StripeMirror.Kind, StripeMirror.Status
KEEPS_CHANGING = Sentence("It keeps changing while Stripe is asked.")
ANOTHER_ASKS = Sentence("Another process is asking Stripe for the same.")

#: Longer than one try at Stripe; then the one who asks counts as dead. If it only tries again meanwhile, no
#: harm is done: both ask with the same key, and the later one writes "doubtful". Shorter than PATIENCE, so
#: that a buyer who waits for a worker that was killed gets a session.
LEASE = timedelta(seconds=15)
#: How long one waits for another who asks Stripe about the same object.
PATIENCE = 25.0
#: How far Stripe's clock and ours may differ.
SKEW = 3600


def doubt(*which: Q) -> None:
    """Lets the next who needs these objects look them up at Stripe first."""
    StripeMirror.objects.filter(*which, status=Status.CURRENT).update(status=Status.DOUBTFUL)


def out_of_step(
    account_name: str, *, untouched_since: datetime | None = None
) -> list[tuple[StripeMirror.Kind, int]]:
    """What `sync` would find to do, by our notes; without what failed after `untouched_since`."""
    notes = StripeMirror.objects.filter(account=account_name)
    todo = dict.fromkeys((Kind(note.kind), note.object_id) for note in notes if note.status != Status.CURRENT)
    current = {(note.kind, note.object_id): note for note in notes if note.status == Status.CURRENT}
    things: list[Discount | Tax] = [*Discount.objects.all(), *Tax.objects.all()]
    for thing in things:
        described, name = describe(thing), (kind_of(type(thing)), thing.pk)
        note = current.pop(name, None)
        if described.needed if note is None else not described.is_what(note):
            todo[name] = None
    todo |= dict.fromkeys((Kind(kind), object_id) for kind, object_id in current)
    if untouched_since is None:
        return list(todo)
    failed = {(Kind(it.kind), it.object_id) for it in notes if it.problem and it.updated > untouched_since}
    return [name for name in todo if name not in failed]


# One step after another -------------------------------------------------------------------------------


class Turn(Enum):
    """What to do next about a mirrored object."""

    WAIT = auto()
    CREATE = auto()
    LOOK_UP = auto()
    UPDATE = auto()
    RETIRE = auto()


@dataclass(frozen=True, slots=True)
class Step:
    turn: Turn
    mirrored: StripeMirror
    wanted: Described | None


def sync(account_name: str, kind: StripeMirror.Kind, object_id: int, *, retire: bool = True) -> None:
    """Makes, changes, repairs or retires until Stripe has what the shop has; asks nothing where it has.

    Called outside transactions. Raises StripeUnavailable and StripeRefused, noting them on the row.
    """
    deadline = time.monotonic() + PATIENCE
    for _attempt in range(20):
        step = _next_step(account_name, kind, object_id, retire=retire)
        if step is None:
            return
        if step.turn is Turn.WAIT:
            _wait(step.mirrored, deadline)
        else:
            _ask(step)
    raise StripeUnavailable(KEEPS_CHANGING())


def _next_step(account_name: str, kind: StripeMirror.Kind, object_id: int, *, retire: bool) -> Step | None:
    """Decides with the object locked, and takes the lease of the row that the step is about."""
    of_object = {"account": account_name, "kind": kind, "object_id": object_id}
    rows = StripeMirror.objects.filter(**of_object)
    with transaction.atomic():
        # An object has several rows while one takes another's place: with row locks alone, two who go
        # through them in another order would wait for each other.
        one_at_a_time(f"mirror {account_name} {kind} {object_id}")
        # Read after the lock: who held it before may not have seen the change that we came for.
        wanted = find(kind, object_id)
        mirrored = _in_use(rows, wanted)
        if mirrored is None and wanted is not None and wanted.needed:
            mirrored = StripeMirror.objects.create(**of_object)
        turn = _turn(mirrored, wanted)
        if turn is None and retire:
            mirrored, turn = rows.filter(status=Status.RETIRING).first(), Turn.RETIRE
        if mirrored is None or turn is None:
            return None
        is_mine = mirrored.claim(LEASE, tries=mirrored.tries + 1, updated=timezone.now())
        return Step(turn if is_mine else Turn.WAIT, mirrored, wanted)


def _in_use(rows: QuerySet[StripeMirror], wanted: Described | None) -> StripeMirror | None:
    """The row that is in use; one that can't become what is wanted is to be retired from here on."""
    row = rows.exclude(status=Status.RETIRING).select_for_update().first()
    if row is None or row.is_leased or not _is_replaced(row, wanted):
        return row
    row.status, row.tries = Status.RETIRING, 0
    row.save(update_fields=["status", "tries", "updated"])
    return None


def _is_replaced(row: StripeMirror, wanted: Described | None) -> bool:
    """Whether this object can't become what is wanted: a new one takes its place, if any."""
    known = row.status == Status.CURRENT or (row.status == Status.DOUBTFUL and wanted is None)
    return known and (wanted is None or row.facts != wanted.facts)


def _turn(row: StripeMirror | None, wanted: Described | None) -> Turn | None:
    """What the row in use needs; None for nothing."""
    if row is None:
        return None
    if row.status == Status.CREATING:
        return Turn.CREATE
    if row.status == Status.DOUBTFUL:
        return Turn.LOOK_UP
    return Turn.UPDATE if wanted is not None and row.details != wanted.details else None


def _wait(mirrored: StripeMirror, deadline: float) -> None:
    """Until the one who asks Stripe about this object is done. Raises StripeUnavailable."""

    def done() -> bool:
        now = StripeMirror.objects.filter(pk=mirrored.pk).first()
        if now is not None and now.is_leased:
            return False
        if now is not None and now.problem and now.tries:
            raise StripeUnavailable(now.problem)  # no use in asking a Stripe that fails once for each of us
        return True

    if not wait_until(done, patience=deadline - time.monotonic()):
        raise StripeUnavailable(ANOTHER_ASKS())


def _ask(step: Step) -> None:
    """Does the step at Stripe and writes down what came of it."""
    try:
        result = _do(gateway(step.mirrored.account), step)
    except (StripeUnavailable, StripeRefused) as trouble:
        step.mirrored.release(problem=str(trouble), updated=timezone.now())
        log.warning("%s %s, %s: %s", step.mirrored.kind, step.mirrored.object_id, step.turn.name, trouble)
        raise
    except BaseException:
        step.mirrored.release()
        raise
    if result is None:
        step.mirrored.mine().delete()
    elif not step.mirrored.release(**result, tries=0, problem="", updated=timezone.now()):
        doubt(Q(pk=step.mirrored.pk))  # we took longer than our lease, and somebody else has been here


def _do(stripe: Gateway, step: Step) -> dict[str, Any] | None:
    """What the row says after this step; None: it is to be deleted."""
    kind, stripe_id, wanted = Kind(step.mirrored.kind), step.mirrored.stripe_id or "", step.wanted
    if step.turn is Turn.CREATE:
        return _create(stripe, step.mirrored, wanted)
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
        log.warning("Stripe (%s) knows no %s %s any more", step.mirrored.account, kind, stripe_id)
    return None


def _create(stripe: Gateway, row: StripeMirror, wanted: Described | None) -> dict[str, Any] | None:
    kind = Kind(row.kind)
    if row.tries > 1 and (made := _made_before(stripe, row)):
        return _noted(made["id"], read(kind, made))
    if wanted is None or not wanted.needed:
        return None
    inputs = {**wanted.facts, **wanted.details, "metadata": metadata(row)}
    if kind == Kind.COUPON:
        inputs["duration"] = "once"
    # Other inputs need another key. So does the third try: Stripe repeats an answer 500 to the same key.
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
    key = f"kopeck-{row.key}-{digest}-{max(0, row.tries - 2)}"
    return _noted(stripe.create(kind, inputs, idempotency_key=key)["id"], wanted)


def _made_before(stripe: Gateway, row: StripeMirror) -> dict[str, Any] | None:
    """What an earlier try made, though its answer was lost."""
    for theirs in stripe.list_all(row.kind, created={"gte": int(row.created.timestamp()) - SKEW}):
        if theirs["metadata"].get("kopeck_mirror") == str(row.key):
            return theirs
    return None


def _noted(stripe_id: str, described: Described) -> dict[str, Any]:
    facts = {"facts": described.facts, "details": described.details}
    return {"stripe_id": stripe_id, "status": Status.CURRENT, **facts}


def metadata(row: StripeMirror) -> dict[str, str]:
    """How the object is known at Stripe, and in its dashboard."""
    owner = "kopeck_discount" if row.kind == Kind.COUPON else "kopeck_tax"
    return {owner: str(row.object_id), "kopeck_mirror": str(row.key), "kopeck_shop": shop_mark()}
