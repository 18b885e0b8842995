"""What Stripe is asked for: the inputs of a Checkout Session or a PaymentIntent, from an order.

Stored with the attempt and repeated to the letter by retries: the idempotency key demands it.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from kopeck.abuse.budgets import Client, client_of
from kopeck.mirror.signals import Copies
from kopeck.mirror.sync import shop_mark
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.payments.models import Payment


@dataclass(frozen=True, slots=True)
class Site:
    """The shop's own address as the buyer reached it, with no slash at the end; and who the buyer is."""

    base: str
    client: Client = field(default_factory=Client, compare=False)

    def back_from(self, order: Order) -> tuple[str, str]:
        """Where Checkout leads: after paying, and by its Back link."""
        success = f"{self.base}/order/{order.pk}/return?key={order.key}&session_id={{CHECKOUT_SESSION_ID}}"
        if order.buy_item_id:
            (line,) = order.lines.all()
            quantity = line.quantity
            return success, f"{self.base}/item/{order.buy_item_id}?cancelled=1&quantity={quantity}"
        return success, f"{self.base}{order.link}"


def site_of(request: HttpRequest) -> Site:
    """SITE_URL where it is set, else the address that was asked for (its host is one of ALLOWED_HOSTS)."""
    return Site(settings.SITE_URL or request.build_absolute_uri("/").rstrip("/"), client_of(request))


def session_inputs(order: Order, payment: Payment, site: Site, copies: Copies) -> dict[str, Any]:
    """For `checkout.Session.create`. Lines stand in the order's order, and so do their tax rates."""
    success_url, cancel_url = site.back_from(order)
    metadata = metadata_of(order, payment)
    inputs: dict[str, Any] = {
        "mode": "payment",
        "line_items": [_line_item(line, order.currency, site, copies) for line in order.load().lines.all()],
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
        # The figures that are compared with the order's.
        "expand": ["line_items.data.taxes", "total_details.breakdown"],
    }
    if copies.coupon:
        inputs["discounts"] = [{"coupon": copies.coupon}]
    if order.email:
        inputs["customer_email"] = order.email
    return inputs


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


def _line_item(line: OrderLine, currency: str, site: Site, copies: Copies) -> dict[str, Any]:
    product: dict[str, Any] = {"name": line.name}
    if line.item.description:
        product["description"] = line.item.description[:500]
    # Stripe fetches pictures from the internet; a shop that is not there would show broken ones.
    if line.item.image_url and (site.base.startswith("https://") or settings.STRIPE_SANDBOX):
        product["images"] = [f"{site.base}{line.item.image_url}"]
    price = {"currency": currency, "unit_amount": line.unit_price, "product_data": product}
    inputs: dict[str, Any] = {"price_data": price, "quantity": line.quantity}
    if copies.tax_rates:
        inputs["tax_rates"] = list(copies.tax_rates)
    return inputs
