"""`{% money amount currency %}`: minor units as this visitor writes money."""

from decimal import Decimal
from typing import Any

from django import template

from kopeck.money import currency as the_currency
from kopeck.money import format_money, format_percent
from kopeck.web.context import money_locale

register = template.Library()


@register.simple_tag(takes_context=True)
def money(context: dict[str, Any], amount: int, currency: str) -> str:
    """4820, "usd" -> "$48.20"."""
    return format_money(amount, currency, money_locale(context.get("request")))


@register.simple_tag(takes_context=True)
def percent(context: dict[str, Any], percentage: Decimal) -> str:
    """20.0000 -> "20%"."""
    return format_percent(percentage, money_locale(context.get("request")))


@register.simple_tag
def currency_digits(code: str) -> int:
    """Decimals of the minor unit: usd 2, jpy 0, kwd 3, isk 2."""
    return the_currency(code).digits


@register.simple_tag
def shown_digits(code: str) -> int:
    """Decimals that people see of a price: usd 2, jpy 0, kwd 2 (its third is always 0), isk 0."""
    return min(the_currency(code).shown, 2)
