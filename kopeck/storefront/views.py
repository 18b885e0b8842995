"""A visitor's orders, one order, and the orders that contain an item."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from kopeck.catalog.models import Item
from kopeck.errors import ShopError
from kopeck.orders import access, delivery, placing
from kopeck.orders.access import key_in, may_change, readable_order, reads_all_orders
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.payments import stock
from kopeck.storefront.lists import Page, orders_of_address, orders_of_visitor, orders_with_item
from kopeck.typed import whole_number
from kopeck.web.middleware import read_only
from kopeck.web.visitors import ShopRequest

#: How often the page of an unconfirmed payment asks again, every three seconds.
CONFIRMING_TRIES = 20


@read_only
def order_page(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}: the receipt, with the state of its payment."""
    return show_order(request, readable_order(request, order_id))


def show_order(request: ShopRequest, order: Order, *, status: int = 200, **more: Any) -> HttpResponse:
    """The order's page. `more` replaces parts of its context: a code that was refused, say."""
    title, text, stamp = _state(order)
    payments = list(order.payments.all())
    if order.status in Order.PAYABLE and any(one.status == "needs_review" and one.amount for one in payments):
        text = _("A payment came that was not for this order as it is now. We refund it to you.")
    can_pay = order.status in Order.PAYABLE and may_change(request, order)
    lines = list(stock.lines_with_left(order) if can_pay else order.lines.all())
    short = _short(lines) if can_pay else []
    form = _delivery(order) if can_pay and order.ship_to else None
    unserved = form is not None and not form["offers"]
    context = {
        "order": order,
        "lines": lines,
        "short": short,
        "order_taxes": order.taxes.all(),
        "refunds": order.refunds.all() if payments else (),
        "payment": next((payment for payment in payments if payment.status == "paid"), None),
        "status_title": title,
        "status_text": text,
        "stamp_class": stamp,
        "can_pay": can_pay,
        "can_change": can_pay and order.buy_item_id is None,
        "order_key": request.GET.get("key", ""),
        "here": f"/order/{order.pk}{f'?key={key}' if (key := key_in(request, order)) else ''}",
        "delivery": form,
        "delivery_error": delivery.not_served(order.ship_to).message if unserved else "",
        "unserved": unserved,
        "shipment": Shipment.objects.filter(order=order).first() if order.ship_to and order.paid_at else None,
        "message": _notice(request.GET.get("notice", ""), order),
        "refresh_url": "",
        "others": _others(request, order),
    }
    response = render(request, "order.html", context | _confirming(request, order) | more, status=status)
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex"
    return response


def _others(request: ShopRequest, order: Order) -> int:
    """How many more orders of the same basket, which are of other currencies, wait to be paid."""
    visitor = request.visitor.known_key
    if order.buy_item_id is not None or not order.is_of(visitor):
        return 0
    return placing.open_in_window(visitor).exclude(pk=order.pk).count()


@read_only
def open_orders(request: ShopRequest) -> HttpResponse:
    """GET /orders/open: the basket's orders, one a currency, each with its own Pay. One alone is its page."""
    found = placing.open_in_window(request.visitor.known_key).order_by("pk")
    orders = list(found.prefetch_related("taxes", "refunds"))
    if len(orders) < 2:
        return HttpResponseRedirect(orders[0].get_absolute_url() if orders else "/orders", status=303)
    parts = []
    for order in orders:
        lines = list(stock.lines_with_left(order))
        parts.append({"order": order, "lines": lines, "short": _short(lines)})
    return private(render(request, "payments.html", {"parts": parts}))


def _short(lines: list[Any]) -> list[Any]:
    return [line for line in lines if line.left is not None and line.left < line.quantity]


def _delivery(order: Order) -> dict[str, Any]:
    """What the order's form of delivery offers: countries, and the rates to the one that was chosen."""
    rates = delivery.rates_in(order.currency)
    return {
        "countries": delivery.countries(rates),
        "offers": delivery.offered(rates, order.ship_to, order.goods_subtotal),
    }


def _confirming(request: ShopRequest, order: Order) -> dict[str, Any]:
    """While Stripe has not confirmed the payment that the buyer comes from: the page asks again by itself."""
    tries = whole_number(request.GET.get("confirming", ""), 2)
    unsettled = order.status in (Order.Status.OPEN, Order.Status.PROCESSING)
    if not unsettled or tries is None or tries >= CONFIRMING_TRIES:
        return {}
    key = key_in(request, order)
    return {
        "refresh_url": f"{order.get_absolute_url()}/return?tries={tries}{f'&key={key}' if key else ''}",
        "can_pay": False,
        "can_change": False,
        "status_title": _("Confirming your payment…"),
        "status_text": _("We are asking the bank. This page renews itself; you can also close it."),
    }


