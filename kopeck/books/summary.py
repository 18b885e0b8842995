"""What a statement comes to, in a few lines: for the terminal and the admin."""

from collections.abc import Iterator
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from kopeck.books.entries import Kind
from kopeck.books.sheet import plain

#: A heading, and labels with amounts as plain decimals.
Table = tuple[str, list[tuple[str, str]]]


def tables(sums: dict[str, Any]) -> Iterator[Table]:
    """From `Sums.as_json`: what adds up to the closing balance of each account and currency; then taxes."""
    for account, currency, by_kind, fees in sums.get("balances", ()):
        rows = [
            (capfirst(str(kind.label)), plain(by_kind[kind], currency))
            for kind in (Kind.OPENING, *(one for one in Kind if one not in (Kind.OPENING, Kind.CLOSING)))
            if kind in by_kind
        ]
        rows.append((_("Stripe's fees"), plain(-fees, currency)))
        rows.append((capfirst(str(Kind.CLOSING.label)), plain(by_kind.get(Kind.CLOSING, 0), currency)))
        yield f"{account} · {currency.upper()}", rows
    for currency in dict.fromkeys(code for code, _rate, _tax in sums.get("taxes", ())):
        rates = [(rate, plain(tax, currency)) for code, rate, tax in sums["taxes"] if code == currency]
        yield _("Tax by rate") + f" · {currency.upper()}", rates


def lines(sums: dict[str, Any]) -> Iterator[str]:
    """The same as text, an indented line for each amount."""
    for heading, rows in tables(sums):
        yield heading
        for label, amount in rows:
            yield f"  {label:<40}{amount:>16}"
