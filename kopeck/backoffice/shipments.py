"""What is to be sent, and a form that says that it was: the buyer then gets one mail."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from kopeck.orders.models import locked
from kopeck.orders.shipment import Shipment, may_be_sent
from kopeck.staff.history import record
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
        if is_sent and not self.instance.sent_at:
            # Locked until the form is saved: no refund gets in between, and no second press at this moment.
            order = locked(self.instance.order_id)
            self.instance.refresh_from_db(fields=["sent_at"])
            if self.instance.sent_at:
                raise forms.ValidationError(gettext("This order was marked as sent before."))
            if not may_be_sent(order):
                raise forms.ValidationError(gettext("This order is not paid (any more): send nothing."))
        return is_sent


@admin.register(Shipment)
class ShipmentAdmin(admin.ModelAdmin[Shipment]):
    form = ShipmentForm
    list_display = ["__str__", order_link, "created", "sent_at", "carrier", "number"]
    list_filter = [("sent_at", admin.EmptyFieldListFilter)]
    list_select_related = ["order"]
    search_fields = ["=order__id", "^number", "^name"]
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
        if form.cleaned_data["sent"] and obj.sent_at is None:
            obj.mark_sent(by=request.user.get_username())
            record(request, [obj.order], gettext_noop("Marked as sent."))
        elif changed := set(form.changed_data) & {*ShipmentForm.Meta.fields}:
            obj.save(update_fields=changed)
