"""Why is this order in this state? Everything that is known of it on one page, and what happens next.

For the owner: the money, every object at Stripe with its link, every attempt and event with its outcome, and
two buttons: ask Stripe now, and work an event off again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _

from kopeck.orders.models import Order
from kopeck.payments import inbox, sync
from kopeck.payments.gateway import StripeRefused, StripeUnavailable
from kopeck.payments.models import Payment, StripeEvent

if TYPE_CHECKING:
    from django.contrib import admin

#: The newest events of an order that the page shows.
EVENTS = 200


def view(model_admin: "admin.ModelAdmin[Any]") -> Callable[[HttpRequest, int], HttpResponse]:
    """GET the page; POST `action=ask` or `action=replay` with `event`."""

    def page(request: HttpRequest, order_id: int) -> HttpResponse:
        order = Order.objects.filter(pk=order_id).first()
        if order is None:
            raise Http404
        if not model_admin.has_view_permission(request, order):
            raise PermissionDenied
        if request.method == "POST":
            _act(request, order)
            return HttpResponseRedirect(request.path)
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.model._meta,
            "title": _("Why is this order in this state?"),
            "order": order,
            "lines": order.lines.all(),
            "order_taxes": order.taxes.all(),
            "payments": [(payment, dashboard_link(payment)) for payment in order.payments.all()],
            "refunds": order.refunds.all(),
            "disputes": order.disputes.all(),
            "mails": order.mails.all(),
            "events": events_of(order),
            "notes": order.notes.all(),
            "next_step": next_step(order),
        }
        return render(request, "admin/payments/why.html", context)

    return page


def _act(request: HttpRequest, order: Order) -> None:
    try:
        if request.POST.get("action") == "replay":
            number = request.POST.get("event", "")
            known = {event.pk: event for event in events_of(order)}
            event = (
                known.get(int(number)) if number.isascii() and number.isdigit() and len(number) < 19 else None
            )
            if event is None:
                raise Http404
            messages.success(request, replay(event).outcome)
            return
        asked = [sync.refresh(payment) for payment in order.payments.exclude(stripe_id=None)]
        order.refresh_from_db()
        said = {"number": len(asked), "status": order.get_status_display()}
        messages.success(
            request, _("Stripe was asked about %(number)s payments. The order is %(status)s.") % said
        )
    except (StripeUnavailable, StripeRefused) as trouble:
        messages.error(request, _("Stripe did not answer as it should: %(trouble)s") % {"trouble": trouble})


def replay(event: StripeEvent) -> StripeEvent:
    """Works the event off again, whatever became of it before: it only makes the shop look at Stripe."""
    event.status = StripeEvent.Status.RECEIVED
    event.save(update_fields=["status"])
    return inbox.work_off(event)


def events_of(order: Order) -> list[StripeEvent]:
    """The events of everything that the order has at Stripe, newest first."""
    ids = {id for payment in order.payments.all() for id in (payment.stripe_id, payment.payment_intent) if id}
    ids |= {refund.stripe_id for refund in order.refunds.all() if refund.stripe_id}
    ids |= {dispute.stripe_id for dispute in order.disputes.all() if dispute.stripe_id}
    return list(StripeEvent.objects.filter(object_id__in=ids)[:EVENTS])


def dashboard_link(payment: Payment) -> str:
    """Where the payment is seen at Stripe, or in the sandbox; "" for one that Stripe never made."""
    if not payment.stripe_id:
        return ""
    if settings.STRIPE_SANDBOX:
        return f"{settings.SANDBOX_URL}/"
    account = settings.STRIPE_ACCOUNTS.get(payment.account)
    mode = "" if account is None or account.livemode else "test/"
    page = f"payments/{payment.payment_intent}" if payment.payment_intent else "payments"
    return f"https://dashboard.stripe.com/{mode}{page}"


def next_step(order: Order) -> str:
    """What the shop does next by itself, or whose turn it is."""
    live = order.payments.filter(status__in=Payment.LIVE).first()
    held = order.payments.filter(status=Payment.Status.HELD).first()
    if held is not None:
        return _("A payment is held: %(problem)s") % {"problem": held.problem}
    if order.status == Order.Status.PROCESSING:
        return _(
            "The bank is at work. Its answer comes as an event; the worker asks every five minutes besides."
        )
    if order.status == Order.Status.CANCELLED:
        return _("Nothing: the buyer took everything out.")
    if order.status in Order.WAS_PAID:
        return _("Nothing: it was paid. Refunds and disputes are added here as Stripe tells of them.")
    if live is not None and not live.stripe_id:
        return _("Stripe is being asked for a way to pay. If that broke off, the buyer's next try finds it.")
    if live is not None:
        return _(
            "The buyer can pay until %(time)s (UTC); then the worker closes it and the order expires."
        ) % {"time": f"{live.expires_at:%Y-%m-%d %H:%M}"}
    return _("The buyer's turn: nothing can be paid now, and the order's link lets them start again.")
