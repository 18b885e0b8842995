"""Who is told what, and what became of it; what was told can be sent again."""

import json
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminURLFieldWidget
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext

from kopeck.outgoing.jobs import send
from kopeck.outgoing.models import Delivery, Endpoint, Event
from kopeck.staff.history import Recorded, record
from kopeck.web.admin import ReadOnlyAdmin, RowsFilter, SecretShownOnce, order_link, sentence_column
from kopeck.web.fields import NoteField


def _named_events() -> list[tuple[str, str]]:
    return [(event.value, f"{event.value} – {event.label}") for event in Event]


class EndpointForm(forms.ModelForm[Endpoint]):
    url = forms.URLField(
        label=_("Address"),
        max_length=500,
        assume_scheme="https",
        widget=AdminURLFieldWidget,
        help_text=_("It gets a POST for each event, and answers 2xx within ten seconds."),
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=_named_events,  # asked at each form, in its language
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Endpoint
        fields = ["url", "description", "events", "enabled"]
        field_classes = {"description": NoteField}


@admin.register(Endpoint)
class EndpointAdmin(Recorded, SecretShownOnce):
    form = EndpointForm
    list_display = ["url", "description", "told", "enabled", "created"]
    fields = ["url", "description", "events", "enabled"]
    actions = ["renew"]
    secret_title = _("The secret of the endpoint")
    secret_help = _(
        "Give it to the program at the endpoint now: it is not shown again. With it any library for Standard "
        "Webhooks checks that a webhook comes from this shop."
    )

    @admin.display(description=_("events"))
    def told(self, endpoint: Endpoint) -> str:
        return ", ".join(endpoint.events)

    @admin.action(description=_("Give a new secret"), permissions=["change"])
    def renew(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse | None:
        """For a secret that was lost or has leaked: what is sent from now on is signed with the new one."""
        if len(chosen := list(queryset[:2])) != 1:
            self.message_user(request, _("Choose one endpoint."), messages.ERROR)
            return None
        (endpoint,) = chosen
        endpoint.secret_once = endpoint.give_secret()  # type: ignore[attr-defined]
        endpoint.save(update_fields=["secret"])
        record(request, [endpoint], gettext_noop("Gave a new secret."))
        return self.show_secret(request, endpoint)


class UnsentFilter(RowsFilter):
    """What was not delivered."""

    title, parameter_name = _("to do"), "to_do"
    ways: ClassVar = {
        "failed": (_("Failed"), Q(status=Delivery.Status.FAILED)),
        "waiting": (_("Waiting"), Q(status=Delivery.Status.WAITING)),
    }


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["__str__", order_link, "endpoint", "status", "answered", "tries", "created", "due_at"]
    list_select_related = ["endpoint"]
    list_filter = [UnsentFilter, "type"]
    search_fields = ["=order__id", "=message_id"]
    ordering = ["-pk"]
    exclude = ["body", "problem"]
    readonly_fields = ["problem_shown", "shown_body"]
    problem_shown = sentence_column("problem", _("problem"))
    actions = ["send_again"]

    @admin.display(description=_("body"))
    def shown_body(self, delivery: Delivery) -> str:
        return format_html("<pre>{}</pre>", json.dumps(json.loads(delivery.body), indent=2))

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("outgoing.change_delivery")

    @admin.action(description=_("Send again"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Whatever became of it: the program at the endpoint knows a message by its id."""
        again: dict[str, Any] = {"status": Delivery.Status.WAITING, "due_at": timezone.now(), "tries": 0}
        count = 0
        for delivery in queryset.defer("body"):
            with transaction.atomic():
                settled = Delivery.objects.filter(pk=delivery.pk, lease_until=None)
                if settled.update(**again, sent_at=None, problem="", answered=None):
                    send.defer(delivery_id=delivery.pk)
                    record(request, [delivery], gettext_noop("Sent again."))
                    count += 1
        said = ngettext("%(n)s webhook is sent again.", "%(n)s webhooks are sent again.", count)
        self.message_user(request, said % {"n": count})
