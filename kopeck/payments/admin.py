"""What Stripe said, to be read: payments and events; a held payment is given back here, an event replayed."""

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from kopeck.errors import ShopError
from kopeck.money import format_money, in_words
from kopeck.payments import held, refunds, why
from kopeck.payments.gateway import StripeRefused, StripeUnavailable
from kopeck.payments.models import Payment, StripeEvent
from kopeck.redaction import scrub
from kopeck.web import money_locale


def money_column(name: str, title: Any) -> Callable[[Any, Any], str]:
    """A column that writes a minor-unit field as people do, in the currency of the row or of its order."""

    def shown(self: Any, row: Any) -> str:
        currency = row.currency if hasattr(row, "currency") else row.order.currency
        return format_money(getattr(row, name), currency, money_locale(None))

    return admin.display(description=title, ordering=name)(shown)


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
        "money",
        "account",
        "attempt",
        "created",
        "paid_at",
    ]
    list_filter = ["status", "account", "kind"]
    list_select_related = ["order"]
    search_fields = ["=stripe_id", "=payment_intent", "=order__id"]
    exclude = ["lease_until", "fingerprint", "url", "inputs", "amount", "currency"]
    readonly_fields = ["money"]
    money = money_column("amount", gettext_lazy("amount"))
    change_form_template = "admin/payments/payment.html"

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<int:payment_id>/give-back/",
            self.admin_site.admin_view(self.give_back),
            name="payments_payment_give_back",
        )
        return [page, *super().get_urls()]

    def give_back(self, request: HttpRequest, payment_id: int) -> HttpResponse:
        """GET: how much Stripe holds of a held payment; POST gives all of it back to the buyer."""
        payment = Payment.objects.select_related("order").filter(pk=payment_id).first()
        if payment is None:
            raise Http404
        if not request.user.has_perm("payments.add_refund"):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:payments_payment_change", args=[payment.pk]))
        try:
            if request.method == "POST":
                refund = held.give_back(payment.pk, by=request.user.get_username())
                said = _("%(money)s go back to the buyer.") % {
                    "money": in_words(refund.amount, refund.currency)
                }
                messages.success(request, said)
                return back
            left, currency = held.left_at_stripe(payment)
        except ShopError as refusal:
            messages.error(request, refusal.message)
            return back
        except StripeRefused as refusal:
            messages.error(request, refunds.explain(refusal))
            return back
        except StripeUnavailable as trouble:
            said = _("Stripe does not answer. What was asked for is gone on with: %(trouble)s")
            messages.error(request, said % {"trouble": trouble})
            return back
        if not left or payment.status != Payment.Status.HELD:
            messages.info(request, _("There is nothing to give back."))
            return back
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Give a held payment back"),
            "payment": payment,
            "left": left,
            "left_currency": currency,
        }
        return TemplateResponse(request, "admin/payments/give_back.html", context)


class ToDo(admin.SimpleListFilter):
    """Events that are not worked off."""

    title = gettext_lazy("to do")
    parameter_name = "to_do"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("failed", _("Failed")), ("waiting", _("Not worked off yet"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "failed":
                return queryset.filter(status=StripeEvent.Status.FAILED)
            case "waiting":
                return queryset.exclude(status__in=StripeEvent.SETTLED)
        return queryset


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    list_display = ["event_id", "type", "object_id", "status", "outcome", "attempts", "account", "received"]
    list_filter = [ToDo, "status", "account", "type"]
    search_fields = ["=event_id", "=object_id"]
    exclude = ["payload", "traceback"]
    readonly_fields = ["trace", "body"]
    actions = ["replay"]
    change_form_template = "admin/payments/event.html"

    @admin.display(description=gettext_lazy("traceback"))
    def trace(self, event: StripeEvent) -> str:
        return format_html("<pre>{}</pre>", event.traceback) if event.traceback else "-"

    @admin.display(description=gettext_lazy("payload"))
    def body(self, event: StripeEvent) -> str:
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, ensure_ascii=False))

    def get_urls(self) -> list[URLPattern]:
        address = path(
            "<int:event_id>/replay/",
            self.admin_site.admin_view(self.replay_one),
            name="payments_stripeevent_replay",
        )
        return [address, *super().get_urls()]

    def replay_one(self, request: HttpRequest, event_id: int) -> HttpResponse:
        """POST works the event off again, whatever became of it before; all else leads to the event."""
        event = StripeEvent.objects.filter(pk=event_id).first()
        if event is None:
            raise Http404
        if not self.has_view_permission(request, event):
            raise PermissionDenied
        if request.method == "POST":
            self.replay(request, StripeEvent.objects.filter(pk=event_id))
        return HttpResponseRedirect(reverse("admin:payments_stripeevent_change", args=[event_id]))

    @admin.action(description=gettext_lazy("Work off again"), permissions=["view"])
    def replay(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> None:
        """Only makes the shop look at Stripe: whoever may read events may ask for it."""
        done = 0
        for event in queryset:
            try:
                why.replay(event)
                done += 1
            except Exception as error:
                # Its traceback is on its page by now.
                failed = _("%(event)s failed again: %(error)s")
                said = scrub(f"{type(error).__name__}: {error}")
                self.message_user(request, failed % {"event": event, "error": said}, messages.ERROR)
        if done:
            said = ngettext("%d event was worked off.", "%d events were worked off.", done) % done
            self.message_user(request, said, messages.SUCCESS)
