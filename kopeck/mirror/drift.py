"""Differences between the shop and Stripe: what `manage.py mirror` lists and repairs.

The shop is right. Ours at Stripe is what our notes or our mark in the metadata say; the coupons and tax rates
of another shop in the same account are left alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from kopeck.catalog.models import Discount, Tax
from kopeck.mirror import models as mirror_checks
from kopeck.mirror.described import Described, Kind, describe, read
from kopeck.mirror.models import StripeMirror
from kopeck.mirror.sync import doubt, sync
from kopeck.stripe_api.client import gateway, shop_mark


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be. `stripe_id` is "" where Stripe has nothing."""

    account: str
    kind: StripeMirror.Kind
    object_id: int
    stripe_id: str
    said: str
    extra: bool = False

    def __str__(self) -> str:
        owner = "discount" if self.kind == Kind.COUPON else "tax"
        at = f" ({self.stripe_id})" if self.stripe_id else ""
        return f"account {self.account}, {owner} {self.object_id}{at}: {self.said}"


def compare(account_name: str, kind: StripeMirror.Kind) -> list[Difference]:
    """`differences`, their number kept for `/metrics`. Raises StripeUnavailable, StripeRefused."""
    found = differences(account_name, kind)
    mirror_checks.keep(account_name, kind, len(found))
    return found


def differences(account_name: str, kind: StripeMirror.Kind) -> list[Difference]:
    """Reads every coupon, or tax rate, of the account. Raises StripeUnavailable, StripeRefused."""
    theirs = {found["id"]: found for found in gateway(account_name).list_all(kind)}
    model: type[Discount] | type[Tax] = Discount if kind == Kind.COUPON else Tax
    ours = {thing.pk: describe(thing) for thing in model.objects.all()}
    notes = list(StripeMirror.objects.filter(account=account_name, kind=kind))
    in_use = {note.object_id: note for note in notes if note.status != StripeMirror.Status.RETIRING}
    found = []
    for object_id, wanted in ours.items():
        note = in_use.get(object_id)
        stripe_id = (note.stripe_id if note else None) or ""
        for said in _compare(kind, wanted, stripe_id, theirs.get(stripe_id)):
            found.append(Difference(account_name, kind, object_id, stripe_id, said))
    used = {note.stripe_id for object_id, note in in_use.items() if object_id in ours}
    # Stripe may have made it a moment before our note of it has its id.
    being_made = {str(note.key) for note in notes if note.status == StripeMirror.Status.CREATING}
    by_id = {note.stripe_id: note.object_id for note in notes}
    unused = [it for it in theirs.values() if it["id"] not in used]
    unused = [it for it in unused if it["metadata"].get("kopeck_mirror") not in being_made]
    return [*found, *_extras(account_name, kind, unused, by_id)]


def _compare(
    kind: StripeMirror.Kind, wanted: Described, stripe_id: str, theirs: dict[str, Any] | None
) -> Iterator[str]:
    if theirs is None:
        if stripe_id:
            yield "Stripe knows it no more"
        elif wanted.needed:
            yield "missing at Stripe"
        return
    has = read(kind, theirs)
    here, there = {**wanted.facts, **wanted.details}, {**has.facts, **has.details}
    for name in sorted({*here, *there} - {"active"}):
        if here.get(name) != there.get(name):
            yield f"{name} is {there.get(name)!r} at Stripe and {here.get(name)!r} here"
    if here.get("active") != there.get("active"):
        yield "archived at Stripe" if here["active"] else "switched off here and not archived at Stripe"


def _extras(
    account_name: str, kind: StripeMirror.Kind, unused: list[dict[str, Any]], noted: dict[str | None, int]
) -> Iterator[Difference]:
    owner, mark = ("kopeck_discount" if kind == Kind.COUPON else "kopeck_tax"), shop_mark()
    for theirs in unused:
        metadata = theirs["metadata"]
        object_id = noted.get(theirs["id"], 0)
        if metadata.get("kopeck_shop") == mark and str(metadata.get(owner, "")).isdecimal():
            object_id = object_id or int(metadata[owner])
        if object_id and (kind == Kind.COUPON or theirs["active"]):
            yield Difference(account_name, kind, object_id, theirs["id"], "not in use any more", extra=True)


def repair(difference: Difference) -> None:
    """Brings this one thing in step. Raises StripeUnavailable, StripeRefused."""
    account_name, kind, object_id = difference.account, difference.kind, difference.object_id
    if difference.extra:
        _retire(difference)
    else:
        doubt(Q(account=account_name, kind=kind, object_id=object_id))
    sync(account_name, kind, object_id)


def _retire(difference: Difference) -> None:
    """Puts the extra one on the list of what is to be retired, unless it has just come into use."""
    note = StripeMirror(
        account=difference.account,
        kind=difference.kind,
        object_id=difference.object_id,
        stripe_id=difference.stripe_id,
        status=StripeMirror.Status.RETIRING,
    )
    StripeMirror.objects.bulk_create([note], ignore_conflicts=True)
