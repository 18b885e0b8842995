"""Refunds and disputes in the admin: what was refunded, and what the seller has to answer by when."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kopeck.refunds.models import Dispute, Refund
from kopeck.web.admin import ReadOnlyAdmin, RowsFilter, money_column, order_link, sentence_column


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = [
        *("__str__", order_link, "money", "status", "source"),
        *("requested_by", "problem_shown", "created"),
    ]
    list_filter = ["status", "source", "account", "created"]
    search_fields = ["=stripe_id", "=order__id", "=payment__payment_intent", "^requested_by"]
    ordering = ["-pk"]
    exclude = ["inputs", "allocation", "problem"]
    readonly_fields = ["money", "problem_shown"]
    money = money_column("amount", _("amount"))
    problem_shown = sentence_column("problem", _("problem"))


class DisputesFilter(RowsFilter):
    """What waits for the seller, unless something else is chosen."""

    title, parameter_name = _("what"), "what"
    first = (_("To do, by deadline"), Q(status__in=Dispute.TO_DO))
    ways: ClassVar = {
        "open": (_("Open"), Q(closed=None)),
        "closed": (_("Closed"), ~Q(closed=None)),
        "all": (_("All"), Q()),
    }


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = [
        "due_by",
        "__str__",
        order_link,
        "money",
        "reason_shown",
        "status",
        "account",
        "opened",
        "closed",
    ]
    list_display_links = ["__str__"]
    list_filter = [DisputesFilter, "status", "account"]
    search_fields = ["=stripe_id", "=order__id", "=payment__payment_intent"]
    ordering = ["due_by", "pk"]
    exclude = ["reason"]
    readonly_fields = ["money", "reason_shown"]
    money = money_column("amount", _("amount"))
    reason_shown = sentence_column("why", _("reason"), ordering="reason")
