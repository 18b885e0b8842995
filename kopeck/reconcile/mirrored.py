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
from kopeck.reconcile.models import Code, Run
from kopeck.sentences import Said, Sentence
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway, shop_mark

Status = StripeMirror.Status

#: By `thing`. `object` is its number, and Stripe's id in brackets.
WRONG = {
    "discount": Sentence("discount %(object)s: %(problem)s"),
    "tax": Sentence("tax %(object)s: %(problem)s"),
}
NOT_IN_USE = Sentence("not in use any more")
KNOWN_NO_MORE = Sentence("Stripe knows it no more")
MISSING = Sentence("missing at Stripe")
ARCHIVED = Sentence("archived at Stripe")
NOT_ARCHIVED = Sentence("switched off here and not archived at Stripe")
NOT_REPAIRED = Sentence("Not repaired: %(problem)s")
#: What differs, by Stripe's name for it.
DIFFERS = {
    "name": Sentence("name is %(theirs)s at Stripe and %(ours)s here"),
    "percent_off": Sentence("percent_off is %(theirs)s at Stripe and %(ours)s here"),
    "amount_off": Sentence("amount_off is %(theirs)s at Stripe and %(ours)s here"),
    "currency": Sentence("currency is %(theirs)s at Stripe and %(ours)s here"),
    "display_name": Sentence("display_name is %(theirs)s at Stripe and %(ours)s here"),
    "percentage": Sentence("percentage is %(theirs)s at Stripe and %(ours)s here"),
    "inclusive": Sentence("inclusive is %(theirs)s at Stripe and %(ours)s here"),
    "country": Sentence("country is %(theirs)s at Stripe and %(ours)s here"),
    "state": Sentence("state is %(theirs)s at Stripe and %(ours)s here"),
    "jurisdiction": Sentence("jurisdiction is %(theirs)s at Stripe and %(ours)s here"),
}
#: What a value may be besides a text or a number.
VALUES = (Sentence("None"), Sentence("True"), Sentence("False"))


@dataclass(frozen=True, slots=True)
class _Wrong:
    """A mirrored object that is not as it should be. `stripe_id` is "" where Stripe has nothing."""

    code: Code
    thing: str
    object_id: int
    stripe_id: str
    problem: Said

    @property
    def id(self) -> str:
        return self.stripe_id or f"{self.thing} {self.object_id}"

    @property
    def said(self) -> Said:
        at = f" ({self.stripe_id})" if self.stripe_id else ""
        return WRONG[self.thing](object=f"{self.object_id}{at}", problem=self.problem)


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
                    run.find(one.code, one.id, one.said, repaired=True)
            for one in left.values():
                problem = problems.get(one.id, "")
                said = Said(f"{one.said}. {NOT_REPAIRED(problem=problem)}") if problem else one.said
                run.find(one.code, one.id, said)
        else:
            for one in found.values():
                run.find(one.code, one.id, one.said)
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
                yield _Wrong(Code.NOT_IN_USE, self.thing, object_id, found["id"], NOT_IN_USE())

    def _compare(self, wanted: Described, stripe_id: str, theirs: dict[str, Any] | None) -> tuple[Code, Said]:
        """A code and a sentence, "" where they agree."""
        if theirs is None:
            said = KNOWN_NO_MORE() if stripe_id else MISSING() if wanted.needed else Said("")
            return Code.MISSING_AT_STRIPE, said
        has = read(self.kind, theirs)
        here, there = {**wanted.facts, **wanted.details}, {**has.facts, **has.details}
        differ = [
            DIFFERS[name](theirs=repr(there.get(name)), ours=repr(here.get(name)))
            for name in sorted({*here, *there} - {"active"})
            if here.get(name) != there.get(name)
        ]
        if here.get("active") != there.get("active"):
            differ.append(ARCHIVED() if here["active"] else NOT_ARCHIVED())
        return Code.DIFFERS_AT_STRIPE, Said("; ".join(differ))

    def _owner(self, metadata: dict[str, Any]) -> int:
        """The discount's or tax's number in our own metadata; 0 in that of others."""
        number = str(metadata.get(f"kopeck_{self.thing}", ""))
        ours = metadata.get("kopeck_shop") == shop_mark()
        return int(number) if ours and number.isdecimal() else 0

    def _repair(self, account: str, one: _Wrong) -> str:
        """Makes Stripe have it as the shop has it; why that could not be done. StripeUnavailable."""
        if one.code == Code.NOT_IN_USE:
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
