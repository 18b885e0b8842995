"""Discounts and taxes at Stripe: their ids for the checkout, and the jobs that follow each change.

The work itself, one copy at a time, is in `copies`.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.signals import post_delete, post_save

from kopeck.catalog.models import Discount, Tax
from kopeck.mirror import jobs as mirror_jobs
from kopeck.mirror import sync as copies
from kopeck.mirror.models import StripeMirror
from kopeck.orders.models import Order


@dataclass(frozen=True, slots=True)
class Copies:
    """Stripe's ids of an order's discount and taxes in one account; tax rates in the order's order."""

    coupon: str | None
    tax_rates: tuple[str, ...]


def copies_of(account_name: str, order: Order) -> Copies | None:
    """From our own notes, in two queries; None where one is missing or not of the order's price."""
    rows = list(order.taxes.select_related("tax"))
    if any((row.percentage, row.inclusive) != (row.tax.percentage, row.tax.inclusive) for row in rows):
        return None  # the rate has changed since the order was priced, and another copy is of its new value
    taxes = [row.tax for row in rows]
    wanted: list[Discount | Tax] = [order.discount, *taxes] if order.discount else [*taxes]
    if not wanted:
        return Copies(None, ())
    notes = StripeMirror.objects.filter(
        _of(order.discount_id, [tax.pk for tax in taxes]),
        account=account_name,
        status=StripeMirror.Status.CURRENT,
    )
    current = {(note.kind, note.object_id): note for note in notes}
    ids = []
    for thing in wanted:
        note = current.get((copies.kind_of(type(thing)), thing.pk))
        if note is None or not note.stripe_id or not copies.describe(thing).is_what(note):
            return None
        ids.append(note.stripe_id)
    return Copies(ids.pop(0) if order.discount else None, tuple(ids))


def ensure(account_name: str, order: Order) -> None:
    """Makes at Stripe what `copies_of` misses. Raises StripeUnavailable, StripeRefused."""
    for kind, object_id in _named(order):
        # What was replaced is retired by the job of the change: the buyer need not wait for that.
        copies.bring(account_name, kind, object_id, retire=False)


def forget(account_name: str, order: Order) -> None:
    """Stripe refused these copies: the next `ensure` looks each up, and repairs it or makes it anew."""
    tax_ids = list(order.taxes.values_list("tax_id", flat=True))
    copies.doubt(_of(order.discount_id, tax_ids), Q(account=account_name))


def _named(order: Order) -> list[tuple[StripeMirror.Kind, int]]:
    discount = [(StripeMirror.Kind.COUPON, order.discount_id)] if order.discount_id else []
    tax_ids = order.taxes.values_list("tax_id", flat=True)
    return [*discount, *((StripeMirror.Kind.TAX_RATE, tax_id) for tax_id in tax_ids)]


def _of(discount_id: int | None, tax_ids: list[int]) -> Q:
    coupon = Q(kind=StripeMirror.Kind.COUPON, object_id=discount_id)
    rates = Q(kind=StripeMirror.Kind.TAX_RATE, object_id__in=tax_ids)
    return coupon | rates if discount_id else rates


def connect() -> None:
    """Lets every change of a discount or a tax be followed by its jobs."""
    for sender in (Discount, Tax):
        for signal in (post_save, post_delete):
            signal.connect(follow, sender=sender, dispatch_uid="mirror")


def follow(sender: type[Discount] | type[Tax], instance: Discount | Tax, **_more: Any) -> None:
    """Defers the jobs in the transaction of the change: they commit or vanish together.

    After the commit (`on_commit`) a crash in between would lose them.
    """
    for account_name in settings.STRIPE_ACCOUNTS:
        mirror_jobs.copy.defer(
            account_name=account_name, kind=str(copies.kind_of(sender)), object_id=instance.pk
        )
