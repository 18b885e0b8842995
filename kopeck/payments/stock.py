"""How many pieces are left, and for whom: held while an order can be paid, taken once it is.

Held pieces are counted, not stored: they are those of orders with a live payment, so whatever ends a payment
releases them and nothing can be forgotten. Pieces come off `Item.stock` in the transaction that pays.

Anybody may order what is there, but a hold keeps it from everybody else for half an hour, at no price. So
only who asks from a page of the shop holds anything, and one address at most half of what is there. A payment
that holds too little is paid like a late one: it takes what is there, or is refunded by itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kopeck.catalog.models import Item, ItemQuerySet
from kopeck.errors import ShopError
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.orders.wanted import MAX_QUANTITY, Wanted
from kopeck.payments.models import Payment

HELD = Coalesce("held", "quantity")


@dataclass(frozen=True, slots=True)
class Held:
    """Pieces of an item that live payments hold: all of them, and those of one address."""

    all: int = 0
    nearby: int = 0


def with_left(items: ItemQuerySet, own: Q | None = None) -> Any:
    """Each item with `left`: pieces that can be bought now, None for no limit.

    `own` selects, from a line's view, the orders whose held pieces are the client's to buy.
    """
    return items.annotate(left=_left("pk", "stock", own))


def lines_with_left(order: Order) -> Any:
    """The order's lines with `left`: the pieces that this order could have now; and the item's `stock`."""
    return order.lines.annotate(left=_left("item", "item__stock", Q(order=order)), stock=F("item__stock"))


def most(left: int | None) -> int:
    """The largest quantity that a field may take where so many are left."""
    return MAX_QUANTITY if left is None else min(left, MAX_QUANTITY)


def own_purchase(visitor: str, item_id: int) -> Q | None:
    """The visitor's unpaid order that the item's Buy button finds again; None where there is no visitor."""
    if not visitor:
        return None
    return Q(order__visitor=visitor, order__buy_item=item_id, order__status__in=Order.PAYABLE)


def own_window(visitor: str) -> Q | None:
    """The visitor's unpaid orders that the shop window changes; None where there is no visitor."""
    if not visitor:  # as the orders of programs have none
        return None
    return Q(order__visitor=visitor, order__buy_item=None, order__status__in=Order.PAYABLE)


def _left(item: str, stock: str, own: Q | None) -> Case:
    held = _held(OrderLine.objects.filter(item=OuterRef(item)), own).values("sum")
    # CASE is lazy: where there is no limit, nobody counts.
    return Case(
        When(**{f"{stock}__isnull": True}, then=Value(None)),
        default=Greatest(F(stock) - Coalesce(Subquery(held), 0), 0),
    )


def _held(lines: Any, own: Q | None) -> Any:
    """Of these lines, pieces by item that orders with a live payment hold; an order has at most one such."""
    held = lines.filter(order__payments__status__in=Payment.LIVE)
    if own is not None:
        held = held.exclude(own)
    return held.order_by().values("item").annotate(sum=Sum(HELD))


# The next ones are called with the order's row locked, in the transaction that starts or ends a payment.


