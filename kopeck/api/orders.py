"""Orders: made, read, changed, cancelled and paid; by the same functions as the pages of `storefront`."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from ninja import Query, Router
from ninja.decorators import decorate_view
from ninja.responses import Status

from kopeck.api.access import allowance, changeable_order, client_for, for_both, readable_order, token_of
from kopeck.api.models import Scope
from kopeck.api.once import anew, once
from kopeck.api.schemas import (
    DENIED,
    MAX_ID,
    MOST_ORDERS,
    CheckoutOut,
    ErrorOut,
    IntentOut,
    OrderChange,
    OrderIn,
    OrderOut,
    OrderPage,
    WantedIn,
)
from kopeck.api.shown import show_order
from kopeck.catalog.models import Discount, Item
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.access import reads_all_orders
from kopeck.orders.delivery import read_shippable
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, checkout, stock
from kopeck.payments.models import Payment
from kopeck.payments.refusals import not_payable
from kopeck.storefront.pay import intent_of, session_of
from kopeck.storefront.views import find_orders_of_item
from kopeck.typed import read_code
from kopeck.web.visitors import ShopRequest

router = Router(tags=["Orders"])
READ, WRITE = for_both(Scope.ORDERS_READ), for_both(Scope.ORDERS_WRITE)
ERRORS = {400: ErrorOut, **DENIED, 404: ErrorOut, 409: ErrorOut, 422: ErrorOut}
PAY_ERRORS = {**ERRORS, 429: ErrorOut, 502: ErrorOut, 503: ErrorOut}
Before = Annotated[int | None, Query(ge=1, le=MAX_ID)]
#: Orders get their ids and their times in nearly the same order: so far beyond a time an id may be.
SLACK = 1000


@router.get(
    "/orders",
    response={200: OrderPage, **DENIED, 422: ErrorOut},
    summary="Orders, newest first, a page at a time",
    **READ,
)
def list_orders(
    request: ShopRequest,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ORDERS)] = 50,
    status: Order.Status | None = None,
    email: Annotated[str, Query(max_length=254)] = "",
    since: datetime | None = None,
    to_send: bool = False,
) -> dict[str, Any]:
    """All orders for a token and for staff that may view them, one's own for a browser.

    `since`: made at this time or later. `to_send`: paid, to be delivered, and not sent yet.
    """
    found = _readable(request)
    if status:
        found = found.filter(status=status)
    if email:
        found = found.filter(email__iexact=email.replace("\0", ""))
    if since is not None:
        found = _made_since(found, since)
    if to_send:
        unsent = Shipment.objects.filter(sent_at=None).values("order")
        found = found.filter(pk__in=unsent, status__in=["paid", "partly_refunded"], sold_out="")
    if before is not None:
        found = found.filter(pk__lt=before)
    orders = list(found.order_by("-pk").select_related("shipment").prefetch_related("lines")[: limit + 1])
    shown = orders[:limit]
    following = shown[-1].pk if len(orders) > limit else None
    return {"orders": [show_order(request, order) for order in shown], "next": following}


def _readable(request: ShopRequest) -> QuerySet[Order]:
    if token_of(request) is not None or reads_all_orders(request):
        return Order.objects.all()
    return Order.of_visitor(request.visitor.known_key)


def _made_since(found: QuerySet[Order], since: datetime) -> QuerySet[Order]:
    """The id of the first one is the bound that the newest-first order can stop at."""
    try:  # PostgreSQL knows no offset of more than 16 hours, and a time without one is UTC
        since = since.replace(tzinfo=since.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        message = _("%(field)s should be a time, such as 2026-11-28T12:00:00Z.") % {"field": "since"}
        raise ShopError("invalid", message, status=422) from None
    first = Order.objects.filter(created__gte=since).order_by("created").values_list("pk", flat=True)[:1]
    bound = next(iter(first), MAX_ID)
    return found.filter(pk__gte=bound - SLACK, created__gte=since)


@router.get(
    "/orders/{int:order_id}",
    response={200: OrderOut, **DENIED, 404: ErrorOut},
    summary="An order",
    **READ,
)
def get_order(request: ShopRequest, order_id: int, key: str = "") -> dict[str, Any]:
    """For tokens, the browser that made it, anybody with its link's key, and staff that may view orders."""
    return show_order(request, readable_order(request, order_id))


@router.get(
    "/items/{int:item_id}/orders",
    response={200: OrderPage, **DENIED, 404: ErrorOut, 422: ErrorOut},
    summary="The orders that contain an item",
    **READ,
)
def list_orders_of_item(request: ShopRequest, item_id: int, before: Before = None) -> dict[str, Any]:
    """Every order for tokens and for staff that may view orders, one's own for a buyer; 50 a page."""
    has_token = token_of(request) is not None
    _item, page = find_orders_of_item(request, item_id, before, everything=has_token)
    return {"orders": [show_order(request, order) for order in page.orders], "next": page.next}


