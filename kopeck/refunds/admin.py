"""Refunds and disputes in the admin: everything that went back, and what the seller has to answer by when."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from kopeck.refunds.models import Dispute, Refund
from kopeck.web.admin import ReadOnlyAdmin, money_column


@admin.display(description=_("order"), ordering="order")
def order_link(row: Refund | Dispute) -> str:
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:orders_order_change", args=[row.order_id]), row.order_id
    )


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ["__str__", order_link, "money", "status", "source", "requested_by", "problem", "created"]
    list_filter = ["status", "source", "account", "created"]
    search_fields = ["=stripe_id", "=order__id", "=payment__payment_intent", "requested_by"]
    list_select_related = ["order"]
    ordering = ["-pk"]
    exclude = ["inputs", "parts"]
    readonly_fields = ["money"]
    money = money_column("amount", _("amount"))


class ToDo(admin.SimpleListFilter):
    """What waits for the seller, unless something else is asked for."""

    title = _("what")
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", _("Open")), ("closed", _("Closed")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("To do, by deadline")}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "open":
                return queryset.filter(closed=None)
            case "closed":
                return queryset.exclude(closed=None)
            case "all":
                return queryset
        return queryset.filter(status__in=Dispute.TO_DO)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = [
        "due_by",
        "__str__",
        order_link,
        "money",
        "reason",
        "status",
        "account",
        "opened",
        "closed",
    ]
    list_display_links = ["__str__"]
    list_filter = [ToDo, "status", "account"]
    search_fields = ["=stripe_id", "=order__id", "=payment__payment_intent"]
    ordering = ["due_by", "pk"]
    readonly_fields = ["money"]
    money = money_column("amount", _("amount"))