def hold(order: Order, *, shown: bool, address: str) -> None:
    """Refuses what `require` does; then the live payment that the caller writes holds pieces of the order.

    None where the buyer was not `shown` a page. Else all of them, as long as this `address` (a hash,
    Payment.asked_from) has no more than half of what other addresses leave; one piece it may always hold.
    """
    if order.is_new:
        order.is_unlimited = all(line.item.stock is None for line in order.goods)
    for line, held in _require(order, address):
        free = (line.item.stock or 0) - (held.all - held.nearby)
        holds = max(0, min(line.quantity, max(1, free // 2) - held.nearby)) if shown else 0
        if holds != line.holds:
            OrderLine.objects.filter(pk=line.pk).update(held=holds)


def require(order: Order) -> None:
    """Refuses what is not there, or what others hold right now. ShopError 409.

    A payment that is live from then on holds what the order's last one did.
    """
    _require(order)


def _require(order: Order, address: str = "") -> list[tuple[OrderLine, Held]]:
    """As `require`: the order's lines of limited items, locked, each with what others hold of its item."""
    lines = _lock(order)
    held = _held_by_others(order, lines, address)
    for line in lines:
        left = max(0, (line.item.stock or 0) - held[line.item_number].all)
        if left < line.quantity:
            raise short(line.name, left, is_held=bool(line.item.stock))
    return [(line, held[line.item_number]) for line in lines]


def take(order: Order, *, held: bool) -> list[str]:
    """Takes the order's pieces, which its payment `held` till now; or none, and the names of what is gone.

    A payment that comes late held nothing, and one may have held a part: what others hold by now is theirs.
    """
    lines = _lock(order)
    contested = [line for line in lines if not (held and line.holds == line.quantity)]
    others = _held_by_others(order, contested)
    gone = [
        line.name for line in lines if (line.item.stock or 0) - others[line.item_number].all < line.quantity
    ]
    if not gone:
        for line in lines:
            Item.objects.filter(pk=line.item_number).update(stock=F("stock") - line.quantity)
    return gone


def put_back(pieces: Mapping[int, int]) -> list[str]:
    """Puts pieces back, by line id; what they are, for the timeline. Items without a limit stay so."""
    lines = OrderLine.objects.filter(pk__in=pieces, item__stock__isnull=False).order_by("item_id")
    told = []
    for line in lines.select_related("item").select_for_update(no_key=True, of=("item",)):
        Item.objects.filter(pk=line.item_number).update(stock=F("stock") + pieces[line.pk])
        told.append(f"{pieces[line.pk]} × {line.name}")
    return told


def take_again(pieces: Mapping[int, int], order: Order) -> tuple[list[str], list[str]]:
    """Takes pieces that were put back, by line id: what was taken, and what others have or hold by now."""
    lines = [line for line in _lock(order) if line.pk in pieces]
    held = _held_by_others(order, lines)
    taken, gone = [], []
    for line in lines:
        wanted = pieces[line.pk]
        there = max(0, min(wanted, (line.item.stock or 0) - held[line.item_number].all))
        if there:
            Item.objects.filter(pk=line.item_number).update(stock=F("stock") - there)
            taken.append(f"{there} × {line.name}")
        if there < wanted:
            gone.append(f"{wanted - there} × {line.name}")
    return taken, gone


def refuse_short(wanted: Sequence[Wanted]) -> None:
    """ShopError 409 for a new order of more than is left now. Nothing is held by asking."""
    numbered = {w.item.pk: w for w in wanted if w.item.stock is not None}
    if not numbered:
        return
    for item in with_left(Item.objects.filter(pk__in=numbered)):
        if item.left is not None and item.left < numbered[item.pk].quantity:
            raise short(item.name, item.left, is_held=bool(item.stock))


def short(name: str, left: int, *, is_held: bool) -> ShopError:
    """The refusal: `sold_out` where nothing is left, `not_enough_stock` where something is."""
    words = {"item": name, "left": left}
    if left:
        message = ngettext(
            "Only %(left)s piece of “%(item)s” is left. Please take fewer.",
            "Only %(left)s pieces of “%(item)s” are left. Please take fewer.",
            left,
        )
        return ShopError("not_enough_stock", message % words, status=409)
    if is_held:
        message = _(
            "“%(item)s” is sold out for now: somebody else is paying for the last one. If they do not, it is "
            "back in about half an hour."
        )
        return ShopError("sold_out", message % words, status=409)
    return ShopError("sold_out", _("“%(item)s” is sold out.") % words, status=409)


def _lock(order: Order) -> list[OrderLine]:
    """The order's lines of limited items, whose rows are locked, in the order of their numbers.

    NO KEY: a plain lock and orders that are being placed with these items would wait for each other.
    """
    if order.is_unlimited:
        return []
    lines = order.lines.filter(item__stock__isnull=False).select_related("item").order_by("item_id")
    return list(lines.select_for_update(no_key=True, of=("item",)))


def _held_by_others(order: Order, lines: Iterable[OrderLine], address: str = "") -> defaultdict[int, Held]:
    """By item. A statement of its own: the one that waited for the locks saw the time before."""
    numbers = [line.item_number for line in lines]
    held: defaultdict[int, Held] = defaultdict(Held)
    if numbers:
        of_address = Q(order__payments__asked_from=address)
        rows = _held(OrderLine.objects.filter(item__in=numbers), Q(order=order))
        rows = rows.annotate(nearby=Sum(HELD, filter=of_address, default=0))
        held |= {item: Held(*pieces) for item, *pieces in rows.values_list("item", "sum", "nearby")}
    return held
