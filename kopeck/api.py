"""The REST API: money in integer minor units, errors as `{"error": {"code", "message"}}`.

Its OpenAPI document is at /api/v1/openapi.json, and to be read and tried at /api/v1/docs.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError

from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.orders.views import readable_order
from kopeck.web import ShopRequest, error_response

api = NinjaAPI(title="Kopeck", version="1", description="A self-hosted Stripe shop. Amounts are minor units.")


class LineOut(Schema):
    """One item of an order; amounts in minor units of the order's currency."""

    item: int
    name: str
    unit_price: int
    quantity: int
    discount: int
    tax: int
    total: int


class OrderOut(Schema):
    """An order; amounts in minor units of `currency`."""

    id: int
    status: str
    currency: str
    subtotal: int
    discount: int
    tax: int
    total: int
    lines: list[LineOut]


class Problem(Schema):
    """What went wrong: a stable code and a sentence."""

    code: str
    message: str


class ErrorOut(Schema):
    error: Problem


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
            for line in order.lines.all()
        ],
    }


@api.get("/orders/{int:order_id}", response={200: OrderOut, 404: ErrorOut}, summary="An order")
def get_order(request: ShopRequest, order_id: int, key: str = "") -> dict[str, Any]:
    """For the browser that made it, whoever holds its link's key, and staff."""
    return _show(readable_order(request, order_id))


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
