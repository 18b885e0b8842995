"""Placing and changing orders: forms of the shop window and of the order's page, no JavaScript needed.

Lives beside Checkout since a change must first close what could still be paid for the old total.
"""

import re
from collections import defaultdict
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _

from kopeck.catalog.models import Discount, Item
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.access import changeable_order, readable_order
from kopeck.orders.delivery import read_shippable
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.orders.wanted import MAX_QUANTITY, Wanted
from kopeck.payments import checkout
from kopeck.payments.inputs import Client
from kopeck.storefront import forms
from kopeck.storefront.views import show_order
from kopeck.typed import read_code, whole_number
from kopeck.web.origins import keeps_no_cookies, known_first, posted_from
from kopeck.web.visitors import ShopRequest

#: The notice of an order that could not be changed any more; its page says by its status why.
NOT_CHANGED = "not_changed"
_PAGE = re.compile(r"(?:/after/|/cart\?after=)([0-9]{1,18})", re.ASCII)


def _to_window(request: ShopRequest) -> HttpResponse:
    return HttpResponseRedirect("/", status=303)


def _to_order(request: ShopRequest, order_id: int) -> HttpResponse:
    return _to(request, readable_order(request, order_id), "")


@posted_from(_to_window)
@known_first
def place(request: ShopRequest) -> HttpResponse:
    """POST /order: one order a currency from the window's quantities (`item_{id}`); 303 to what was made.

    Open orders of the window are changed to what is wanted now, and cancelled where nothing is. A form that
    did not show them (`kept`: the window is the same for everybody) adds to them. `then`: the page of the
    window that is shown next, in place of the order. `add`: the item of a page of its own, and `quantity`.
    """
    quantities = _quantities(request)
    then = _PAGE.fullmatch(request.POST.get("then", ""))
    if then and "kept" in request.POST and not any(quantities.values()):
        return HttpResponseRedirect(then[0], status=303)
    by_currency = _by_currency(quantities)
    if len(by_currency) > 1 and keeps_no_cookies(request):
        # Only one order's page can be shown, and the others would be in no list of theirs.
        message = _("Your browser keeps no cookies, so please order one currency at a time.")
        raise ShopError("cookies_needed", message, status=422)
    dropped = _cancel_others(request.visitor.key, by_currency)
    if not by_currency:
        if dropped:
            return _to_window(request)
        raise ShopError("order_empty", _("Please choose at least one item."), status=422)
    client = forms.client_of(request, places_order=True)
    orders = [_place_or_change(wanted, client) for wanted in by_currency.values()]
    if then:
        return HttpResponseRedirect(f"/cart?after={then[1]}", status=303)
    if len(orders) == 1:
        ((order, notice),) = orders
        return _to(request, order, notice, key=order.key if keeps_no_cookies(request) else "")
    return HttpResponseRedirect("/orders/open", status=303)


def _quantities(request: ShopRequest) -> dict[int, int]:
    """What is wanted by now: the form's own fields, with what was ordered before where it shows none."""
    if "add" in request.POST:
        wanted = forms.wanted_item(request, whole_number(request.POST["add"], 18) or 0)
        ordered = _ordered(request.visitor.known_key)
        together = ordered.get(wanted.item.pk, 0) + wanted.quantity
        return ordered | {wanted.item.pk: min(together, MAX_QUANTITY)}
    quantities = forms.quantities(request)
    if "kept" in request.POST:
        return _ordered(request.visitor.known_key) | {item: n for item, n in quantities.items() if n}
    return quantities


def _by_currency(quantities: dict[int, int]) -> dict[str, list[Wanted]]:
    """What is wanted of each currency. ShopError 404 where something is not on sale."""
    items = Item.objects.on_sale().in_bulk(list(quantities))
    if any(quantity and number not in items for number, quantity in quantities.items()):
        raise ShopError("item_not_found", _("One of these items is not for sale any more."), status=404)
    found: dict[str, list[Wanted]] = defaultdict(list)
    for number, item in sorted(items.items()):
        if quantities[number]:
            found[item.currency].append(Wanted(item, quantities[number]))
    return found


