"""The owner's view of coupons and tax rates at Stripe: what is there, what failed and why."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext

from kopeck.mirror.jobs import sync
from kopeck.mirror.models import StripeMirror
from kopeck.staff.history import record
from kopeck.web.admin import ReadOnlyAdmin, sentence_column


class Trouble(admin.SimpleListFilter):
    title = _("failed")
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.exclude(problem="")
            case "no":
                return queryset.filter(problem="")
        return queryset


@admin.register(StripeMirror)
class StripeMirrorAdmin(ReadOnlyAdmin):
    list_display = ["what", "account", "stripe_id", "status", "problem_shown", "tries", "updated"]
    list_display_links = ["stripe_id"]
    list_filter = [Trouble, "kind", "account", "status"]
    search_fields = ["=stripe_id", "=object_id"]
    exclude = ["lease_until", "problem"]
    readonly_fields = ["problem_shown"]
    actions = ["try_again"]
    problem_shown = sentence_column("problem", _("problem"))

    @admin.display(description=_("discount or tax"), ordering="object_id")
    def what(self, row: StripeMirror) -> str:
        model = "discount" if row.kind == StripeMirror.Kind.COUPON else "tax"
        name = row.details.get("name") or row.details.get("display_name") or ""
        rate = row.facts.get("percent_off") or row.facts.get("percentage")
        shown = f"{name} {rate} %" if name and rate else name or f"{model} {row.object_id}"
        link = reverse(f"admin:catalog_{model}_change", args=[row.object_id])
        return format_html('<a href="{}">{}</a>', link, shown)

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.change_discount") or request.user.has_perm("catalog.change_tax")

    @admin.action(description=_("Try again at Stripe"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[StripeMirror]) -> None:
        for row in queryset:
            sync.defer(account_name=row.account, kind=row.kind, object_id=row.object_id)
        record(request, queryset, gettext_noop("Tried again at Stripe."))
        done = ngettext("%d object is tried again.", "%d objects are tried again.", len(queryset))
        self.message_user(request, done % len(queryset), messages.SUCCESS)