@router.post(
    "/orders",
    response={201: OrderOut, **ERRORS, 429: ErrorOut},
    summary="Make an order",
    **WRITE,
)
@decorate_view(once)
def make_order(request: ShopRequest, body: OrderIn) -> Status[dict[str, Any]]:
    """A new order with today's prices and the default taxes. It belongs to the token, or to the cookie."""
    wanted = _wanted(body.lines)
    stock.refuse_short(wanted)
    code = read_code(body.discount_code)
    discount = Discount.by_code(code) if code else None
    client = allowance(request)
    client.spend_if_new()
    sent = (read_shippable(body.country) if body.country else "", body.shipping_rate)
    visitor = request.visitor.key if token_of(request) is None else ""
    with transaction.atomic():
        order = placing.place(wanted, visitor=visitor, discount=discount, delivery=sent, admit=client.spend)
        _refuse_other_rate(order, body.shipping_rate)
    return Status(201, show_order(request, order))


def _refuse_other_rate(order: Order, rate: int | None) -> None:
    """A page shows the rate that it falls back to. A program would sell express, and send by the cheapest."""
    if rate is not None and order.ship_to and order.shipping_rate_id != rate:
        message = _("There is no such shipping rate for this country and currency.")
        raise ShopError("bad_rate", message, status=422)


def _wanted(lines: Iterable[WantedIn]) -> list[Wanted]:
    quantities: dict[int, int] = defaultdict(int)
    for line in lines:
        quantities[line.item] += line.quantity
    items = Item.objects.on_sale().in_bulk(list(quantities))
    for number in quantities:
        if number not in items:
            message = _("Item %(item)s is not for sale.") % {"item": number}
            raise ShopError("item_not_found", message, status=404)
    return [Wanted(items[number], quantity) for number, quantity in quantities.items()]


@router.patch(
    "/orders/{int:order_id}",
    response={200: OrderOut, **PAY_ERRORS},
    summary="Change an order that is not paid",
    **WRITE,
)
def change_order(request: ShopRequest, order_id: int, body: OrderChange) -> dict[str, Any]:
    """Lines, discount and delivery: all of it or nothing.

    What could be paid for the old total is closed first.
    """
    order = changeable_order(request, order_id)
    given = body.model_fields_set
    if not given:
        message = _("Say what is to be different: lines, discount_code, country or shipping_rate.")
        raise ShopError("nothing_to_change", message, status=422)
    if given & {"lines", "discount_code"}:
        order.refuse_if_of_buy()
    wanted = _wanted(body.lines) if body.lines else None
    code = read_code(body.discount_code or "")
    discount = Discount.by_code(code) if code else None
    country = read_shippable(body.country) if body.country else ""

    def act(locked: Order) -> None:
        # All at once: between two of them the order may be one that cannot be.
        is_sent_otherwise = bool(given & {"country", "shipping_rate"})
        if is_sent_otherwise:
            locked.ship_to, locked.shipping_rate_id = country or locked.ship_to, body.shipping_rate
        if "discount_code" in given:
            locked.set_discount(discount, wanted)
        else:
            locked.set_lines(wanted or locked.wanted())
        if is_sent_otherwise:
            locked.refuse_if_undelivered()
            _refuse_other_rate(locked, body.shipping_rate)

    if not checkout.change(order, act):
        raise not_payable()
    return show_order(request, Order.objects.get(pk=order.pk))


@router.post(
    "/orders/{int:order_id}/cancel",
    response={200: OrderOut, **PAY_ERRORS},
    summary="Cancel an order that is not paid",
    **WRITE,
)
@decorate_view(anew)
def cancel_order(request: ShopRequest, order_id: int) -> dict[str, Any]:
    """An order that is cancelled already stays so."""
    order = changeable_order(request, order_id)
    is_done = order.status == Order.Status.CANCELLED or checkout.change(order, Order.cancel)
    if not is_done:
        raise not_payable()
    return show_order(request, Order.objects.get(pk=order.pk))


@router.post(
    "/orders/{int:order_id}/checkout",
    response={200: CheckoutOut, **PAY_ERRORS},
    summary="Pay an order at Checkout",
    **WRITE,
)
@decorate_view(anew)
def pay_by_checkout(request: ShopRequest, order_id: int) -> dict[str, str]:
    """The order's open session, made if there is none.

    `price_changed`: look at the order's new total, and ask again if the buyer agrees.
    """
    order = changeable_order(request, order_id)
    return session_of(attempts.start(order.pk, client_for(request, order)))


@router.post(
    "/orders/{int:order_id}/intent",
    response={200: IntentOut, **PAY_ERRORS},
    summary="Pay an order by a PaymentIntent",
    **WRITE,
)
@decorate_view(anew)
def pay_by_intent(request: ShopRequest, order_id: int) -> dict[str, str]:
    """As by Checkout, for Stripe's Payment Element on a page of your own."""
    order = changeable_order(request, order_id)
    payment = attempts.start(order.pk, client_for(request, order), Payment.Kind.INTENT)
    return intent_of(payment, allowance(request))
