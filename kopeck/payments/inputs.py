"""What Stripe is asked for: the inputs of a Checkout Session or a PaymentIntent, from an order.

Stored with the attempt and repeated to the letter by retries: the idempotency key demands it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings

from kopeck.catalog.models import Item
from kopeck.mirror.orders import MirroredIds
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.stripe_api.client import shop_mark

#: The languages of Checkout, as Stripe's reference of sessions lists them.
LOCALES = frozenset(
    """
    bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hr hu id it ja ko lt lv ms mt nb nl pl pt pt-BR ro ru
    sk sl sv th tr vi zh zh-HK zh-TW
    """.split()
)


@dataclass(frozen=True, slots=True)
class Client:
    """Who wants to pay, in plain values that the views read from the request.

    `admit` has the last word on an attempt, or on a new order (None): what it raises leaves nothing behind.
    """

    #: The shop's own address as the client reached it, and the language that it says: no slash at the end.
    base_url: str
    #: Who owns the order that Buy places.
    visitor: str = ""
    #: A keyed hash of the address, for the pieces and the declined cards of one address to be counted.
    address: str = ""
    #: Asked from a page of the shop: pieces are held for them (payments/stock.py).
    is_shown: bool = False
    admit: Callable[[Order | None], None] = lambda order: None


def session_inputs(order: Order, payment: Payment, ids: MirroredIds) -> dict[str, Any]:
    """For `checkout.Session.create`. Lines stand in the order's order, and so do their tax rates."""
    success_url, cancel_url = _back_from_checkout(order, payment.base_url)
    metadata = metadata_of(order, payment)
    lines = [_line_item(line, payment, ids) for line in _lines_of(order)]
    inputs: dict[str, Any] = {
        "mode": "payment",
        # The page's own language, which need not be the browser's.
        "locale": payment.language if payment.language in LOCALES else "auto",
        "line_items": lines,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "client_reference_id": str(order.pk),
        # On both: Stripe copies the session's metadata to nothing.
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "expires_at": int(payment.expires_at.timestamp()),
        # An account's defaults could turn these on and charge another amount than the order's.
        "automatic_tax": {"enabled": False},
        "adaptive_pricing": {"enabled": False},
        "branding_settings": {"display_name": settings.SHOP_NAME},
        # The amounts that are compared with the order's.
        "expand": ["line_items.data.taxes", "total_details.breakdown"],
    }
    if ids.coupon:
        inputs["discounts"] = [{"coupon": ids.coupon}]
    if order.ship_to:
        inputs |= _delivery(order)
    if order.email:
        inputs["customer_email"] = order.email
    return inputs


def _is_among_lines(order: Order) -> bool:
    """Whether the delivery is one of Stripe's lines: its shipping options take no tax rates."""
    rate, line = order.shipping_rate, order.delivery
    return bool(rate and line and rate.taxed and line.subtotal and order.taxes.all())


def _lines_of(order: Order) -> list[OrderLine]:
    order.load()
    return list(order.lines.all()) if _is_among_lines(order) else order.goods


def _delivery(order: Order) -> dict[str, Any]:
    """The address to collect, and what the delivery costs where no line says it."""
    inputs: dict[str, Any] = {
        "shipping_address_collection": {"allowed_countries": [order.ship_to]},
        "phone_number_collection": {"enabled": True},
    }
    rate, line = order.shipping_rate, order.delivery
    if rate is None or line is None or _is_among_lines(order):
        return inputs
    option: dict[str, Any] = {
        "type": "fixed_amount",
        "display_name": line.name,
        "fixed_amount": {"amount": line.subtotal, "currency": order.currency},
    }
    if rate.min_days:
        bounds = {"minimum": rate.min_days, "maximum": rate.max_days}
        option["delivery_estimate"] = {
            name: {"unit": "business_day", "value": days} for name, days in bounds.items()
        }
    return inputs | {"shipping_options": [{"shipping_rate_data": option}]}


def _back_from_checkout(order: Order, base_url: str) -> tuple[str, str]:
    """Where Checkout leads: after paying, and by its Back link."""
    success = f"{base_url}/order/{order.pk}/return?key={order.key}&session_id={{CHECKOUT_SESSION_ID}}"
    if order.buy_item_id and not order.ship_to:  # how it is sent is changed on the order's page
        (line,) = order.goods
        return success, f"{base_url}/item/{order.buy_item_id}?cancelled=1&quantity={line.quantity}"
    return success, f"{base_url}/order/{order.pk}?key={order.key}&notice=cancelled"


def metadata_of(order: Order, payment: Payment) -> dict[str, str]:
    """How a payable object is known as ours, should its row ever be lost: the shop's mark, order, attempt."""
    return {
        "kopeck_order": str(order.pk),
        "kopeck_payment": str(payment.key),
        "kopeck_shop": shop_mark(),
    }


def key_in(metadata: Any, name: str = "kopeck_payment") -> UUID | None:
    """The key that we wrote into an object's metadata; None where there is none that could be ours."""
    try:
        return UUID(str((metadata if isinstance(metadata, dict) else {}).get(name)))
    except ValueError:
        return None


def intent_inputs(order: Order, payment: Payment) -> dict[str, Any]:
    """For `PaymentIntent.create`: the order's own total, and in `amount_details` what it is made of.

    A unit's cost holds its inclusive tax, so only the tax on top is told apart, or they would not add up.
    """
    inputs: dict[str, Any] = {
        "amount": order.total,
        "currency": order.currency,
        "automatic_payment_methods": {"enabled": True},
        "description": f"{settings.SHOP_NAME}: {order.pk}",
        "metadata": metadata_of(order, payment),
        "amount_details": {"line_items": [_detail(line) for line in order.lines.all()]},
    }
    if order.email:
        inputs["receipt_email"] = order.email
    return inputs


def _detail(line: OrderLine) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "product_name": line.name,
        "quantity": line.quantity,
        "unit_cost": line.unit_price,
    }
    if line.discount_amount:
        detail["discount_amount"] = line.discount_amount
    if line.tax_amount > line.tax_included:
        detail["tax"] = {"total_tax_amount": line.tax_amount - line.tax_included}
    return detail


def _line_item(line: OrderLine, payment: Payment, ids: MirroredIds) -> dict[str, Any]:
    product: dict[str, Any] = {"name": line.name}
    if line.item:
        product |= _described(line.item, payment)
    price = {"currency": payment.currency, "unit_amount": line.unit_price, "product_data": product}
    inputs: dict[str, Any] = {"price_data": price, "quantity": line.quantity}
    if ids.tax_rates:
        inputs["tax_rates"] = list(ids.tax_rates)
    return inputs


def _described(item: Item, payment: Payment) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if item.description:
        described["description"] = item.description[:500]
    # Stripe fetches pictures from the internet; a shop that is not there would show broken ones.
    if item.image_url and (payment.base_url.startswith("https://") or settings.STRIPE_SANDBOX):
        described["images"] = [urljoin(payment.base_url, item.image_url)]
    return described
