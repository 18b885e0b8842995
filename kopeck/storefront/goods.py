"""The goods: the shop window, its pages, the cart, and one item."""

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
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
from kopeck.storefront.search import LONGEST, find
from kopeck.storefront.sharing import product
from kopeck.storefront.views import private
from kopeck.typed import read_number, whole_number
from kopeck.web.middleware import read_only
from kopeck.web.visitors import ShopRequest, stamp

#: Other goods on an item's page.
OTHERS = 4
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
    visitor, open_orders = request.visitor.known_key, _open_orders(request)
    last = None if number is None else _last_seen(number)
    context = _shelf(last, stock.own_window(visitor), _wanted(open_orders), base="/cart?after=")
    return private(render(request, "shop.html", context | {"open_orders": open_orders, "is_cart": True}))


@read_only
def search(request: ShopRequest) -> HttpResponse:
    """GET /search?q=&page=: what is like the words, the likest first, with the visitor's own quantities."""
    question = request.GET.get("q", "")[:LONGEST].strip()
    if not question:
        return HttpResponseRedirect("/", status=303)
    page = max(1, whole_number(request.GET.get("page", ""), 3) or 1)
    numbers = find(question)
    shown = numbers[(page - 1) * PAGE : page * PAGE]
    visitor, open_orders = request.visitor.known_key, _open_orders(request)
    found = stock.with_left(Item.objects.on_sale().filter(pk__in=shown), stock.own_window(visitor))
    items = sorted(found, key=lambda item: shown.index(item.pk))
    context = {
        **_offered(items, _wanted(open_orders)),
        "question": question,
        "earlier": _found_page(question, page - 1) if page > 1 else None,
        "later": _found_page(question, page + 1) if len(numbers) > page * PAGE else None,
        "open_orders": open_orders,
        "is_cart": True,
    }
    return private(render(request, "shop.html", context))


def _found_page(question: str, page: int) -> str:
    return f"/search?{urlencode({'q': question, 'page': page})}"


def _open_orders(request: ShopRequest) -> list[Order]:
    """The visitor's newest unpaid order of each currency: those that the window's form changes."""
    orders = placing.open_in_window(request.visitor.known_key)
    return list({order.currency: order for order in reversed(orders)}.values())


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
    items = found[:PAGE]
    first = base.partition("?")[0] if "?" in base else "/"
    earlier = None
    if last:
        before = on_sale.before(items[0])[PAGE : PAGE + 1].first() if items else None
        earlier = f"{base}{before.pk}" if before else first
    later = f"{base}{items[-1].pk}" if len(found) > PAGE else None
    return {**_offered(items, wanted or {}), "last": last, "earlier": earlier, "later": later}


def _offered(items: list[Any], wanted: dict[int, OrderLine]) -> dict[str, Any]:
    """The items with what is wanted of each; `elsewhere`: what else is wanted."""
    for item in items:
        item.most = stock.most(item.left)
        item.wanted = min(wanted[item.pk].quantity, item.most) if item.pk in wanted else 0
    shown = {item.pk for item in items}
    elsewhere = [line for number, line in wanted.items() if number not in shown]
    return {"items": items, "elsewhere": elsewhere, "stamp": stamp()}


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
        "message": _notice(request.GET.get("notice", "")),
        "stamp": stamp(),
        "is_personal": is_personal,
        "others": _others(item),
        "product": product(item, item.left),
    }
    answer = render(request, "item.html", context)
    return private(answer) if is_personal else _public(answer)


def _notice(name: str) -> str:
    """Why Buy led back here; nothing for a name that is none."""
    match name:
        case "price_changed":
            return _("The price has changed. Please look at it and press Buy if you agree.")
        case "no_delivery":
            return _("We can’t deliver this at the moment, so it can’t be bought. Nothing was charged.")
        case _other:
            return ""


def _others(item: Item) -> list[Item]:
    """The next ones in the owner's order, and from its beginning where that is too few."""
    on_sale = Item.objects.on_sale()
    others = list(on_sale.behind(item)[:OTHERS])
    if len(others) < OTHERS:
        known = [item.pk, *(other.pk for other in others)]
        others += on_sale.exclude(pk__in=known)[: OTHERS - len(others)]
    return others


def _public(response: HttpResponse) -> HttpResponse:
    """For everybody: a shared cache may keep it for a second, and a browser asks whether it has changed."""
    response["Cache-Control"] = "public, max-age=0, s-maxage=1, must-revalidate"
    return response
