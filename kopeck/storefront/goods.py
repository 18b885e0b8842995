"""The goods: the shop window, its pages, the cart, and one item."""

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from kopeck.catalog.models import Item
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.payments import stock
from kopeck.storefront.forms import not_on_sale
from kopeck.storefront.kept import PERSONAL
from kopeck.storefront.views import private
from kopeck.typed import read_number, whole_number
from kopeck.web.middleware import read_only
from kopeck.web.visitors import ShopRequest, stamp

#: Items on a page of the window: it stays under 100 kB, and divides by one, two and three columns.
PAGE = 48


@read_only
def shop_window(request: ShopRequest) -> HttpResponse:
    """GET /: the first page of what is on sale, the same for everybody: kept ready (storefront/kept.py)."""
    return _public(render(request, "shop.html", _shelf(None)))


@read_only
def further_goods(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /after/{id}: the page of the window behind this item, kept like the first."""
    return _public(render(request, "shop.html", _shelf(_last_seen(item_id))))


@read_only
def cart(request: ShopRequest) -> HttpResponse:
    """GET /cart: the window with the quantities of the visitor's open orders, which its Order changes.

    `?after={item id}`: a further page. What is ordered from other pages stands in hidden fields.
    """
    number = whole_number(request.GET.get("after", ""), 18)
    visitor = request.visitor.known_key
    # The newest of each currency: those that the window's form changes.
    newest = {order.currency: order for order in reversed(placing.open_in_window(visitor))}
    open_orders = list(newest.values())
    last = None if number is None else _last_seen(number)
    context = _shelf(last, stock.own_window(visitor), _wanted(open_orders), base="/cart?after=")
    return private(render(request, "shop.html", context | {"open_orders": open_orders, "is_cart": True}))


def _wanted(orders: list[Order]) -> dict[int, OrderLine]:
    """By item, the lines of these orders of what is still on sale."""
    lines = OrderLine.objects.filter(order__in=orders, item__active=True).select_related("item")
    return {line.item_number: line for line in lines} if orders else {}


def _last_seen(item_id: int) -> Item:
    item = Item.objects.filter(pk=item_id).first()
    if item is None:
        raise ShopError("page_not_found", _("This page of the shop has moved."), status=404)
    return item


def _shelf(
    last: Item | None,
    own: Q | None = None,
    wanted: dict[int, OrderLine] | None = None,
    base: str = "/after/",
) -> dict[str, Any]:
    """A page of the window behind `last`, with the addresses of those beside it, which begin with `base`."""
    on_sale = Item.objects.on_sale()
    found = list(stock.with_left(on_sale.behind(last) if last else on_sale, own)[: PAGE + 1])
    items, wanted = found[:PAGE], dict(wanted or {})
    for item in items:
        item.most = stock.most(item.left)
        line = wanted.pop(item.pk, None)
        item.wanted = min(line.quantity, item.most) if line else 0
    first = base.partition("?")[0] if "?" in base else "/"
    earlier = None
    if last:
        before = on_sale.before(items[0])[PAGE : PAGE + 1].first() if items else None
        earlier = f"{base}{before.pk}" if before else first
    return {
        "items": items,
        "elsewhere": list(wanted.values()),
        "last": last,
        "earlier": earlier,
        "later": f"{base}{items[-1].pk}" if len(found) > PAGE else None,
        "stamp": stamp(),
    }


@read_only
def item_page(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /item/{id}: one item with its Buy button, the same for everybody: kept ready (storefront/kept.py).

    `?mine`: with the pieces that the visitor holds; so too `?cancelled` when back from Checkout, `?quantity`.
    """
    is_personal = not PERSONAL.isdisjoint(request.GET)
    # The cookie comes with it: what is bought from there is this visitor's at once.
    own = stock.own_purchase(request.visitor.key, item_id) if is_personal else None
    item = stock.with_left(Item.objects.on_sale().filter(pk=item_id), own).first()
    if item is None:
        raise not_on_sale()
    quantity = whole_number(read_number(request.GET.get("quantity", "")), 2)
    item.most = stock.most(item.left)
    context = {
        "item": item,
        "quantity": max(1, min(quantity or 1, item.most)),
        "cancelled": "cancelled" in request.GET,
        "message": "",
        "stamp": stamp(),
        "is_personal": is_personal,
    }
    if request.GET.get("notice") == "price_changed":
        context["message"] = _("The price has changed. Please look at it and press Buy if you agree.")
    answer = render(request, "item.html", context)
    return private(answer) if is_personal else _public(answer)


def _public(response: HttpResponse) -> HttpResponse:
    """For everybody: a shared cache may keep it for a second, and a browser asks whether it has changed."""
    response["Cache-Control"] = "public, max-age=0, s-maxage=1, must-revalidate"
    return response
