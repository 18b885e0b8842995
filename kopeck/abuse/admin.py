"""Declined cards and card testing attacks in the admin, to be read."""

from django.contrib import admin

from kopeck.abuse.models import Attack, Decline
from kopeck.web.admin import ReadOnlyAdmin


@admin.register(Attack)
class AttackAdmin(ReadOnlyAdmin):
    list_display = ["began", "until", "ended", "declines", "paid"]


@admin.register(Decline)
class DeclineAdmin(ReadOnlyAdmin):
    list_display = ["created", "order", "code", "address", "account", "stripe_id"]
    list_filter = ["created", "code", "account"]
    list_select_related = ["order"]
    search_fields = ["=order__id", "=address", "=stripe_id"]
    exclude = ["visitor"]
