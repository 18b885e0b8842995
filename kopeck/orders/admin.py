"""Orders are read here; what changes them is what buyers and Stripe do."""

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from kopeck.money import format_money
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.web import money_locale


class OrderLineInline(admin.TabularInline[OrderLine, Order]):
    model = OrderLine
    extra = 0
    can_delete = False
    fields = [
        "item",
        "name",
        "unit_price",
        "quantity",
        "discount_amount",
        "tax_amount",
        "total",
    ]

    def has_add_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin[Order]):
    list_display = ["id", "status", "total_shown", "email", "created", "paid_at"]
    list_filter = ["status", "currency", "created"]
    search_fields = ["=id", "email", "=payments__stripe_id", "=payments__payment_intent"]
    inlines = [OrderLineInline]
    exclude = ["visitor", "key"]
    view_on_site = True

    @admin.display(description=_("total"), ordering="total")
    def total_shown(self, order: Order) -> str:
        return format_money(order.total, order.currency, money_locale(None))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False
