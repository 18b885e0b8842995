"""What is to be sent, and a form that says that it was: the buyer then gets one mail."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kopeck.mail.jobs import owe_sent
from kopeck.orders.models import Order, locked
from kopeck.orders.shipment import Shipment
from kopeck.payments.models import Payment
from kopeck.web.admin import order_link
from kopeck.web.fields import NoteField


class ShipmentForm(forms.ModelForm[Shipment]):
    sent = forms.BooleanField(
        label=_("Sent"), required=False, help_text=_("Mails the buyer once, with carrier, number and link.")
    )
    link = forms.URLField(label=_("Tracking link"), required=False, max_length=500, assume_scheme="https")

    class Meta:
        model = Shipment
        fields = ["carrier", "number", "link"]
        field_classes = {"carrier": NoteField, "number": NoteField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.sent_at and "sent" in self.fields:
            self.fields["sent"].initial = self.fields["sent"].disabled = True

    def clean_sent(self) -> bool:
        is_sent = bool(self.cleaned_data["sent"])
        # Locked until the form is saved: no refund gets in between.
        if is_sent and not self.instance.sent_at and not _may_be_sent(locked(self.instance.order_id)):
            raise forms.ValidationError(gettext("This order is not paid (any more): send nothing."))
        return is_sent


def _may_be_sent(order: Order) -> bool:
    return order.status in (Order.Status.PAID, Order.Status.PARTLY_REFUNDED) and not order.sold_out


@admin.register(Shipment)
class ShipmentAdmin(admin.ModelAdmin[Shipment]):
    form = ShipmentForm
    list_display = ["__str__", order_link, "created", "sent_at", "carrier", "number"]
    list_filter = [("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["order"]
    search_fields = ["=order__id", "=number"]
    fields = ["where", "carrier", "number", "link", "sent", "sent_at"]
    readonly_fields = ["where", "sent_at"]

    @admin.display(description=_("address"))
    def where(self, shipment: Shipment) -> str:
        return "\n".join(shipment.shown) or "-"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Shipment, form: Any, change: bool) -> None:
        is_news = form.cleaned_data["sent"] and obj.sent_at is None
        if is_news:
            obj.sent_at = timezone.now()
        super().save_model(request, obj, form, change)
        if is_news:
            payment = Payment.objects.get(order=obj.order_id, status=Payment.Status.PAID)
            obj.order.note(f"{request.user.get_username()} marked it as sent.")
            owe_sent(payment)
