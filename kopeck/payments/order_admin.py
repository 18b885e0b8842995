"""The owner's view of an order: its lines, what came in and went back, what the bank says. Read, not edited.

Lives here and not with the orders, because orders know nothing of payments.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from kopeck.orders.lines import OrderLine, OrderNote
from kopeck.orders.models import Order
from kopeck.payments import refund_page, why
from kopeck.payments.admin import ReadOnlyAdmin, money_column
from kopeck.payments.ledger import Dispute, Refund


class ReadOnlyInline(admin.TabularInline[Any, Order]):
    """Rows that are looked at, not edited."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OrderLineInline(ReadOnlyInline):
    model = OrderLine
    fields = readonly_fields = ["item", "name", "price", "quantity", "discount", "tax", "sum"]  # type: ignore[assignment]
    price = money_column("unit_price", _("unit price"))
    discount = money_column("discount_amount", _("discount"))
    tax = money_column("tax_amount", _("tax"))
    sum = money_column("total", _("total"))


class RefundInline(ReadOnlyInline):
    model = Refund
    show_change_link = True
    fields = readonly_fields = ["money", "status", "source", "requested_by", "reason", "problem", "created"]  # type: ignore[assignment]
    money = money_column("amount", _("amount"))


class DisputeInline(ReadOnlyInline):
    model = Dispute
    show_change_link = True
    fields = readonly_fields = ["money", "status", "reason", "due_by", "opened", "closed"]  # type: ignore[assignment]
    money = money_column("amount", _("amount"))


class NoteInline(ReadOnlyInline):
    model = OrderNote
    fields = readonly_fields = ["text", "created"]  # type: ignore[assignment]


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["id", "status", "money", "email", "created", "paid_at"]
    list_filter = ["status", "currency", "created"]
    search_fields = ["=id", "email", "=payments__stripe_id", "=payments__payment_intent"]
    inlines = [OrderLineInline, RefundInline, DisputeInline, NoteInline]
    fields = readonly_fields = [  # type: ignore[assignment]
        "status",
        "before",
        "off",
        "discount",
        "tax",
        "included",
        "money",
        "email",
        "created",
        "paid_at",
    ]
    view_on_site = True
    change_form_template = "admin/payments/order.html"
    before = money_column("subtotal", _("subtotal"))
    off = money_column("discount_total", _("taken off"))
    tax = money_column("tax_total", _("tax"))
    included = money_column("tax_included", _("of it included in prices"))
    money = money_column("total", _("total"))

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<int:order_id>/refund/",
            self.admin_site.admin_view(refund_page.view(self)),
            name="orders_order_refund",
        )
        reasons = path(
            "<int:order_id>/why/", self.admin_site.admin_view(why.view(self)), name="orders_order_why"
        )
        return [page, reasons, *super().get_urls()]

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Tables with nothing in them are left out."""
        if obj is None:
            return self.inlines
        empty: dict[Any, bool] = {
            RefundInline: not obj.refunds.exists(),
            DisputeInline: not obj.disputes.exists(),
            NoteInline: not obj.notes.exists(),
        }
        return [inline for inline in self.inlines if not empty.get(inline)]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        order = self.get_object(request, unquote(object_id))  # None for what is no number
        can_refund = order is not None and order.status in (order.Status.PAID, order.Status.PARTLY_REFUNDED)
        more = {"can_refund": can_refund and request.user.has_perm("payments.add_refund")}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})
