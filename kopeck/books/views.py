"""GET, POST /admin/forget/: whose data is to be removed, what there is of it, and then that it is removed."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from kopeck.books.forget import Forgotten, forget, orders_of, read_address, reason_to_keep
from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.staff.history import record
from kopeck.typed import whole_number

#: Orders that the page names at most.
MOST = 200


@permission_required("orders.forget_buyer", raise_exception=True)
def forget_page(request: HttpRequest) -> HttpResponse:
    """GET the form, `?order=` with its buyer's address; POST `action=look` shows the orders, `action=forget`
    removes the data.
    """
    typed = request.POST.get("email", "")
    context: dict[str, Any] = {"address": typed or _address_of(request.GET.get("order", "")), "most": MOST}
    if request.method == "POST":
        try:
            address = read_address(typed)
            # Another address than the one that was looked at is looked at first.
            if request.POST.get("action") == "forget" and request.POST.get("looked") == typed:
                _tell(request, forget(address, partial(_record, request)))
                return HttpResponseRedirect(request.path)
            context |= _found(address)
        except ShopError as refusal:
            messages.error(request, refusal.message)
    context |= {
        **admin.site.each_context(request),
        "opts": Order._meta,
        "title": _("Remove a buyer's personal data"),
    }
    return render(request, "admin/books/forget.html", context)


def _address_of(number: str) -> str:
    order = Order.objects.filter(pk=whole_number(number, 18) or 0).first()
    return order.email if order else ""


def _found(address: str) -> dict[str, Any]:
    numbers = orders_of(address)
    orders = Order.objects.filter(pk__in=numbers[:MOST]).order_by("pk")
    return {"looked": True, "count": len(numbers), "found": [(one, reason_to_keep(one)) for one in orders]}


def _record(request: HttpRequest, order: Order) -> None:
    record(request, [order], gettext_noop("Removed the buyer's personal data."))


def _tell(request: HttpRequest, done: Forgotten) -> None:
    messages.success(request, done.said)
    for sentence in done.left_alone:
        messages.warning(request, sentence)
