"""What a statement comes to, in a few lines: for the terminal and the admin."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from kopeck.books.entries import Kind
from kopeck.books.sheet import plain

#: A heading, and labels with amounts as plain decimals.
Table = tuple[str, list[tuple[str, str]]]


def tables(sums: dict[str, Any]) -> Iterator[Table]:
    """From `Sums.as_json`: of each account and currency the way from balance to balance, then the taxes."""
    for account, currency, by_kind, fees in sums.get("balances", ()):
        rows = [
            (str(kind.label), plain(by_kind[kind], currency))
            for kind in (Kind.OPENING, *(one for one in Kind if one not in (Kind.OPENING, Kind.CLOSING)))
            if kind in by_kind
        ]
        rows.append((str(Kind.CLOSING.label), plain(by_kind.get(Kind.CLOSING, 0), currency)))
        rows.append((_("Stripe's fees in them"), plain(fees, currency)))
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
