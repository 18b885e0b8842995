"""Buy and change: from what a buyer wants to one open way to pay for it.

A change closes what could still be paid for the old total first; where that was paid in the meantime, the
payment wins.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Price, Wanted
from kopeck.payments import turns
from kopeck.payments.attempts import close, start
from kopeck.payments.inputs import Client
from kopeck.payments.models import Payment
from kopeck.payments.refusals import PriceChanged, busy
from kopeck.payments.turns import Turn

Kind, Status = Payment.Kind, Payment.Status


def buy(
    wanted: Wanted, client: Client, *, kind: Payment.Kind = Kind.CHECKOUT, shown: Price | None = None
) -> Payment:
    """The client's open session or intent for this item and quantity, at no more than was `shown`.

    Raises ShopError; PriceChanged for what costs more than the buyer has seen.
    """
    for _attempt in range(3):
        begun: list[tuple[Turn, Any]] = []

        def begin(order: Order, begun: list[tuple[Turn, Any]] = begun) -> None:
            begun.append(turns.to_start_new(order, kind, client))

        order = order_for(wanted, client, shown=shown, begin=begin)
        try:
            payment = start(order.pk, client, kind, *begun)
            if payment.order.holds([wanted]):
                return payment  # else a second tab has changed the order since
        except ShopError as refusal:
            if refusal.code not in ("order_paid", "order_processing"):
                raise
    raise _try_again()


def order_for(
    wanted: Wanted,
    client: Client,
    *,
    shown: Price | None = None,
    begin: Callable[[Order], None] | None = None,
) -> Order:
    """The client's open order of just this item and quantity, at no more than was `shown`.

    `begin` begins the payment of a new one in the transaction that places it, and admits the client to both.
    """

    def admit(order: Order) -> None:
        _refuse_dearer(wanted, shown)
        if begin is None:
            client.admit(None)
        else:
            begin(order)

    def act(locked: Order) -> None:
        _refuse_dearer(wanted, shown)
        locked.set_lines([wanted])

    for _attempt in range(3):
        order = placing.place_for_buy(wanted, visitor=client.visitor, admit=admit)
        if order.is_new or _is_agreed(order, wanted, shown):
            return order
        (line,) = order.goods
        before = Price(line.unit_price, order.currency)
        if change(order, act, done=lambda it: _is_agreed(it, wanted, shown)):
            if shown is None:  # then the price of the order itself is what was seen
                _refuse_dearer(wanted, before, order.pk)
            return order
        # It was paid in this very moment: what is bought now is a new order.
    raise _try_again()


def _refuse_dearer(wanted: Wanted, shown: Price | None, order_id: int | None = None) -> None:
    if shown is not None and not shown.covers(wanted.item.price, wanted.item.currency):
        raise PriceChanged(order_id)


def _is_agreed(order: Order, wanted: Wanted, shown: Price | None) -> bool:
    """Whether the order can stay as it is: what the buyer asks for, at a price that they have seen.

    A lower price than today's lasts while its session does. Without one `start` shows the new total first.
    """
    if not order.holds([wanted]):
        return False
    if shown is None:
        return True
    (line,) = order.goods
    if not shown.covers(line.unit_price, order.currency):
        return False
    return line.unit_price == wanted.item.price or _is_live(order)


def _is_live(order: Order) -> bool:
    return order.payments.filter(status__in=Payment.LIVE).exists()


def _try_again() -> ShopError:
    message = _("Your order has just changed. Please press Buy once more.")
    return ShopError("try_again", message, status=409)


def set_lines(order: Order, wanted: list[Wanted]) -> bool:
    """`change` to these lines. An order that holds them keeps its open session and the prices of that."""

    def done(it: Order) -> bool:
        return it.holds(wanted) and (_is_live(it) or it.is_priced_by_today())

    return done(order) or change(order, lambda it: it.set_lines(wanted), done=done)


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


def change(
    order: Order, act: Callable[[Order], None], *, done: Callable[[Order], bool] = lambda order: False
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
        close(live)
    raise busy()
