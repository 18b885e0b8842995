"""The REST API: money in integer minor units, errors as `{"error": {"code", "message"}}`.

Its OpenAPI document is at /api/v1/openapi.json, and to be read and tried at /api/v1/docs.
"""

from collections import defaultdict
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Query
from ninja.errors import HttpError, ValidationError
from ninja.responses import Status

from kopeck.api.access import May, allowance, readable_order, token_of
from kopeck.api.models import Scope
from kopeck.api.schemas import MAX_ID, MOST_ITEMS, ErrorOut, ItemList, ItemOut, OrderIn, OrderOut, OrderPage
from kopeck.catalog.models import Discount, Item
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.delivery import read_shippable
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import stock
from kopeck.storefront.forms import not_on_sale
from kopeck.storefront.views import find_orders_of_item
from kopeck.typed import read_code
from kopeck.web.errors import error_response
from kopeck.web.visitors import ShopRequest

api = NinjaAPI(title="Kopeck", version="1", description="A self-hosted Stripe shop. Amounts are minor units.")
#: What a token may hear that is wrong, or too narrow; and another site, whose browser sends our cookie.
DENIED = {401: ErrorOut, 403: ErrorOut}
#: With a token or without one.
OR_COOKIE: dict[str, Any] = {"security": [{}, {"Bearer": []}]}


def _show(order: Order) -> dict[str, Any]:
    return {
        "id": order.pk,
        "status": order.status,
        "currency": order.currency,
        "subtotal": order.subtotal,
        "discount": order.discount_total,
        "tax": order.tax_total,
        "total": order.total,
        "lines": [
            {
                "item": line.item_id,
                "name": line.name,
                "unit_price": line.unit_price,
                "quantity": line.quantity,
                "discount": line.discount_amount,
                "tax": line.tax_amount,
                "total": line.total,
            }
            for line in order.goods
        ],
        "shipping": _show_delivery(order),
    }


def _show_delivery(order: Order) -> dict[str, Any] | None:
    line = order.delivery
    if line is None:
        return None
    return {
        "country": order.ship_to,
        "rate": order.shipping_rate_id,
        "name": line.name,
        "amount": line.subtotal,
        "discount": line.discount_amount,
        "tax": line.tax_amount,
        "total": line.total,
    }


@api.get(
    "/items",
    response={200: ItemList, 404: ErrorOut, 422: ErrorOut},
    summary="Everything on sale, a page at a time",
)
def list_items(
    request: ShopRequest,
    after: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 100,
) -> dict[str, Any]:
    """What a visitor may order, with what is left of it, in the owner's order."""
    on_sale = Item.objects.on_sale()
    if after is not None:
        last = Item.objects.filter(pk=after).first()
        if last is None:
            raise ShopError("item_not_found", _("There is no such item."), status=404)
        on_sale = on_sale.behind(last)
    found = list(stock.with_left(on_sale)[: limit + 1])
    return {"items": found[:limit], "next": found[limit - 1].pk if len(found) > limit else None}


@api.get("/items/{int:item_id}", response={200: ItemOut, 404: ErrorOut}, summary="An item")
def get_item(request: ShopRequest, item_id: int) -> Item:
    """Of what others may pay for right now nothing is left."""
    found: Item | None = stock.with_left(Item.objects.on_sale().filter(pk=item_id)).first()
    if found is None:
        raise not_on_sale()
    return found


@api.get(
    "/orders/{int:order_id}",
    response={200: OrderOut, **DENIED, 404: ErrorOut},
    summary="An order",
    auth=May(Scope.ORDERS_READ),
    openapi_extra=OR_COOKIE,
)
def get_order(request: ShopRequest, order_id: int, key: str = "") -> dict[str, Any]:
    """For the browser that made it, whoever holds its link's key, and staff that may view orders."""
    return _show(readable_order(request, order_id))


@api.post(
    "/orders",
    response={
        201: OrderOut,
        400: ErrorOut,
        **DENIED,
        404: ErrorOut,
        409: ErrorOut,
        422: ErrorOut,
        429: ErrorOut,
    },
    summary="Make an order",
    auth=May(Scope.ORDERS_WRITE),
    openapi_extra=OR_COOKIE,
)
def make_order(request: ShopRequest, body: OrderIn) -> Status[dict[str, Any]]:
    """A new order with today's prices and the default taxes. It belongs to the token, or to the cookie."""
    quantities: dict[int, int] = defaultdict(int)
    for line in body.lines:
        quantities[line.item] += line.quantity
    items = Item.objects.on_sale().in_bulk(list(quantities))
    for number in quantities:
        if number not in items:
            message = _("Item %(item)s is not for sale.") % {"item": number}
            raise ShopError("item_not_found", message, status=404)
    wanted = [Wanted(items[number], quantity) for number, quantity in quantities.items()]
    stock.refuse_short(wanted)
    code = read_code(body.discount_code)
    discount = Discount.by_code(code) if code else None
    client = allowance(request)
    client.spend_if_new()
    sent = (read_shippable(body.country) if body.country else "", body.shipping_rate)
    visitor = request.visitor.key if token_of(request) is None else ""
    order = placing.place(wanted, visitor=visitor, discount=discount, delivery=sent, admit=client.spend)
    return Status(201, _show(order))


@api.get(
    "/items/{int:item_id}/orders",
    response={200: OrderPage, **DENIED, 404: ErrorOut, 422: ErrorOut},
    summary="The orders that contain an item",
    auth=May(Scope.ORDERS_READ),
    openapi_extra=OR_COOKIE,
)
def list_orders_of_item(
    request: ShopRequest, item_id: int, before: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None
) -> dict[str, Any]:
    """Every order for tokens and for staff that may view orders, one's own for a buyer; 50 a page."""
    has_token = token_of(request) is not None
    _item, page = find_orders_of_item(request, item_id, before, everything=has_token)
    return {"orders": [_show(order) for order in page.orders], "next": page.next}


@api.exception_handler(ShopError)
def _refusal(request: HttpRequest, error: ShopError) -> HttpResponse:
    return error_response(request, error)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first = error.errors[0] if error.errors else {}
    where = ".".join(str(part) for part in first.get("loc", [])[1:])
    message = _("%(field)s: %(problem)s") % {"field": where or "body", "problem": first.get("msg", "")}
    return error_response(request, ShopError("invalid", message, status=422))


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return error_response(request, ShopError("bad_request", str(error), status=error.status_code))
