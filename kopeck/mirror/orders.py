"""What an order needs at Stripe before it can be paid at Checkout: its coupon and its tax rates."""

from dataclasses import dataclass

from django.db.models import Q

from kopeck.catalog.models import Discount, Tax
from kopeck.database import rows
from kopeck.mirror.described import describe, kind_of
from kopeck.mirror.models import StripeMirror
from kopeck.mirror.sync import doubt, sync
from kopeck.orders.models import Order

Kind = StripeMirror.Kind

#: What an account has of one discount and of some taxes.
CURRENT = f"""
SELECT {rows.columns(StripeMirror, "m")} FROM mirror_stripemirror m
WHERE account = %s AND status = 'current'
AND (kind = 'coupon' AND object_id = %s OR kind = 'tax_rate' AND object_id = ANY(%s))
"""  # noqa: S608 - the model's own names


@dataclass(frozen=True, slots=True)
class MirroredIds:
    """Stripe's ids of an order's discount and taxes in one account; tax rates in the order's order."""

    coupon: str | None
    tax_rates: tuple[str, ...]


def ids_of(account_name: str, order: Order) -> MirroredIds | None:
    """From our own notes, in one statement or two; None where one is missing or not of the order's price."""
    priced = list(order.taxes.all() if order.is_loaded else order.taxes.select_related("tax"))
    if any((one.percentage, one.inclusive) != (one.tax.percentage, one.tax.inclusive) for one in priced):
        return None  # the rate has changed since the order was priced, and another rate is of its new value
    taxes = [one.tax for one in priced]
    wanted: list[Discount | Tax] = [order.discount, *taxes] if order.discount else [*taxes]
    if not wanted:
        return MirroredIds(None, ())
    asked = [account_name, order.discount_id, [tax.pk for tax in taxes]]
    current = {(note.kind, note.object_id): note for (note,) in rows.read(CURRENT, asked, StripeMirror)}
    ids = []
    for thing in wanted:
        note = current.get((kind_of(type(thing)), thing.pk))
        if note is None or not note.stripe_id or not describe(thing).is_what(note):
            return None
        ids.append(note.stripe_id)
    return MirroredIds(ids.pop(0) if order.discount else None, tuple(ids))


def sync_order(account_name: str, order: Order) -> None:
    """Makes at Stripe what `ids_of` misses. Raises StripeUnavailable, StripeRefused."""
    for kind, object_id in _named(order):
        # What was replaced is retired by the job of the change: the buyer need not wait for that.
        sync(account_name, kind, object_id, retire=False)


def doubt_order(account_name: str, order: Order) -> None:
    """Stripe refused one of these: the next `sync_order` looks each up, and repairs it or makes it anew."""
    tax_ids = list(order.taxes.values_list("tax_id", flat=True))
    doubt(_of(order.discount_id, tax_ids), Q(account=account_name))


def _named(order: Order) -> list[tuple[StripeMirror.Kind, int]]:
    discount = [(Kind.COUPON, order.discount_id)] if order.discount_id else []
    tax_ids = order.taxes.values_list("tax_id", flat=True)
    return [*discount, *((Kind.TAX_RATE, tax_id) for tax_id in tax_ids)]


def _of(discount_id: int | None, tax_ids: list[int]) -> Q:
    coupon = Q(kind=Kind.COUPON, object_id=discount_id)
    rates = Q(kind=Kind.TAX_RATE, object_id__in=tax_ids)
    return coupon | rates if discount_id else rates
