"""Discrepancies between Stripe and the shop, and the comparisons that found them: to be read."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from kopeck.reconcile.models import Discrepancy, Run
from kopeck.web.admin import ReadOnlyAdmin


class There(admin.SimpleListFilter):
    """Those that are still there, unless something else is asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("gone", _("Gone")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Any:
        first, *rest = super().choices(changelist)
        yield {**first, "display": _("Left")}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "gone":
                return queryset.exclude(gone=None)
            case "all":
                return queryset
        return queryset.filter(gone=None)


@admin.register(Discrepancy)
class DiscrepancyAdmin(ReadOnlyAdmin):
    list_display = ["code", "said", "its_order", "account", "first_seen", "last_seen", "gone"]
    list_filter = [There, "code", "account"]
    search_fields = ["=object_id", "=order__id"]

    @admin.display(description=_("order"), ordering="order")
    def its_order(self, discrepancy: Discrepancy) -> str:
        if discrepancy.order_id is None:
            return "-"
        link = reverse("admin:orders_order_why", args=[discrepancy.order_id])
        return format_html('<a href="{}">{}</a>', link, discrepancy.order_id)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_filter = ["account", "kind"]
    list_display = ["account", "kind", "started", "ended", "checked", "repaired", "left", "trouble"]
