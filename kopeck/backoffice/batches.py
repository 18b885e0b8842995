"""What is done with several orders of the list at once, each in a transaction of its own.

Sending and refunding are asked about on a page between, which shows what it comes to.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from kopeck.backoffice.sales import read_all, shipment_of, state_of
from kopeck.errors import ShopError
from kopeck.mail import again
from kopeck.money import format_money, in_words, to_decimal
from kopeck.orders.models import Order, locked
from kopeck.orders.shipment import Shipment, may_be_sent
from kopeck.refunds import request as refunds
from kopeck.refunds.models import Refund
from kopeck.refunds.views import explain
from kopeck.staff.history import record
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.web.context import money_locale
from kopeck.web.fields import NoteField

#: Orders that one press sends, refunds or mails, and that are exported.
MOST, MOST_EXPORTED, STEP = 50, 20_000, 500
COLUMNS = "order paid state items total tax currency email name country sent tracking".split()
#: A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ParcelForm(forms.Form):
    """How one order was sent."""

    carrier = NoteField(label=gettext_lazy("carrier"), required=False, max_length=100)
    number = NoteField(label=gettext_lazy("tracking number"), required=False, max_length=100)
    link = forms.URLField(
        label=gettext_lazy("tracking link"), required=False, max_length=500, assume_scheme="https"
    )


def _few(request: HttpRequest, orders: QuerySet[Order]) -> list[Order] | None:
    """The chosen orders with all that is shown of them; None, and a sentence, where they are too many."""
    found = list(orders.order_by("pk")[: MOST + 1])
    if len(found) > MOST:
        _refuse(request, MOST)
        return None
    read_all(found)
    return found


def _refuse(request: HttpRequest, most: int) -> None:
    said = _("This is done for %(number)s orders at most. Please choose fewer.")
    messages.error(request, said % {"number": most})


def _page(request: HttpRequest, template: str, title: Any, **more: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "opts": Order._meta, "title": title, **more}
    return TemplateResponse(request, f"admin/backoffice/{template}.html", context)


def mark_sent(request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
    """Asks for the numbers of the parcels; each buyer gets one mail."""
    if not request.user.has_perm("orders.change_shipment"):
        raise PermissionDenied
    found = _few(request, orders)
    if found is None:
        return None
    unsent = [order for order in found if state_of(order)[0] != "none" and _is_unsent(order)]
    if not unsent:
        messages.info(request, _("None of these orders is to be sent."))
        return None
    given = request.POST if "confirmed" in request.POST else None
    parcels = [(order, ParcelForm(given, prefix=f"order-{order.pk}")) for order in unsent]
    if given is None or not all(form.is_valid() for _order, form in parcels):
        title = _("Mark as sent")
        return _page(request, "mark_sent", title, action="mark_sent", verb=title, parcels=parcels)
    count = sum(_send(request, order.pk, form.cleaned_data) for order, form in parcels)
    said = ngettext("%(n)s order is marked as sent.", "%(n)s orders are marked as sent.", count)
    messages.success(request, said % {"n": count})
    if count < len(parcels):
        messages.warning(request, _("The others are not paid any more, or somebody has just sent them."))
    return None


def _is_unsent(order: Order) -> bool:
    shipment = shipment_of(order)
    return shipment is not None and shipment.sent_at is None and may_be_sent(order)


def _send(request: HttpRequest, order_id: int, facts: dict[str, str]) -> bool:
    with transaction.atomic():
        order = locked(order_id)
        shipment = Shipment.objects.filter(order=order, sent_at=None).first()
        if shipment is None or not may_be_sent(order):
            return False
        for name, value in facts.items():
            setattr(shipment, name, value or getattr(shipment, name))
        shipment.mark_sent(by=request.user.get_username())
        record(request, [order], gettext_noop("Marked as sent."))
        return True


def refund(request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
    """One order: its own page, which can do parts. Several: all that is left, after a look at the sums."""
    if not request.user.has_perm("refunds.add_refund"):
        raise PermissionDenied
    found = _few(request, orders)
    if found is None:
        return None
    if len(found) == 1:
        return HttpResponseRedirect(reverse("admin:orders_order_refund", args=[found[0].pk]))
    if "confirmed" in request.POST:
        for order in found:
            _refund(request, order)
        return None
    locale = money_locale(request)
    wishes = [
        (order, format_money(left.amount, left.payment.currency, locale), uuid4(), left.version)
        for order in found
        if (left := _left(order)) is not None
    ]
    if not wishes:
        messages.info(request, _("There is nothing to refund."))
        return None
    title = _("Refund all that is left")
    return _page(request, "refund_all", title, action="refund_orders", verb=_("Refund"), wishes=wishes)


def _left(order: Order) -> refunds.Left | None:
    try:
        left = refunds.left_of(order)
    except ShopError:
        return None
    return left if left.amount else None


def _refund(request: HttpRequest, order: Order) -> None:
    """As the order's own form would: by the key and the version that the page had shown."""
    key, version = (request.POST.get(f"{name}-{order.pk}", "") for name in ("key", "version"))
    try:
        form = refunds.Form(key=UUID(key), version=version, by=request.user.get_username())
        made, is_new = refunds.request(order.pk, refunds.Wish(), form)
        if is_new:
            money = in_words(made.amount, made.currency)
            record(request, [order], gettext_noop("Refund"), (None, money))
            made = refunds.send(made)
    except ValueError:
        return  # it had nothing to refund when the page was shown
    except ShopError as refusal:
        trouble = refusal.message
    except StripeRefused as refusal:
        trouble = explain(refusal)
    except StripeUnavailable:
        trouble = _("Stripe does not answer. The refund will be retried automatically.")
    else:
        amount = format_money(made.amount, made.currency, money_locale(request))
        said = {"number": order.pk, "amount": amount}
        if made.status in Refund.CLAIMED:
            messages.success(request, _("Order %(number)s: %(amount)s is on its way to the buyer.") % said)
            return
        trouble = _("The refund of %(amount)s failed.") % said
    messages.error(request, _("Order %(number)s: %(trouble)s") % {"number": order.pk, "trouble": trouble})


