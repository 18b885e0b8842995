"""The mails that went out, or did not, and a button for those that did not."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext

from kopeck.mail.jobs import send
from kopeck.mail.models import Mail
from kopeck.staff.history import record
from kopeck.web.admin import ReadOnlyAdmin, order_link


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    list_display = ["__str__", order_link, "to", "status", "created", "sent_at", "tries", "problem"]
    list_filter = ["status", "kind", "created"]
    search_fields = ["=order__id", "^to"]
    ordering = ["-pk"]
    exclude = ["html", "payment", "text"]
    readonly_fields = ["letter"]
    actions = ["send_again"]

    @admin.display(description=_("text"))
    def letter(self, mail: Mail) -> str:
        return mail.shown_text

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("mail.change_mail")

    @admin.action(description=_("Send again what failed"), permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Mail]) -> None:
        """Only what was not sent: a buyer gets no mail twice."""
        unsent = [Mail.Status.FAILED, Mail.Status.NO_ADDRESS]
        again: dict[str, Any] = {"status": Mail.Status.WAITING, "due_at": timezone.now(), "tries": 0}
        count = 0
        for mail in queryset:
            with transaction.atomic():
                if Mail.objects.filter(pk=mail.pk, status__in=unsent).update(**again):
                    send.defer(mail_id=mail.pk)
                    record(request, [mail], gettext_noop("Sent again."))
                    count += 1
        said = ngettext("%(n)s mail is sent again.", "%(n)s mails are sent again.", count)
        self.message_user(request, said % {"n": count})