def _ordered(visitor: str) -> dict[int, int]:
    """By item that is on sale, what the window's open orders have."""
    lines = OrderLine.objects.filter(order__in=placing.open_in_window(visitor), item__active=True)
    return dict(lines.values_list("item_id", "quantity"))


def _place_or_change(wanted: list[Wanted], client: Client) -> tuple[Order, str]:
    order = placing.place_in_window(wanted, visitor=client.visitor, admit=lambda: client.admit(None))
    if order.is_new or checkout.set_lines(order, wanted):
        return order, ""
    return order, NOT_CHANGED


def _cancel_others(visitor: str, wanted: dict[str, list[Wanted]]) -> bool:
    """Cancels the window's open orders in currencies not wanted any more; whether there were any."""
    others = list(placing.open_in_window(visitor).exclude(currency__in=list(wanted)))
    for order in others:
        checkout.change(order, Order.cancel)
    return bool(others)


@posted_from(_to_order)
def change_lines(request: ShopRequest, order_id: int) -> HttpResponse:
    """POST /order/{id}/lines: new quantities (`item_{id}`, 0 removes) or `remove={item id}`."""
    order = _changeable(request, order_id)
    quantities = forms.quantities(request)
    removed = request.POST.get("remove", "")
    lines = list(order.lines.filter(item__isnull=False).select_related("item"))
    wanted = [
        Wanted(line.item, quantities.get(line.item_number, line.quantity))
        for line in lines
        if quantities.get(line.item_number, line.quantity) and str(line.item_number) != removed
    ]

    def act(locked: Order) -> None:
        if wanted:
            locked.set_lines(wanted)
        else:
            locked.cancel()

    return _to(request, order, "" if checkout.change(order, act) else NOT_CHANGED)


@posted_from(_to_order)
def change_discount(request: ShopRequest, order_id: int) -> HttpResponse:
    """POST /order/{id}/discount: `code`, or an empty one to take the discount off."""
    order = _changeable(request, order_id)
    code = read_code(request.POST.get("code", "")[:100])
    try:
        discount = Discount.by_code(code) if code else None
        changed = checkout.change(order, lambda it: it.set_discount(discount))
    except ShopError as refusal:
        if refusal.status != 422:
            raise
        return show_order(request, order, status=422, code_error=refusal.message, entered_code=code)
    return _to(request, order, "" if changed else NOT_CHANGED)


@posted_from(_to_order)
def change_delivery(request: ShopRequest, order_id: int) -> HttpResponse:
    """POST /order/{id}/delivery: `country` (two letters), and `rate` where the country stays the same."""
    order = changeable_order(request, order_id)
    order.refuse_if_undelivered()
    rate = whole_number(request.POST.get("rate", ""), 18)

    def done(it: Order) -> bool:
        return (it.ship_to, it.shipping_rate_id) == (country, rate) and it.is_priced_by_today()

    def act(locked: Order) -> None:
        # What is cheapest at home may not be so there: another country begins with its cheapest.
        locked.set_delivery(country, rate if country == locked.ship_to else None)

    try:
        country = read_shippable(read_code(request.POST.get("country", "")[:10]))
        changed = checkout.change(order, act, done=done)
    except ShopError as refusal:
        if refusal.status != 422:
            raise
        return show_order(request, order, status=422, delivery_error=refusal.message)
    return _to(request, order, "" if changed else NOT_CHANGED)


def _changeable(request: ShopRequest, order_id: int) -> Order:
    order = changeable_order(request, order_id)
    order.refuse_if_of_buy()
    return order


def _to(request: ShopRequest, order: Order, notice: str, *, key: str = "") -> HttpResponse:
    """303 to the order's page, with the key that the request brought, or with this one."""
    query = {"key": key or request.GET.get("key", ""), "notice": notice}
    shown = urlencode({name: value for name, value in query.items() if value})
    return HttpResponseRedirect(f"{order.get_absolute_url()}{'?' if shown else ''}{shown}", status=303)
