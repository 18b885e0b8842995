"""The form of an order's refund. Its key lets it refund once, its version only what it had shown."""

from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kopeck.errors import ShopError
from kopeck.money import CURRENCIES, MoneyError, to_decimal, to_minor
from kopeck.refunds.models import Refund
from kopeck.refunds.request import Left, Wish
from kopeck.web.fields import AmountField, CountField, money_problem

WHAT = [
    ("rest", gettext_lazy("All that is left")),
    ("amount", gettext_lazy("An amount")),
    ("lines", gettext_lazy("Some pieces")),
]


class RefundForm(forms.Form):
    """What to refund of what is left: all, an amount, or pieces (a field `line_<id>` for each line)."""

    what = forms.ChoiceField(choices=WHAT, widget=forms.RadioSelect, initial="rest")
    amount = AmountField(required=False, min_value=0)
    reason = forms.ChoiceField(required=False, choices=[("", "—"), *Refund.Reason.choices])
    comment = forms.CharField(required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))
    restock = forms.BooleanField(required=False)
    key = forms.UUIDField(widget=forms.HiddenInput)
    version = forms.CharField(max_length=60, widget=forms.HiddenInput)

    def __init__(self, left: Left, data: Any = None) -> None:
        self.left, self.currency = left, left.payment.currency
        start = {"key": uuid4(), "version": left.version, "amount": to_decimal(left.amount, self.currency)}
        super().__init__(data, initial=start)
        for part in left.parts:
            self.fields[f"line_{part.line}"] = CountField(
                required=False, min_value=0, max_value=part.quantity, initial=0, disabled=not part.quantity
            )

    def clean_amount(self) -> int | None:
        amount = self.cleaned_data["amount"]
        if self.data.get("what") != "amount":
            return None
        if amount is None:
            raise ValidationError(_("How much?"))
        try:
            return to_minor(amount, self.currency)
        except MoneyError:
            raise ValidationError(money_problem(amount, CURRENCIES[self.currency])) from None

    def clean(self) -> dict[str, Any]:
        """Numbers of a way that is not chosen would be passed over: another sum than the seller meant."""
        facts: dict[str, Any] = super().clean() or {}
        what = facts.get("what")
        if what and what != "lines" and any(facts.get(f"line_{part.line}") for part in self.left.parts):
            self.add_error("what", _("You gave pieces below. Choose “Some pieces”, or set them to 0."))
        if what and what != "amount" and self._gave_amount(facts):
            self.add_error(
                "what", _("You gave another amount below. Choose “An amount”, or empty its field.")
            )
        return facts

    def _gave_amount(self, facts: dict[str, Any]) -> bool:
        """Another one than the page had shown: all that was left by then."""
        is_given = bool(str(self.data.get("amount") or "").strip()) and "amount" in self.changed_data
        return is_given and facts.get("version") == self.left.version

    def wish(self) -> Wish:
        """ShopError where pieces are to be chosen and none was."""
        facts = self.cleaned_data
        if facts["what"] != "lines":
            return Wish(amount=facts["amount"])
        wanted = {part.line: facts[f"line_{part.line}"] or 0 for part in self.left.parts}
        if not any(wanted.values()):
            raise ShopError("refund_nothing", _("Choose how many pieces to refund."), status=422)
        return Wish(quantities=wanted)
