"""A statement as CSV: a row for each entry, and a column for each rate of tax that was met.

Which rates there are is known at the end. So rows wait in a file until the first row can be written.
"""

import csv
from decimal import Decimal
from tempfile import SpooledTemporaryFile
from typing import Self, TextIO

from django.utils import timezone

from kopeck.books.entries import Entry
from kopeck.money import currency as the_currency

#: The columns before those of the rates. Their names stay, for programs; `docs/books.md` says what each is.
COLUMNS = (
    "date",
    "time",
    "account",
    "kind",
    "order",
    "receipt",
    "currency",
    "amount",
    "fee",
    "net",
    "balance",
    "sale_currency",
    "sale",
    "discount",
    "delivery",
    "tax",
    "sale_without_tax",
    "note",
    "stripe_type",
    "stripe_id",
    "stripe_source",
)
#: Before the name of a rate: with this no cell begins with a letter that a spreadsheet computes.
TAX = "tax: "
#: Bytes of rows that wait in memory; more wait on the disk.
IN_MEMORY = 5_000_000


class Sheet:
    """Takes entries one by one; `write` gives the whole."""

    def __init__(self) -> None:
        self._rows = SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="")  # noqa: SIM115
        self._writer = csv.writer(self._rows)
        self._rates: dict[str, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._rows.close()

    def add(self, entry: Entry) -> None:
        self._rates |= dict.fromkeys(entry.taxes)
        by_rate = [plain(entry.taxes.get(rate), entry.sale_currency) for rate in self._rates]
        self._writer.writerow([*_cells(entry), *by_rate])

    def write(self, out: TextIO) -> None:
        """The columns' names, then the rows, each with a cell for every rate."""
        writer = csv.writer(out)
        writer.writerow([*COLUMNS, *(f"{TAX}{rate}" for rate in self._rates)])
        width = len(COLUMNS) + len(self._rates)
        self._rows.seek(0)
        for row in csv.reader(self._rows):
            writer.writerow(row + [""] * (width - len(row)))


def _cells(entry: Entry) -> list[str]:
    at = timezone.localtime(entry.at) if entry.at else None
    mine, sold = entry.currency, entry.sale_currency
    without_tax = None if entry.sale is None else entry.sale - (entry.tax or 0)
    return [
        f"{at:%Y-%m-%d}" if at else "",
        f"{at:%H:%M:%S}" if at else "",
        entry.account,
        entry.kind.value,
        str(entry.order or ""),
        str(entry.receipt or ""),
        mine.upper(),
        *(plain(amount, mine) for amount in (entry.amount, entry.fee, entry.net, entry.balance)),
        sold.upper(),
        *(plain(part, sold) for part in (entry.sale, entry.discount, entry.delivery, entry.tax)),
        plain(without_tax, sold),
        entry.note,
        entry.stripe_type,
        entry.stripe_id,
        entry.stripe_source,
    ]


def plain(minor: int | None, code: str) -> str:
    """4820, "usd" -> "48.20"; with all decimals that Stripe counts: of ISK too, for a fee may have them."""
    return "" if minor is None else f"{Decimal(minor).scaleb(-the_currency(code).digits):f}"
