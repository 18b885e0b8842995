"""Buy and change: from what a buyer wants to one open way to pay for it.

A change closes what could still be paid for the old total first; where that was paid in the meantime, the
payment wins.
"""

from collections.abc import Callable
from contextlib import suppress

from django.db import transaction
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments.attempts import busy, start, withdraw
from kopeck.payments.inputs import Site
from kopeck.payments.models import Payment

Kind, Status = Payment.Kind, Payment.Status


def buy(wanted: Wanted, *, visitor: str, site: Site, kind: Payment.Kind = Kind.CHECKOUT) -> Payment:
    """The visitor's open session or intent for this item and quantity. Raises ShopError."""
    for _attempt in range(3):
        order = order_for(wanted, visitor=visitor, site=site)
        try:
            payment = start(order.pk, site, kind)
            if payment.order.holds([wanted]):
                return payment  # else a second tab has changed the order since
        except ShopError as refusal:
            if refusal.code not in ("order_paid", "order_processing"):
                raise
    raise _try_again()


def order_for(wanted: Wanted, *, visitor: str, site: Site) -> Order:
    """The visitor's open order of just this item and quantity."""
    site.asker.spend_if_new()
    for _attempt in range(3):
        order = Order.place_for_buy(wanted, visitor=visitor, admit=site.asker.spend)
        if order.is_new or order.holds([wanted]) or set_lines(order, [wanted], site):
            return order
        # It was paid in this very moment: what is bought now is a new order.
    raise _try_again()


def _try_again() -> ShopError:
    message = _("Your order has just changed. Please press Buy once more.")
    return ShopError("try_again", message, status=409)


def set_lines(order: Order, wanted: list[Wanted], site: Site) -> bool:
    """`change` to these lines; an order that holds them by now keeps its open session."""
    return change(order, lambda it: it.set_lines(wanted), site, done=lambda it: it.holds(wanted))


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


def change(
    order: Order,
    act: Callable[[Order], None],
    site: Site,
    *,
    done: Callable[[Order], bool] = lambda order: False,
) -> bool:
    """Does `act` to the locked order once nothing can be paid for its old total.

    False if it is not to be paid any more: it was paid in the meantime, is being paid, or was cancelled.

    What `act` raises leaves order and session as they were: it is rehearsed before the session is closed.
    """
    for _attempt in range(5):
        with transaction.atomic():
            locked = Order.objects.select_for_update().get(pk=order.pk)
            if locked.status not in Order.PAYABLE:
                return False
            if done(locked):
                return True
            live = locked.payments.filter(status__in=Payment.LIVE).first()
            if live is None:
                act(locked)
                return True
            with suppress(_Rehearsed), transaction.atomic():
                act(locked)
                raise _Rehearsed
        withdraw(live if live.stripe_id else start(order.pk, site, Kind(live.kind)))
    raise busy()
