"""Amounts as the sandbox's pages print them.

Stripe sends integer minor units, and how many of them make one unit is Stripe's own table, not CLDR's
(CLDR prints no decimals for forint or rupiah, Stripe counts two). Source: docs.stripe.com/currencies.
"""

import copy
import re
from collections.abc import Iterable
from decimal import Decimal

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberPattern, format_decimal

from stripe_sandbox.rules.currencies import HUNDREDS, decimals

ENGLISH = Locale.parse("en")


def format_amount(minor: int | Decimal, currency: str, locale: Locale = ENGLISH) -> str:
    """`minor` units of `currency` as `locale` writes them: (1299, "usd") -> "$12.99".

    A Decimal with a fraction of a minor unit (a `unit_amount_decimal`) keeps up to 12 more digits.
    """
    code = currency.lower()
    digits = decimals(code)
    amount = Decimal(minor).scaleb(-digits)
    shown = 0 if code in HUNDREDS and amount == amount.to_integral_value() else digits
    pattern: NumberPattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (shown, digits + 12 if minor % 1 else shown)
    text = pattern.apply(amount, locale, currency=currency.upper(), currency_digits=False)
    # CLDR parts a code from its number ("ISK 500"); Babel's pattern for symbols does not.
    return re.sub(r"(?<=[A-Z]{3})(?=\d)", "\N{NO-BREAK SPACE}", str(text))


def format_percent(percentage: Decimal, locale: Locale = ENGLISH) -> str:
    """A tax rate as people write it, without needless zeros: 20.0 -> "20%", 8.875 -> "8.875%"."""
    number = format_decimal(percentage, format="#,##0.####", locale=locale)
    pattern: NumberPattern = locale.percent_formats[None]
    prefix, suffix = pattern.prefix[0], pattern.suffix[0]
    return f"{prefix}{number}{suffix}"


def choose_locale(session_locale: str | None, accepted: Iterable[str]) -> Locale:
    """The session's own locale if it names one, else the first known of the visitor's, else English."""
    wanted = [] if session_locale in (None, "auto") else [str(session_locale)]
    for name in [*wanted, *accepted]:
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return ENGLISH