def resend_receipt(request: HttpRequest, orders: QuerySet[Order]) -> None:
    """The same words to the same address, as a mail of its own."""
    if not request.user.has_perm("mail.change_mail"):
        raise PermissionDenied
    found = _few(request, orders)
    if found is None:
        return
    count = sum(_resend(request, order) for order in found)
    said = ngettext("%(n)s receipt is sent again.", "%(n)s receipts are sent again.", count)
    messages.success(request, said % {"n": count})


@transaction.atomic
def _resend(request: HttpRequest, order: Order) -> bool:
    if is_sent := again.receipt(order.pk, by=request.user.get_username()):
        record(request, [order], gettext_noop("Sent the receipt again."))
    return is_sent


def export(request: HttpRequest, orders: QuerySet[Order]) -> StreamingHttpResponse | None:
    """The chosen orders as CSV, the newest first, read some at a time; None, and a sentence, for too many."""
    name = f"orders-{timezone.localdate():%Y-%m-%d}.csv"
    numbers = list(orders.order_by("-pk").values_list("pk", flat=True)[: MOST_EXPORTED + 1])
    if len(numbers) > MOST_EXPORTED:
        _refuse(request, MOST_EXPORTED)
        return None
    answer = StreamingHttpResponse(_lines(numbers), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


class _Echo:
    """csv writes to it, and gets back what it wrote."""

    def write(self, text: str) -> str:
        return text


def _lines(numbers: list[int]) -> Iterator[str]:
    write = csv.writer(_Echo()).writerow
    yield "\ufeff"  # spreadsheets take it for UTF-8
    yield write(COLUMNS)
    for start in range(0, len(numbers), STEP):
        orders = list(Order.objects.filter(pk__in=numbers[start : start + STEP]).order_by("-pk"))
        read_all(orders)
        for order in orders:
            yield write([_cell(value) for value in _row(order)])


def _row(order: Order) -> Iterable[Any]:
    shipment = shipment_of(order)
    return (
        order.pk,
        _time(order.paid_at),
        order.status,
        ", ".join(str(line) for line in order.goods),
        to_decimal(order.total, order.currency),
        to_decimal(order.tax_total, order.currency),
        order.currency,
        order.email,
        shipment.name if shipment else "",
        order.ship_to,
        _time(shipment.sent_at if shipment else None),
        shipment.number if shipment else "",
    )


def _time(when: datetime | None) -> str:
    """By the shop's clock, as in the statement: a sale of the night is of the same day in both."""
    return timezone.localtime(when).isoformat(timespec="seconds") if when else ""


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
