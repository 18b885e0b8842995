"""The page of an order, for those who may read it."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.web import ShopRequest

#: How often the page of an unconfirmed payment asks again, every three seconds.
CONFIRMING_TRIES = 20


def readable_order(request: ShopRequest, order_id: int) -> Order:
    """The order, or ShopError 404 for whoever may not read it: strangers do not learn that it exists."""
    order = Order.objects.filter(pk=order_id).first()
    key = request.GET.get("key", "") or request.POST.get("key", "")
    # Staff last: asking who is logged in reads the session from the database.
    if order is None or not (
        order.may_be_read_by(request.visitor.known_key, key, is_staff=False) or request.user.is_staff
    ):
        raise ShopError("order_not_found", _("There is no such order, or it is not yours."), status=404)
    return order


@require_safe
def order_page(request: ShopRequest, order_id: int) -> HttpResponse:
    """GET /order/{id}: the receipt, with the state of its payment."""
    order = readable_order(request, order_id)
    payment = order.payments.filter(status="paid").first()
    title, text, stamp = _state(order)
    context = {
        "order": order,
        "lines": order.lines.all(),
        "payment": payment,
        "status_title": title,
        "status_text": text,
        "stamp_class": stamp,
        "can_pay": order.status in Order.PAYABLE,
        "order_key": request.GET.get("key", ""),
        "refresh_url": "",
    }
    confirming = request.GET.get("confirming", "")
    unsettled = order.status in (Order.Status.OPEN, Order.Status.PROCESSING)
    if unsettled and confirming.isascii() and confirming.isdigit() and int(confirming[:4]) < CONFIRMING_TRIES:
        key = f"&key={order.key}" if context["order_key"] else ""
        context["refresh_url"] = f"{order.get_absolute_url()}/return?tries={int(confirming)}{key}"
        context["can_pay"] = False
        context["status_title"] = _("Confirming your payment…")
        context["status_text"] = _("We are asking the bank. This page renews itself; you can also close it.")
    response = render(request, "order.html", context)
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex"
    return response


def _state(order: Order) -> tuple[str, str, str]:
    """Title, sentence and stamp of the order's state."""
    status = Order.Status
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
                _("The time to pay ran out and nothing was charged. You can pay now."),
                "bad",
            )
        case status.CANCELLED:
            return _("Cancelled"), _("This order was cancelled."), "bad"
        case status.REFUNDED:
            return _("Refunded"), _("Your money is on its way back to you."), "plain"
        case status.PARTLY_REFUNDED:
            return _("Partly refunded"), _("A part of your money is on its way back to you."), "plain"
        case _other:
            return _("Not paid yet"), _("Your order is kept. You can pay when you are ready."), "plain"
