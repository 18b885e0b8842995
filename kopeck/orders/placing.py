"""Placing an order: a new one, or the visitor's open order that the same button made before.

`admit` has the last word on a new order: what it raises leaves no order behind.
"""

from collections.abc import Callable, Sequence

from django.db import models, transaction

from kopeck.catalog.models import Discount, Item, Tax
from kopeck.database import rows
from kopeck.database.locks import one_at_a_time
from kopeck.orders.models import Order
from kopeck.orders.terms import todays_taxes
from kopeck.orders.wanted import Wanted

Admit = Callable[[], None]
#: The visitor's newest payable order that this item's Buy made, or none, and today's taxes: a row for each.
MINE_AND_TAXES = f"""
SELECT {rows.columns(Order, "mine")}, {rows.columns(Tax, "tax")}
FROM (SELECT 1) AS one
LEFT JOIN (
    SELECT * FROM orders_order WHERE visitor = %s AND buy_item_id = %s AND status = ANY(%s)
    ORDER BY id DESC LIMIT 1
) AS mine ON true
LEFT JOIN catalog_tax AS tax ON tax.active AND tax.is_default
ORDER BY tax.id
"""  # noqa: S608 - the models' own names


def place(
    wanted: Sequence[Wanted],
    *,
    visitor: str,
    discount: Discount | None = None,
    buy_item: Item | None = None,
    delivery: tuple[str, int | None] = ("", None),
    admit: Admit = lambda: None,
) -> Order:
    """A new order of these items, all in one currency, with the default taxes. Raises ShopError.

    `delivery`: a country and the id of a rate, or what the shop chooses by itself; see `orders/delivery.py`.
    """
    with transaction.atomic():
        order = Order(visitor=visitor, buy_item=buy_item)
        order.ship_to, order.shipping_rate_id = delivery
        return _place(wanted, order, admit, discount)


def place_in_window(wanted: Sequence[Wanted], *, visitor: str, admit: Admit = lambda: None) -> Order:
    """The visitor's open order of the window in this currency, or a new one of these items."""
    with transaction.atomic():
        one_at_a_time(f"window {visitor}")
        order = open_in_window(visitor).filter(currency=wanted[0].item.currency).first()
        return order or _place(wanted, Order(visitor=visitor), admit)


def open_in_window(visitor: str) -> models.QuerySet[Order]:
    """The visitor's unpaid orders that the shop window shows and changes: one a currency."""
    return Order.of_visitor(visitor).filter(buy_item=None, status__in=Order.PAYABLE)


def open_of_buy(item: Item, visitor: str) -> Order | None:
    """The visitor's newest unpaid order that this item's Buy made."""
    found = Order.of_visitor(visitor).filter(buy_item=item, status__in=Order.PAYABLE)
    return found.order_by("-pk").first()


def place_for_buy(
    wanted: Wanted, *, visitor: str, admit: Callable[[Order], None] = lambda order: None
) -> Order:
    """The visitor's open order of this item (whose lines may differ: see `Order.holds`), or a new one.

    `admit` may do more with the new order while nobody else sees it: its lines and taxes are known.
    """
    with transaction.atomic():
        one_at_a_time(f"buy {visitor}")
        asked = [visitor, wanted.item.pk, list(Order.PAYABLE)]
        found = rows.read(MINE_AND_TAXES, asked, Order, Tax)
        order: Order | None = found[0][0]
        if order is None:
            order = Order(visitor=visitor, buy_item=wanted.item)
            order.rewrite([wanted], None, [tax for _mine, tax in found if tax is not None])
            order.is_new = True
            admit(order)
        return order


def _place(wanted: Sequence[Wanted], order: Order, admit: Admit, discount: Discount | None = None) -> Order:
    """In a transaction of the caller's, which ends with what is raised here: no savepoint is needed."""
    order.rewrite(wanted, discount, todays_taxes())
    admit()
    order.is_new = True
    order.forget()
    return order
