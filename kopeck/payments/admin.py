"""What Stripe said, to be read: payments and events."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kopeck.payments.models import Payment, StripeEvent


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Facts are looked at, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = [
        "stripe_id",
        "order",
        "status",
        "amount",
        "currency",
        "account",
        "attempt",
        "created",
        "paid_at",
    ]
    list_filter = ["status", "account", "kind"]
    list_select_related = ["order"]
    search_fields = ["=stripe_id", "=payment_intent", "=order__id"]
    exclude = ["lease_until", "fingerprint", "url", "inputs"]


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    list_display = ["event_id", "type", "object_id", "status", "outcome", "account", "received"]
    list_filter = ["status", "account", "type"]
    search_fields = ["=event_id", "=object_id"]
