"""The admin pages of orders and payments: what came in and went back, what the bank says. To be read."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy

from kopeck.backoffice import why
from kopeck.orders.lines import OrderLine, OrderNote
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds import views as refund_views
from kopeck.refunds.models import Dispute, Refund
from kopeck.refunds.review import can_be_refunded
from kopeck.web.admin import ReadOnlyAdmin, money_column


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
    price = money_column("unit_price", gettext_lazy("unit price"))
    discount = money_column("discount_amount", gettext_lazy("discount"))
    tax = money_column("tax_amount", gettext_lazy("tax"))
    sum = money_column("total", gettext_lazy("total"))


class RefundInline(ReadOnlyInline):
    model = Refund
    show_change_link = True
    fields = readonly_fields = ["money", "status", "source", "requested_by", "reason", "problem", "created"]  # type: ignore[assignment]
    money = money_column("amount", gettext_lazy("amount"))


class DisputeInline(ReadOnlyInline):
    model = Dispute
    show_change_link = True
    fields = readonly_fields = ["money", "status", "reason", "due_by", "opened", "closed"]  # type: ignore[assignment]
    money = money_column("amount", gettext_lazy("amount"))


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
    change_form_template = "admin/backoffice/order.html"
    before = money_column("subtotal", gettext_lazy("subtotal"))
    off = money_column("discount_total", gettext_lazy("taken off"))
    tax = money_column("tax_total", gettext_lazy("tax"))
    included = money_column("tax_included", gettext_lazy("of it included in prices"))
    money = money_column("total", gettext_lazy("total"))

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<int:order_id>/refund/",
            self.admin_site.admin_view(refund_views.refund_order),
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
        more = {"can_refund": can_refund and request.user.has_perm("refunds.add_refund")}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = [
        "stripe_id",
        "order",
        "status",
        "money",
        "account",
        "attempt",
        "created",
        "paid_at",
    ]
    list_filter = ["status", "account", "kind"]
    list_select_related = ["order"]
    search_fields = ["=stripe_id", "=payment_intent", "=order__id"]
    exclude = ["lease_until", "fingerprint", "url", "inputs", "amount", "currency"]
    readonly_fields = ["money"]
    money = money_column("amount", gettext_lazy("amount"))
    change_form_template = "admin/backoffice/payment.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        payment = self.get_object(request, unquote(object_id))  # None for what is no number
        more = {"can_be_refunded": payment is not None and can_be_refunded(payment)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<int:payment_id>/refund/",
            self.admin_site.admin_view(refund_views.refund_payment),
            name="payments_payment_refund",
        )
        return [page, *super().get_urls()]
