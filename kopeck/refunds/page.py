"""The admin's page that refunds money: choose, look at what it comes to, confirm.

Every form carries a key and what it had shown: pressed twice it refunds once, and where somebody was
faster, or the fields were changed since, nothing is refunded before it was looked at again.
"""

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kopeck.errors import ShopError
from kopeck.money import MoneyError, format_money, in_words, to_decimal, to_minor
from kopeck.orders.models import Order
from kopeck.refunds import request as refunds
from kopeck.refunds.models import Refund
from kopeck.refunds.request import Form, Left, Plan, Wish
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.web.context import money_locale
from kopeck.web.fields import AmountField, CountField

log = logging.getLogger(__name__)

WHAT = [
    ("rest", gettext_lazy("All that is left")),
    ("amount", gettext_lazy("An amount")),
    ("lines", gettext_lazy("Some pieces")),
]
#: Refusals of a form that can't be sent again as it is.
NEW_FORM = ("refund_changed", "refund_form_used")


class RefundForm(forms.Form):
    """What to refund, of this much that is left."""

    what = forms.ChoiceField(choices=WHAT, widget=forms.RadioSelect, initial="rest")
    amount = AmountField(required=False, min_value=0)
    reason = forms.ChoiceField(required=False, choices=[("", "—"), *Refund.Reason.choices])
    comment = forms.CharField(required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))
    restock = forms.BooleanField(required=False)
    key = forms.UUIDField(widget=forms.HiddenInput)
    version = forms.CharField(max_length=60, widget=forms.HiddenInput)

    def __init__(self, left: Left, data: Any = None) -> None:
        self.left = left
        start = {"key": uuid4(), "version": left.version, "amount": to_decimal(left.amount, self.currency)}
        super().__init__(data, initial=start)
        for share in left.shares:
            self.fields[f"line_{share.line}"] = CountField(
                required=False, min_value=0, max_value=share.quantity, initial=0, disabled=not share.quantity
            )

    @property
    def currency(self) -> str:
        return self.left.payment.currency

    def clean_amount(self) -> int | None:
        amount = self.cleaned_data["amount"]
        if self.data.get("what") != "amount":
            return None
        if amount is None:
            raise ValidationError(_("How much?"))
        try:
            return to_minor(amount, self.currency)
        except MoneyError as problem:
            raise ValidationError(str(problem)) from None

    def wish(self) -> Wish:
        """ShopError where pieces are to be chosen and none was."""
        facts = self.cleaned_data
        if facts["what"] != "lines":
            return Wish(amount=facts["amount"])
        wanted = {share.line: facts[f"line_{share.line}"] or 0 for share in self.left.shares}
        if not any(wanted.values()):
            raise ShopError("refund_nothing", _("Choose how many pieces to refund."), status=422)
        return Wish(quantities=wanted)


def view(model_admin: "admin.ModelAdmin[Any]") -> Callable[[HttpRequest, int], HttpResponse]:
    """GET the form; POST `action=preview` the same with what it comes to; `action=refund` does it."""

    def page(request: HttpRequest, order_id: int) -> HttpResponse:
        order = Order.objects.filter(pk=order_id).first()
        if order is None:
            raise Http404
        if not request.user.has_perm("refunds.add_refund"):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:orders_order_change", args=[order_id]))
        try:
            left = refunds.left_of(order)
        except ShopError as refusal:
            messages.error(request, refusal.message)
            return back
        form = RefundForm(left, request.POST if request.method == "POST" else None)
        if request.method != "POST" or not form.is_valid():
            return _render(model_admin, request, order, form)
        return _work_off(model_admin, request, order, form) or back

    return page


def _work_off(model_admin: Any, request: HttpRequest, order: Order, form: RefundForm) -> HttpResponse | None:
    """The page again, with a preview or a problem; None: the refund is under way, and the user was told."""
    facts = form.cleaned_data
    if Refund.objects.filter(key=facts["key"], order=order).exists():
        return None  # the second press of the same button
    try:
        wish = form.wish()
        plan = refunds.plan(form.left, wish)
        if request.POST.get("action") != "refund" or request.POST.get("previewed") != str(plan.amount):
            return _render(model_admin, request, order, form, plan)
        words = {name: facts[name] for name in ("key", "version", "reason", "comment", "restock")}
        refund, is_new = refunds.request(order.pk, wish, Form(by=request.user.get_username(), **words))
    except ShopError as refusal:
        fresh = RefundForm(refunds.left_of(order), None)
        messages.error(request, refusal.message)
        return _render(model_admin, request, order, fresh if refusal.code in NEW_FORM else form)
    if is_new:
        model_admin.log_change(request, order, f"Refund of {in_words(refund.amount, refund.currency)}")
        _send(request, refund)
    return None


def _send(request: HttpRequest, refund: Refund) -> None:
    amount = {"amount": format_money(refund.amount, refund.currency, money_locale(request))}
    try:
        refund = refunds.send(refund)
    except StripeUnavailable:
        messages.warning(
            request,
            _("Stripe does not answer. The refund of %(amount)s is noted and goes on by itself.") % amount,
        )
    except StripeRefused as refusal:
        messages.error(request, refunds.explain(refusal))
    else:
        if refund.is_given:
            messages.success(request, _("%(amount)s goes back to the buyer.") % amount)
        else:
            messages.error(request, _("The refund of %(amount)s failed.") % amount)


def _render(
    model_admin: Any, request: HttpRequest, order: Order, form: RefundForm, plan: Plan | None = None
) -> HttpResponse:
    left = {share.line: share for share in form.left.shares}
    back = {share.line: share for share in plan.shares} if plan else {}
    rows = [
        {
            "line": line,
            "left": left[line.pk],
            "field": form[f"line_{line.pk}"].as_widget(
                attrs={"aria-label": _("Pieces of %(name)s to refund") % {"name": line.name}}
            ),
            "errors": form[f"line_{line.pk}"].errors,
            "back": back.get(line.pk),
        }
        for line in order.lines.all()
    ]
    context = {
        **model_admin.admin_site.each_context(request),
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
    return TemplateResponse(request, "admin/refunds/refund.html", context)
