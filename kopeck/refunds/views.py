"""The owner's two refund pages: of a paid order, in parts, and of a payment that needs review, whole.

Pressed twice, a form refunds once. Where somebody was faster, or the fields were changed since the preview,
nothing is refunded before it was looked at again.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from kopeck.errors import ShopError
from kopeck.money import format_money, in_words
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds import request as refunds
from kopeck.refunds import review
from kopeck.refunds.forms import RefundForm
from kopeck.refunds.models import Refund
from kopeck.sentences import shown
from kopeck.staff.history import record
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.web.context import money_locale

may_refund = permission_required("refunds.add_refund", raise_exception=True)
#: Refusals of a form that can't be sent again as it is.
NEW_FORM = ("refund_changed", "refund_form_used")


@may_refund
def refund_order(request: HttpRequest, order_id: int) -> HttpResponse:
    """GET the form; POST `action=preview` shows what it comes to; `action=refund` refunds what was shown."""
    order = get_object_or_404(Order, pk=order_id)
    back = redirect("admin:orders_order_change", order_id)
    try:
        left = refunds.left_of(order)
    except ShopError as refusal:
        messages.error(request, refusal.message)
        return back
    form = RefundForm(left, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _order_page(request, order, form)
    facts = form.cleaned_data
    if Refund.objects.filter(key=facts["key"], order=order).exists():
        return back  # the second press of the same button
    try:
        wish = form.wish()
        plan = refunds.plan(left, wish)
        if request.POST.get("action") != "refund" or request.POST.get("previewed") != str(plan.amount):
            return _order_page(request, order, form, plan)
        words = {name: facts[name] for name in ("key", "version", "reason", "comment", "restock")}
        by = request.user.get_username()
        refund, is_new = refunds.request(order.pk, wish, refunds.Form(by=by, **words))
    except ShopError as refusal:
        messages.error(request, refusal.message)
        if refusal.code in NEW_FORM:
            form = RefundForm(refunds.left_of(order))
        return _order_page(request, order, form)
    if is_new:
        record(request, [order], gettext_noop("Refund"), (None, in_words(refund.amount, refund.currency)))
        _ask(request, refund.payment, lambda: refunds.send(refund))
    return back


@may_refund
def refund_payment(request: HttpRequest, payment_id: int) -> HttpResponse:
    """GET shows how much Stripe has of a payment that needs review; POST refunds all of it."""
    payment = get_object_or_404(Payment.objects.select_related("order"), pk=payment_id)
    back = redirect("admin:payments_payment_change", payment.pk)
    if request.method == "POST":
        by = request.user.get_username()
        record(request, [payment.order, payment], gettext_noop("Asked for a refund of a payment in review."))
        _ask(request, payment, lambda: refunds.refund_in_review(payment.pk, by=by))
        return back
    try:
        at_stripe = review.at_stripe(payment)
    except (StripeUnavailable, StripeRefused) as trouble:
        said = _("Stripe did not answer as it should: %(trouble)s")
        messages.error(request, said % {"trouble": shown(str(trouble))})
        return back
    if not at_stripe.left or payment.status != Payment.Status.NEEDS_REVIEW:
        messages.info(request, _("There is nothing to refund."))
        return back
    context = {
        **admin.site.each_context(request),
        "opts": Payment._meta,
        "title": _("Refund a payment that needs review"),
        "original": payment,
        "payment": payment,
        "at_stripe": at_stripe,
    }
    return TemplateResponse(request, "admin/refunds/payment.html", context)


def _ask(request: HttpRequest, payment: Payment, ask: Callable[[], Refund]) -> None:
    """Asks Stripe for a refund, and tells the user how it went."""
    try:
        refund = ask()
    except ShopError as refusal:
        messages.error(request, refusal.message)
    except StripeRefused as refusal:
        messages.error(request, explain(refusal))
    except StripeUnavailable:
        if payment.refunds.filter(status=Refund.Status.CREATING).exists():
            said = _("Stripe does not answer. The refund will be retried automatically.")
        else:
            said = _("Stripe does not answer. Nothing was refunded. Please try again later.")
        messages.warning(request, said)
    else:
        amount = {"amount": format_money(refund.amount, refund.currency, money_locale(request))}
        if refund.is_made:
            messages.success(request, _("The refund of %(amount)s is on its way to the buyer.") % amount)
        else:
            messages.error(request, _("The refund of %(amount)s failed.") % amount)


def explain(refusal: StripeRefused) -> str:
    """A refusal as a sentence for the seller."""
    sentences: dict[str, Any] = {
        "charge_already_refunded": _("Everything has been refunded already. The list below is up to date."),
        "charge_disputed": _(
            "The buyer's bank has taken this payment back. Stripe refunds nothing while it is disputed."
        ),
    }
    return str(sentences.get(refusal.code) or _("Stripe refused: %(said)s") % {"said": refusal})


def _order_page(
    request: HttpRequest, order: Order, form: RefundForm, plan: Refund | None = None
) -> HttpResponse:
    left = {part.line: part for part in form.left.parts}
    refunded = {part.line: part for part in plan.parts} if plan else {}
    rows = [
        {
            "line": line,
            "left": left[line.pk],
            "field": form[f"line_{line.pk}"].as_widget(
                attrs={"aria-label": _("Pieces of %(name)s to refund") % {"name": line.name}}
            ),
            "errors": form[f"line_{line.pk}"].errors,
            "refunded": refunded.get(line.pk),
        }
        for line in order.lines.all()
    ]
    context = {
        **admin.site.each_context(request),
        "title": _("Refund of order %(number)s") % {"number": order.pk},
        "opts": Order._meta,
        "original": order,
        "order": order,
        "form": form,
        "rows": rows,
        "left": form.left,
        "plan": plan,
        "has_stock": order.lines.filter(item__stock__isnull=False).exists() and not order.sold_out,
        "disputed": order.disputes.filter(closed=None).exists(),
    }
    return TemplateResponse(request, "admin/refunds/order.html", context)
