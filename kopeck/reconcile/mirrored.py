"""Coupons and tax rates at Stripe against the shop's discounts and taxes: the shop is right.

Ours at Stripe is what our rows or our mark in the metadata say; the coupons and tax rates of another shop in
the same account are left alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Q

from kopeck.catalog.models import Discount, Tax
from kopeck.mirror.described import Described, describe, read
from kopeck.mirror.models import StripeMirror
from kopeck.mirror.sync import doubt, sync
from kopeck.reconcile.kinds import Kind
from kopeck.reconcile.models import Run
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway, shop_mark

Status = StripeMirror.Status
NOT_IN_USE = "not_in_use"


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A mirrored object that is not as it should be. `stripe_id` is "" where Stripe has nothing."""

    code: str
    thing: str
    object_id: int
    stripe_id: str
    said: str

    @property
    def id(self) -> str:
        return self.stripe_id or f"{self.thing} {self.object_id}"

    def __str__(self) -> str:
        at = f" ({self.stripe_id})" if self.stripe_id else ""
        return f"{self.thing} {self.object_id}{at}: {self.said}"


class _Mirrored(Kind):
    kind: ClassVar[StripeMirror.Kind]
    model: ClassVar[type[Discount] | type[Tax]]
    #: What of it is at Stripe, by the word that messages and metadata have for it.
    thing: ClassVar[str]

    def compare(self, run: Run, since: datetime, until: datetime | None) -> datetime | None:
        """Reads every coupon, or tax rate, of the account; after repairs once more, to see what is left."""
        found = {one.id: one for one in self._wrong(run)}
        if found and run.may_repair:
            problems = {one.id: self._repair(run.account, one) for one in found.values()}
            left = {one.id: one for one in self._wrong(run)}
            for one in found.values():
                if one.id not in left:
                    run.find(one.code, one.id, str(one), repaired=True)
            for one in left.values():
                problem = problems.get(one.id, "")
                run.find(one.code, one.id, f"{one}{f'. Not repaired: {problem}' if problem else ''}")
        else:
            for one in found.values():
                run.find(one.code, one.id, str(one))
        return None

    def _wrong(self, run: Run) -> Iterator[_Wrong]:
        theirs = {found["id"]: found for found in gateway(run.account).list_all(self.name)}
        run.checked = len(theirs)
        rows = list(StripeMirror.objects.filter(account=run.account, kind=self.kind))
        in_use = {row.object_id: row.stripe_id or "" for row in rows if row.status != Status.RETIRING}
        wanted = {thing.pk: describe(thing) for thing in self.model.objects.all()}
        for object_id, described in wanted.items():
            stripe_id = in_use.get(object_id, "")
            code, said = self._compare(described, stripe_id, theirs.get(stripe_id))
            if said:
                yield _Wrong(code, self.thing, object_id, stripe_id, said)
        used = {stripe_id for object_id, stripe_id in in_use.items() if object_id in wanted}
        # Stripe may have made it a moment before our row has its id.
        being_made = {str(row.key) for row in rows if row.status == Status.CREATING}
        owners = {row.stripe_id: row.object_id for row in rows}
        for found in theirs.values():
            if found["id"] in used or found["metadata"].get("kopeck_mirror") in being_made:
                continue
            object_id = owners.get(found["id"]) or self._owner(found["metadata"])
            if object_id and found.get("active", True):
                yield _Wrong(NOT_IN_USE, self.thing, object_id, found["id"], "not in use any more")

    def _compare(self, wanted: Described, stripe_id: str, theirs: dict[str, Any] | None) -> tuple[str, str]:
        """A code and a sentence, "" where they agree."""
        if theirs is None:
            said = "Stripe knows it no more" if stripe_id else "missing at Stripe" if wanted.needed else ""
            return "missing_at_stripe", said
        has = read(self.kind, theirs)
        here, there = {**wanted.facts, **wanted.details}, {**has.facts, **has.details}
        differ = [
            f"{name} is {there.get(name)!r} at Stripe and {here.get(name)!r} here"
            for name in sorted({*here, *there} - {"active"})
            if here.get(name) != there.get(name)
        ]
        if here.get("active") != there.get("active"):
            off = "switched off here and not archived at Stripe"
            differ.append("archived at Stripe" if here["active"] else off)
        return "differs_at_stripe", "; ".join(differ)

    def _owner(self, metadata: dict[str, Any]) -> int:
        """The discount's or tax's number in our own metadata; 0 in that of others."""
        number = str(metadata.get(f"kopeck_{self.thing}", ""))
        ours = metadata.get("kopeck_shop") == shop_mark()
        return int(number) if ours and number.isdecimal() else 0

    def _repair(self, account: str, one: _Wrong) -> str:
        """Makes Stripe have it as the shop has it; why that could not be done. StripeUnavailable."""
        if one.code == NOT_IN_USE:
            # To be retired, unless it has just come into use.
            row = StripeMirror(
                account=account,
                kind=self.kind,
                object_id=one.object_id,
                stripe_id=one.stripe_id,
                status=Status.RETIRING,
            )
            StripeMirror.objects.bulk_create([row], ignore_conflicts=True)
        else:
            doubt(Q(account=account, kind=self.kind, object_id=one.object_id))
        try:
            sync(account, self.kind, one.object_id)
        except (StripeUnavailable, StripeRefused) as trouble:
            return str(trouble)
        return ""


class Coupons(_Mirrored):
    name, kind, model, thing = "coupon", StripeMirror.Kind.COUPON, Discount, "discount"


class TaxRates(_Mirrored):
    name, kind, model, thing = "tax_rate", StripeMirror.Kind.TAX_RATE, Tax, "tax"
