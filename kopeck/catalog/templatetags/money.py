"""`{% money amount currency %}`: minor units as this visitor writes money."""

from typing import Any

from django import template

from kopeck.money import format_money
from kopeck.web import money_locale

register = template.Library()


@register.simple_tag(takes_context=True)
def money(context: dict[str, Any], amount: int, currency: str) -> str:
    """4820, "usd" -> "$48.20"."""
    return format_money(amount, currency, money_locale(context.get("request")))