def _notice(name: str, order: Order) -> str:
    """The sentence of a notice that another page left in the address; nothing for a name that is none."""
    match name:
        case "price_changed":
            return _("Something in your order has become dearer. Please look at the new total.")
        case "sold_out" | "not_enough_stock":
            return _("Not everything of your order is there right now. Nothing was charged.")
        case "cancelled" if order.status in Order.PAYABLE:
            return _("You came back without paying, and nothing was charged. Pay leads to the same payment.")
        case "not_changed":
            return _why_not_changed(order)
        case _other:
            return ""


def _why_not_changed(order: Order) -> str:
    """What came before the buyer's change: said by what the order is now."""
    if order.status == Order.Status.CANCELLED:
        return _("Your order was cancelled in the meantime, so it was not changed.")
    if order.status == Order.Status.PROCESSING:
        return _("The payment of your order is being processed, so it was not changed.")
    if order.status in Order.WAS_PAID:
        return _("Your order was paid in the meantime, so it was not changed.")
    return _("Your order was not changed. Please try again.")


def _state(order: Order) -> tuple[str, str, str]:
    """Title, sentence and stamp of the order's state."""
    status = Order.Status
    if order.sold_out:
        text = _("Your payment came when %(items)s was sold out. We are sorry: all of it is refunded to you.")
        return _("Sold out"), text % {"items": order.sold_out}, "bad"
    match order.status:
        case status.PAID:
            return _("Thank you"), _("Your payment arrived and your order is complete."), "good"
        case status.PROCESSING:
            return (
                _("Processing"),
                _("The bank is working on your payment. Nothing more to do for you."),
                "wait",
            )
        case status.EXPIRED:
            return (
                _("Not paid"),
                _("Nothing was charged. Your order is kept, and you can still pay it."),
                "bad",
            )
        case status.CANCELLED:
            return _("Cancelled"), _("This order was cancelled."), "bad"
        case status.REFUNDED:
            return _("Refunded"), _("Your money is on its way back to you."), "plain"
        case status.PARTLY_REFUNDED:
            return _("Partly refunded"), _("A part of your money is on its way back to you."), "plain"
        case _other:
            return _("Your order"), _("It is kept. You can pay when you are ready."), "plain"


@read_only
def my_orders(request: ShopRequest) -> HttpResponse:
    """GET /orders: the orders of this browser, newest first. `?key=`, from a mail: those of its address."""
    key, before = request.GET.get("key", ""), _before(request)
    if not key:
        page = orders_of_visitor(request.visitor.known_key, before=before)
        return private(render(request, "orders.html", _listed(request, page)))
    address = access.address_in(key)
    context = _listed(request, orders_of_address(address, before=before), key=key)
    answer = render(request, "orders.html", context | {"address": address})
    answer["Cache-Control"] = "private, no-store"
    return answer


@read_only
def orders_of_item(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /item/by_order/{id}: every order that contains the item for who may view orders, else one's own."""
    item, page = find_orders_of_item(request, item_id, _before(request))
    context = {**_listed(request, page), "item": item, "for_staff": reads_all_orders(request)}
    return private(render(request, "by_order.html", context))


def find_orders_of_item(
    request: HttpRequest, item_id: int, before: int | None, *, everything: bool = False
) -> tuple[Item, Page]:
    """The item, sold still or not, and a page of the orders that the client may see. ShopError 404.

    `everything`: as staff that may view orders sees it.
    """
    item = Item.objects.filter(pk=item_id).first()
    if item is None:
        raise ShopError("item_not_found", _("There is no such item."), status=404)
    visitor: str = request.visitor.known_key  # type: ignore[attr-defined]
    is_for_all = everything or reads_all_orders(request)
    return item, orders_with_item(item, before=before, visitor=None if is_for_all else visitor)


def _before(request: ShopRequest) -> int | None:
    """The page's upper bound: an order's number; anything else is the first page."""
    return whole_number(request.GET.get("before", ""), 18)


def _listed(request: ShopRequest, page: Page, **more: str) -> dict[str, Any]:
    """`more`: what the address of the next page says besides."""
    following = f"{request.path}?{urlencode({'before': page.next, **more})}" if page.next else None
    return {"orders": page.orders, "next_url": following}


def private(response: HttpResponse) -> HttpResponse:
    """Pages differ by cookie and by language: a shared cache must not keep them."""
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return response
