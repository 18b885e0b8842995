"""The admin pages of orders and payments, with their refunds and disputes. To be read."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from kopeck.backoffice import batches, sales, why
from kopeck.backoffice.links import evidence_link
from kopeck.backoffice.shipments import ShipmentAdmin
from kopeck.orders.lines import OrderLine, OrderNote
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds import views as refund_views
from kopeck.refunds.models import Dispute, Refund
from kopeck.refunds.review import can_be_refunded
from kopeck.web.admin import ReadOnlyAdmin, ReadOnlyInline, money_column, order_link, sentence_column

__all__ = ["DisputeInline", "OrderAdmin", "PaymentAdmin", "RefundInline", "ShipmentAdmin"]


class OrderLineInline(ReadOnlyInline):
    model = OrderLine
    fields = readonly_fields = ["goods", "price", "quantity", "discount", "tax", "sum"]  # type: ignore[assignment]
    price = money_column("unit_price", gettext_lazy("unit price"))
    discount = money_column("discount_amount", gettext_lazy("discount"))
    tax = money_column("tax_amount", gettext_lazy("tax"))
    sum = money_column("total", gettext_lazy("total"))

    @admin.display(description=gettext_lazy("name"))
    def goods(self, line: OrderLine) -> str:
        """As it was called when it was ordered; it leads to the item as it is now."""
        if line.item_id is None:
            return line.name
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:catalog_item_change", args=[line.item_id]), line.name
        )


class RefundInline(ReadOnlyInline):
    model = Refund
    show_change_link = True
    fields = readonly_fields = [  # type: ignore[assignment]
        *("money", "status", "source", "requested_by"),
        *("reason", "problem_shown", "created"),
    ]
    money = money_column("amount", gettext_lazy("amount"))
    problem_shown = sentence_column("problem", gettext_lazy("problem"))


class DisputeInline(ReadOnlyInline):
    model = Dispute
    show_change_link = True
    fields = readonly_fields = ["money", "status", "reason_shown", "due_by", "opened", "closed"]  # type: ignore[assignment]
    money = money_column("amount", gettext_lazy("amount"))
    reason_shown = sentence_column("why", gettext_lazy("reason"), ordering="reason")


class NoteInline(ReadOnlyInline):
    model = OrderNote
    fields = readonly_fields = ["text_shown", "created"]  # type: ignore[assignment]
    text_shown = sentence_column("text", gettext_lazy("note"))


@admin.register(Order)
class OrderAdmin(sales.SaleColumns, ReadOnlyAdmin):
    list_display = ["number", "state", "what", "buyer", "money", "created", "paid_at"]
    list_filter = [sales.SalesFilter, "status", "currency", "created"]
    search_fields = [
        "=id",
        "^email",
        "^shipment__name",
        "^shipment__number",
        "=payments__stripe_id",
        "=payments__payment_intent",
        "=payments__charge",
        "=payments__card_last4",
        "=refunds__stripe_id",
        "=disputes__stripe_id",
    ]
    search_help_text = gettext_lazy(
        "A number, an id of Stripe’s, the last four digits of a card, or how an e-mail address, a name,"
        " an item or a tracking number begins."
    )
    actions = ["mark_sent", "refund_orders", "resend_receipts", "export_orders"]
    inlines = [OrderLineInline, RefundInline, DisputeInline, NoteInline]
    fields = readonly_fields = (  # type: ignore[assignment]
        "before off discount tax included money email created paid_at receipt".split()
    )
    view_on_site = True
    change_form_template = "admin/backoffice/order.html"
    before = money_column("subtotal", gettext_lazy("subtotal"))
    off = money_column("discount_total", gettext_lazy("discount amount"))
    tax = money_column("tax_total", gettext_lazy("tax"))
    included = money_column("tax_included", gettext_lazy("tax included in prices"))
    money = money_column("total", gettext_lazy("total"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What an order has nothing of is left out. Its state stands above them."""
        known: dict[str, Any] = {"discount": obj and obj.discount_id, "paid_at": obj and obj.paid_at}
        known |= {"off": obj and obj.discount_total, "tax": obj and obj.tax_total}
        known |= {"included": obj and obj.tax_included, "receipt": obj and obj.receipt}
        return [name for name in self.fields if known.get(name, True)]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        shown: Any = super().get_changelist_instance(request)
        shown.result_list = list(shown.result_list)
        sales.read_all(shown.result_list)
        return shown

    def search_also(self, words: str) -> list[int]:
        return sales.orders_with(words)

    @admin.action(description=gettext_lazy("Mark as sent"), permissions=["send"])
    def mark_sent(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        return batches.mark_sent(request, queryset)

    @admin.action(description=gettext_lazy("Refund"), permissions=["refund"])
    def refund_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        return batches.refund(request, queryset)

    @admin.action(description=gettext_lazy("Send the receipt again"), permissions=["mail"])
    def resend_receipts(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        batches.resend_receipt(request, queryset)

    @admin.action(description=gettext_lazy("Export as CSV"), permissions=["view"])
    def export_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> Any:
        return batches.export(request, queryset)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("orders.change_shipment")

    def has_refund_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("refunds.add_refund")

    def has_mail_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("mail.change_mail")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **more: Any) -> HttpResponse:
        order = context["original"]
        sales.read_all([order])
        context["state"], context["shipment"] = sales.state_of(order), sales.shipment_of(order)
        context["disputes"] = [
            (one, evidence_link(one)) for one in order.disputes.all() if one.closed is None
        ]
        return super().render_change_form(request, context, *args, **more)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        refund = path("<int:order_id>/refund/", view(refund_views.refund_order), name="orders_order_refund")
        reasons = path("<int:order_id>/why/", view(why.page), name="orders_order_why")
        return [refund, reasons, *super().get_urls()]

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


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ["stripe_id", order_link, "status", "money", "account", "attempt", "created", "paid_at"]
    list_filter = ["status", "account", "kind"]
    search_fields = ["=stripe_id", "=payment_intent", "=order__id"]
    exclude = ["lease_until", "fingerprint", "url", "inputs", "amount", "currency", "problem"]
    readonly_fields = ["money", "problem_shown"]
    money = money_column("amount", gettext_lazy("amount"))
    problem_shown = sentence_column("problem", gettext_lazy("problem"))
    change_form_template = "admin/backoffice/payment.html"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **more: Any) -> HttpResponse:
        context["can_be_refunded"] = can_be_refunded(context["original"])
        return super().render_change_form(request, context, *args, **more)

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<int:payment_id>/refund/",
            self.admin_site.admin_view(refund_views.refund_payment),
            name="payments_payment_refund",
        )
        return [page, *super().get_urls()]
