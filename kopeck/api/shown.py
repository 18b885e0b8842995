"""An order as the API shows it to those who may read it."""

from typing import Any

from kopeck.api.access import token_of
from kopeck.api.models import Scope
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.storefront.forms import base_url
from kopeck.web.visitors import ShopRequest


def show_order(request: ShopRequest, order: Order) -> dict[str, Any]:
    token = token_of(request)
    scopes = token.scopes if token else []
    shipment = _shipment_of(order) if order.ship_to else None
    is_opened = Scope.ORDERS_WRITE in scopes
    # Answers to POST are kept for a day: nobody's address is in them.
    shows_contact = Scope.ORDERS_READ in scopes and request.method == "GET"
    return {
        **order.summary(),
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
        "shipment": shipment,
        "contact": _show_contact(order, shipment) if shows_contact else None,
        "created": order.created,
        "paid_at": order.paid_at,
        "url": f"{base_url(request)}{order.link if is_opened else order.get_absolute_url()}",
    }


def _shipment_of(order: Order) -> Shipment | None:
    """None before it is paid."""
    try:
        found: Shipment = order.shipment
    except Shipment.DoesNotExist:
        return None
    return found


def _show_contact(order: Order, shipment: Shipment | None) -> dict[str, Any] | None:
    """Whom a program has to send something to: the seller's own programs alone."""
    if not order.email and shipment is None:
        return None
    return {
        "email": order.email,
        "name": shipment.name if shipment else "",
        "phone": shipment.phone if shipment else "",
        "address": shipment.address if shipment else {},
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
