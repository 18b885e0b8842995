"""The list of orders as a seller reads it: what was sold to whom, and what is to be done with it.

Sales come first; carts and orders that nobody paid have a chip of their own. What a row shows of other tables
is read for the whole page at once.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db import connection
from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from kopeck.catalog.models import Item
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.refunds.models import Dispute
from kopeck.staff.lists import FOUND

#: Items that one word of a search may mean.
ITEMS = 20
#: The newest orders of each item, by the index over both columns: nothing else is read.
_ORDERS_OF_ITEMS = """
SELECT DISTINCT each.order_id FROM unnest(%s::bigint[]) AS wanted (item) CROSS JOIN LATERAL (
    SELECT order_id FROM orders_orderline WHERE item_id = wanted.item ORDER BY order_id DESC LIMIT %s
) AS each ORDER BY each.order_id DESC LIMIT %s
"""
_STILL_SOLD = Q(status__in=(Order.Status.PAID, Order.Status.PARTLY_REFUNDED), sold_out="")
_UNSENT = Shipment.objects.filter(sent_at=None, called_off=False)


class SalesFilter(admin.SimpleListFilter):
    """Sales, unless another chip is chosen, or something is looked for among all orders."""

    title, parameter_name, template = gettext_lazy("show"), "show", "admin/chips.html"
    ways: ClassVar[dict[str, tuple[Any, Q]]] = {
        "to_send": (
            pgettext_lazy("orders", "To send"),
            _STILL_SOLD & Q(pk__in=_UNSENT.values("order")),
        ),
        "sent": (
            pgettext_lazy("orders", "Sent"),
            Q(pk__in=Shipment.objects.exclude(sent_at=None).values("order")),
        ),
        "refunded": (
            pgettext_lazy("orders", "Refunded"),
            Q(status__in=(Order.Status.REFUNDED, Order.Status.PARTLY_REFUNDED)),
        ),
        "disputed": (
            pgettext_lazy("orders", "Disputed"),
            Q(pk__in=Dispute.objects.filter(closed=None).values("order")),
        ),
        "unpaid": (gettext_lazy("Carts and unpaid orders"), Q(paid_at=None)),
        "all": (pgettext_lazy("orders", "All"), Q()),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(word, title) for word, (title, _condition) in self.ways.items()]

    def choices(self, changelist: Any) -> Any:
        unchosen, *rest = super().choices(changelist)
        return [{**unchosen, "display": pgettext_lazy("orders", "Sales")}, *rest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        chosen = self.ways.get(self.value() or "")
        if chosen:
            return queryset.filter(chosen[1])
        # A search, a link from elsewhere and a status are meant for every order.
        among_all = bool(request.GET.get("q")) or any(name.startswith("status") for name in request.GET)
        return queryset if among_all else queryset.filter(paid_at__isnull=False)


def state_of(order: Order) -> tuple[str, Any]:
    """A sign's name (admin.css) and a word. Of an order for which `read_all` was called."""
    disputes = order.disputes.all()
    if any(dispute.closed is None for dispute in disputes):
        return "bad", _("disputed")
    if order.status in (Order.Status.REFUNDED, Order.Status.PARTLY_REFUNDED):
        return "back", order.get_status_display()
    if order.status != Order.Status.PAID:
        return "wait" if order.status == Order.Status.PROCESSING else "none", order.get_status_display()
    shipment = shipment_of(order)
    if shipment is None or shipment.called_off:
        return "good", order.get_status_display()
    return ("good", pgettext_lazy("order", "sent")) if shipment.sent_at else ("wait", _("to send"))


def shipment_of(order: Order) -> Shipment | None:
    """None where nothing is to be sent."""
    return getattr(order, "shipment", None)


def read_all(orders: Iterable[Order]) -> None:
    """What the columns show of other tables, by one statement for each table."""
    lines = Prefetch("lines", OrderLine.objects.only("order", "item", "name", "quantity"))
    prefetch_related_objects(list(orders), lines, "disputes", "shipment")


def orders_with(words: str) -> list[int]:
    """The newest orders with an item whose name, or a word of it, begins so."""
    if len(words) < 2 or "_" in words or "@" in words:
        return []
    names = Q(name__istartswith=words) | Q(name__icontains=f" {words}")
    items = list(Item.objects.filter(names).order_by().values_list("pk", flat=True)[:ITEMS])
    with connection.cursor() as cursor:
        cursor.execute(_ORDERS_OF_ITEMS, [items, FOUND, FOUND])
        return [number for (number,) in cursor.fetchall()]


class SaleColumns:
    """Columns for the list of orders."""

    @admin.display(description=pgettext_lazy("orders", "No."), ordering="id")
    def number(self, order: Order) -> str:
        return _("No. %(number)s") % {"number": order.pk}

    @admin.display(description=gettext_lazy("state"), ordering="status")
    def state(self, order: Order) -> str:
        sign, word = state_of(order)
        return format_html('<span class="state {}">{}</span>', sign, word)

    @admin.display(description=gettext_lazy("items"))
    def what(self, order: Order) -> str:
        return format_html_join(", ", "{}", ((str(line),) for line in order.goods))

    @admin.display(description=gettext_lazy("buyer"))
    def buyer(self, order: Order) -> str:
        shipment = shipment_of(order)
        name = shipment.name if shipment else ""
        return format_html("{} <small>{}</small>", name, order.email) if name and order.email else (
            name or order.email
        )  # fmt: skip
