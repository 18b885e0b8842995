"""Fields of forms that read as people type and paste (`typed.py`), for all forms of the shop."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kopeck.money import Currency
from kopeck.typed import is_blank, read_code, read_number, trim


class NameField(forms.CharField):
    """A text of any letters, with something to see."""

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and is_blank(value):
            raise ValidationError(_("This name has no letter that can be seen."), code="invisible")


class NoteField(forms.CharField):
    """A text that may be left out: one with nothing to see is."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return self.empty_value if text and is_blank(text) else text


class CodeField(forms.CharField):
    """A code, in the letters of the keyboard."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(read_code(value) if isinstance(value, str) else value)


class AmountField(forms.DecimalField):
    """A decimal number, of the digits of any script."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(read_number(value) if isinstance(value, str) else value)


class CountField(forms.IntegerField):
    """A whole number, of the digits of any script."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(read_number(value) if isinstance(value, str) else value)


class SearchField(forms.CharField):
    """What to search for; an empty text for nothing."""

    def to_python(self, value: Any) -> Any:
        return trim(super().to_python(value) or "")


def money_problem(amount: Decimal, currency: Currency) -> str:
    """Why this currency can't have the amount, as a sentence."""
    names = {"currency": currency.code.upper(), "decimals": currency.shown}
    if abs(amount) > Decimal(currency.maximum).scaleb(-currency.digits):
        return gettext("Stripe takes no payment as large as this.")
    if currency.shown == 0:
        return gettext("An amount in %(currency)s has no decimals.") % names
    if currency.step > 1:
        return gettext("An amount in %(currency)s has %(decimals)s decimals, and the last one is 0.") % names
    return gettext("An amount in %(currency)s has at most %(decimals)s decimals.") % names
