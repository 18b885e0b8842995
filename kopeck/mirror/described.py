"""Discounts and taxes in Stripe's words, read from our side or from Stripe's, to be compared."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kopeck.catalog.models import Discount, Tax, shown_percent
from kopeck.mirror.models import StripeMirror

Kind = StripeMirror.Kind


@dataclass(frozen=True, slots=True)
class Described:
    """A discount or a tax in Stripe's words: `facts` that Stripe never changes, `details` that it does.

    `needed`: whether it has to be at Stripe where it is not yet.
    """

    facts: dict[str, Any]
    details: dict[str, Any]
    needed: bool = True

    def is_what(self, mirrored: StripeMirror) -> bool:
        """Whether our note of the mirrored object says the same."""
        return (mirrored.facts, mirrored.details) == (self.facts, self.details)


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
