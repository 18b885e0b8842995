"""Why is this order in this state? Everything that is known of it on one page, and what happens next.

For the owner: the money, every payment with its link to Stripe, every event with its outcome. Two buttons ask
Stripe now, and process an event again.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from babel import Locale
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from kopeck.backoffice.links import dashboard_link
from kopeck.mail.models import Mail
from kopeck.money import format_money
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment, in_review
from kopeck.refunds import review
from kopeck.refunds.models import Dispute, Refund
from kopeck.sentences import shown
from kopeck.staff.history import record
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.typed import whole_number
from kopeck.web.context import money_locale
from kopeck.webhooks import intake
from kopeck.webhooks.models import StripeEvent

#: The newest events of an order that the page shows.
EVENTS = 200


def page(request: HttpRequest, order_id: int) -> HttpResponse:
    """GET the page; POST `action=ask` or `action=replay` with `event`."""
    order = get_object_or_404(Order, pk=order_id)
    if not _may_view(request, Order):
        raise PermissionDenied
    if request.method == "POST":
        try:
            is_replay = request.POST.get("action") == "replay"
            said = _replay(request, order) if is_replay else _ask(order)
            did = (gettext_noop("Asked Stripe."), gettext_noop("Processed an event again."))[is_replay]
            record(request, [order], did)
            messages.success(request, said)
        except (StripeUnavailable, StripeRefused) as trouble:
            said = _("Stripe did not answer as it should: %(trouble)s")
            messages.error(request, said % {"trouble": shown(str(trouble))})
        return HttpResponseRedirect(request.path)
    context = {
        **_parts(request, order),
        **admin.site.each_context(request),
        "opts": Order._meta,
        "title": _("Why is this order in this state?"),
        "original": order,
        "order": order,
        "lines": order.lines.all(),
        "order_taxes": order.taxes.all(),
        "notes": order.notes.all(),
        "next_step": next_step(order, money_locale(request)),
    }
    return render(request, "admin/backoffice/why.html", context)


def _parts(request: HttpRequest, order: Order) -> dict[str, Any]:
    """What else is known of the order; None in place of what this user may not view in the admin."""
    parts: dict[str, tuple[type[Model], Callable[[], Any]]] = {
        "payments": (
            Payment,
            lambda: [(one, dashboard_link(one), review.can_be_refunded(one)) for one in order.payments.all()],
        ),
        "refunds": (Refund, order.refunds.all),
        "disputes": (Dispute, order.disputes.all),
        "mails": (Mail, order.mails.all),
        "events": (StripeEvent, lambda: events_of(order)),
    }
    return {name: rows() if _may_view(request, model) else None for name, (model, rows) in parts.items()}


def _may_view(request: HttpRequest, model: type[Model]) -> bool:
    return admin.site.get_model_admin(model).has_view_permission(request)


def _replay(request: HttpRequest, order: Order) -> str:
    if not _may_view(request, StripeEvent):
        raise PermissionDenied
    number = whole_number(request.POST.get("event", ""), 18)
    for event in events_of(order):
        if event.pk == number:
            return shown(intake.replay(event).outcome)
    raise Http404


def _ask(order: Order) -> str:
    asked = [sync.refresh(payment) for payment in order.payments.exclude(stripe_id=None)]
    order.refresh_from_db()
    said = {"number": len(asked), "status": order.get_status_display()}
    return (
        ngettext(
            "Stripe was asked about %(number)s payment. The order is %(status)s.",
            "Stripe was asked about %(number)s payments. The order is %(status)s.",
            len(asked),
        )
        % said
    )


def events_of(order: Order) -> list[StripeEvent]:
    """The events of everything that the order has at Stripe, newest first."""
    ids = {id for payment in order.payments.all() for id in (payment.stripe_id, payment.payment_intent) if id}
    ids |= {refund.stripe_id for refund in order.refunds.all() if refund.stripe_id}
    ids |= {dispute.stripe_id for dispute in order.disputes.all() if dispute.stripe_id}
    return list(StripeEvent.objects.filter(object_id__in=ids)[:EVENTS])


def next_step(order: Order, locale: Locale) -> str:
    """What the shop does next, or who has to act. Amounts are written as the locale does."""
    payment, to_do = in_review(order).first(), []
    if payment is not None:
        by_itself = _("A payment needs review, and the shop refunds it automatically: %(problem)s")
        decide = _("A payment needs your review: %(problem)s")
        to_do = [(by_itself if review.is_surplus(payment) else decide) % {"problem": shown(payment.problem)}]
    # An answer that comes too late loses the dispute: it is never hidden behind "it was paid".
    undecided = order.disputes.filter(closed=None)
    to_do += [_about(dispute, locale) for dispute in undecided if dispute.is_to_do or not payment]
    return " ".join(to_do) or _calm(order)


def _calm(order: Order) -> str:
    """The same for an order without anything to decide."""
    live = order.payments.filter(status__in=Payment.LIVE).first()
    if order.status == Order.Status.PROCESSING:
        return _(
            "The bank is processing the payment. Its answer comes as an event. "
            "The worker also asks Stripe every five minutes."
        )
    if order.status == Order.Status.CANCELLED:
        return _("There is nothing to do. Everything was taken out of the order.")
    if order.status in Order.WAS_PAID:
        return _("There is nothing to do. The order was paid. Refunds and disputes will appear here.")
    if live is not None and not live.stripe_id:
        return _(
            "The shop is creating a payment at Stripe. The buyer's next try repeats what was interrupted."
        )
    if live is not None:
        until = {"time": _when(live.expires_at)}
        return _("The buyer can pay until %(time)s. Then the payment and the order expire.") % until
    return _("The shop waits for the buyer. No payment is open. The order's link lets them pay.")


def _about(dispute: Dispute, locale: Locale) -> str:
    """Who has to act in a dispute that is not decided, and until when."""
    said = {"amount": format_money(dispute.amount, dispute.currency, locale)}
    if not dispute.is_to_do:
        return _("The buyer's bank is deciding about the dispute of %(amount)s.") % said
    if dispute.status == Dispute.Status.WARNING_NEEDS_RESPONSE:
        asked = _("The buyer's bank asks about %(amount)s.") % said
    else:
        asked = _("The buyer's bank disputes %(amount)s.") % said
    if dispute.due_by is None:
        return asked + " " + _("Answer it at Stripe.")
    return asked + " " + _("Answer it at Stripe by %(time)s.") % {"time": _when(dispute.due_by)}


def _when(time: datetime) -> str:
    """By the shop's clock, as the rest of the page."""
    return date_format(localtime(time), "DATETIME_FORMAT")
