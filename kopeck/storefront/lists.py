"""Lists of orders, a page at a time by the number of the last one seen: page 10,000 costs what page 1 does.

Each list is a constant number of queries, whatever it holds.
"""

from dataclasses import dataclass

from django.db.models import QuerySet

from kopeck.catalog.models import Item
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order

PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Orders, newest first, with their lines fetched; `next`: pass it as `before` for the older ones."""

    orders: list[Order]
    next: int | None


def orders_of_visitor(visitor: str, *, before: int | None = None, size: int = PAGE) -> Page:
    """The orders that this browser made."""
    found = Order.of_visitor(visitor)
    return _page(found if before is None else found.filter(pk__lt=before), size)


def orders_of_address(address: str, *, before: int | None = None, size: int = PAGE) -> Page:
    """The orders that an e-mail address was given for."""
    found = Order.objects.filter(email__iexact=address)
    return _page(found if before is None else found.filter(pk__lt=before), size)


def orders_with_item(
    item: Item, *, before: int | None = None, visitor: str | None = None, size: int = PAGE
) -> Page:
    """The orders that contain the item: all, or those of one visitor ("" has none)."""
    lines = OrderLine.objects.filter(item=item)
    if visitor is not None:
        lines = lines.filter(order__visitor=visitor) if visitor else lines.none()
    if before is not None:
        # The bound stands on the line's own column: the index (item, order) then serves order and bound.
        lines = lines.filter(order_id__lt=before)
    quantities = dict(lines.order_by("-order_id").values_list("order_id", "quantity")[: size + 1])
    page = _page(Order.objects.filter(pk__in=list(quantities)), size)
    for order in page.orders:
        order.quantity = quantities[order.pk]  # type: ignore[attr-defined]
    return page


def _page(orders: QuerySet[Order], size: int) -> Page:
    found = list(orders.order_by("-pk").prefetch_related("lines")[: size + 1])
    shown = found[:size]
    for order in shown:
        order.names = ", ".join(line.name for line in order.goods)  # type: ignore[attr-defined]
    return Page(shown, shown[-1].pk if len(found) > size else None)
