"""Discrepancies between Stripe and the shop, and the comparisons that found them: to be read."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from kopeck.reconcile.models import Code, Discrepancy, Run
from kopeck.web.admin import ReadOnlyAdmin, sentence_column

#: What is compared, as Stripe and the admin call it.
KINDS = {
    "session": "Checkout Session",
    "intent": "Payment Intent",
    "refund": _("refund"),
    "dispute": _("dispute"),
    "event": _("event"),
    "order": _("order"),
    "coupon": _("coupon"),
    "tax_rate": _("tax rate"),
}


class Named(admin.AllValuesFieldListFilter):
    """Its choices are words for programs, and their names are read."""

    names: ClassVar[dict[str, Any]]

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            yield {**choice, "display": self.names.get(str(choice["display"]), choice["display"])}


class ByCode(Named):
    names: ClassVar[dict[str, Any]] = dict(Code.choices)


class ByKind(Named):
    names: ClassVar[dict[str, Any]] = KINDS


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
    list_display = ["its_name", "said_shown", "its_order", "account", "first_seen", "last_seen", "gone"]
    list_filter = [There, ("code", ByCode), "account"]
    search_fields = ["=object_id", "=order__id"]
    fields = readonly_fields = [  # type: ignore[assignment]
        *("its_name", "said_shown", "its_order", "its_kind", "object_id", "account"),
        *("first_seen", "last_seen", "gone"),
    ]
    said_shown = sentence_column("said", _("what is different"))

    @admin.display(description=_("what"), ordering="code")
    def its_name(self, discrepancy: Discrepancy) -> str:
        return discrepancy.what

    @admin.display(description=_("kind"))
    def its_kind(self, discrepancy: Discrepancy) -> str:
        return _named(discrepancy)

    @admin.display(description=_("order"), ordering="order")
    def its_order(self, discrepancy: Discrepancy) -> str:
        if discrepancy.order_id is None:
            return "-"
        link = reverse("admin:orders_order_why", args=[discrepancy.order_id])
        return format_html('<a href="{}">{}</a>', link, discrepancy.order_id)


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_filter = ["account", ("kind", ByKind)]
    list_display = ["account", "its_kind", "started", "ended", "checked", "repaired", "left", "trouble_shown"]
    fields = readonly_fields = [  # type: ignore[assignment]
        *("account", "its_kind", "started", "ended", "up_to", "checked", "repaired", "left", "trouble_shown"),
    ]
    trouble_shown = sentence_column("trouble", _("trouble"))

    @admin.display(description=_("kind"), ordering="kind")
    def its_kind(self, run: Run) -> str:
        return _named(run)


def _named(row: Discrepancy | Run) -> str:
    """The name of its kind."""
    return str(KINDS.get(row.kind, row.kind))
