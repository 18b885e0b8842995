"""Stripe's events, to be read and processed again."""

import json
from typing import ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from kopeck.staff.history import record
from kopeck.telemetry.redaction import scrub
from kopeck.web.admin import ReadOnlyAdmin, RowsFilter, sentence_column
from kopeck.webhooks import intake
from kopeck.webhooks.models import StripeEvent


class EventsFilter(RowsFilter):
    """Events that are not processed."""

    title, parameter_name = gettext_lazy("to do"), "to_do"
    ways: ClassVar = {
        "failed": (gettext_lazy("Failed"), Q(status=StripeEvent.Status.FAILED)),
        "waiting": (gettext_lazy("Not processed yet"), Q(status__in=StripeEvent.UNSETTLED)),
    }


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    list_display = [
        *("event_id", "type", "object_id", "status"),
        *("outcome_shown", "attempts", "account", "received"),
    ]
    list_filter = [EventsFilter, "status", "account", "type"]
    search_fields = ["=event_id", "=object_id"]
    exclude = ["payload", "traceback", "outcome"]
    readonly_fields = ["outcome_shown", "trace", "body"]
    outcome_shown = sentence_column("outcome", gettext_lazy("outcome"))
    actions = ["replay"]
    change_form_template = "admin/webhooks/event.html"

    @admin.display(description=gettext_lazy("traceback"))
    def trace(self, event: StripeEvent) -> str:
        return format_html("<pre>{}</pre>", event.traceback) if event.traceback else "-"

    @admin.display(description=gettext_lazy("payload"))
    def body(self, event: StripeEvent) -> str:
        if event.payload is None:
            return _("Not kept: it is older than a month, and was processed.")
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, ensure_ascii=False))

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<int:event_id>/replay/",
            self.admin_site.admin_view(self.replay_one),
            name="webhooks_stripeevent_replay",
        )
        return [address, *super().get_urls()]

    def replay_one(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """POST processes the event again, whatever became of it before; all else leads to the event."""
        event = StripeEvent.objects.filter(pk=event_id).first()
        if event is None:
            raise Http404
        if not self.has_view_permission(request, event):
            raise PermissionDenied
        if request.method == "POST":
            self.replay(request, StripeEvent.objects.filter(pk=event_id))
        return HttpResponseRedirect(reverse("admin:webhooks_stripeevent_change", args=[event_id]))

    @admin.action(description=gettext_lazy("Process again"), permissions=["view"])
    def replay(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> None:
        """Only makes the shop look at Stripe: all who may read events may ask for it."""
        done = 0
        events = list(queryset)
        record(request, events, gettext_noop("Processed again."))
        for event in events:
            try:
                intake.replay(event)
                done += 1
            except Exception as error:
                # Its traceback is on its page by now.
                failed = _("%(event)s failed again: %(error)s")
                said = scrub(f"{type(error).__name__}: {error}")
                self.message_user(request, failed % {"event": event, "error": said}, messages.ERROR)
        if done:
            said = ngettext("%d event was processed.", "%d events were processed.", done) % done
            self.message_user(request, said, messages.SUCCESS)
