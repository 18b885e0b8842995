"""The accountant's statement of a period: every movement of every account, and what was sold by it.

In each currency the opening balance and the net of all movements are the closing balance, to the minor unit.
Pages of Stripe's are worked on one by one, so their number does not matter. Nothing is held while Stripe is
asked.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, TextIO

from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.books.entries import Entry, Kind, entries, without_movement
from kopeck.books.movements import Period
from kopeck.books.sheet import Sheet
from kopeck.payments.models import Payment

#: Before then there was no Stripe. Python has no midnight for the first and the last days that it knows.
EARLIEST = date(2010, 1, 1)
#: Orders that are read at once.
BATCH = 500


@dataclass(slots=True)
class Sums:
    """What a statement comes to, by account and currency; in minor units."""

    rows: int = 0
    #: By account and currency: the balances at both ends, and the amounts by kind between them.
    balances: dict[tuple[str, str], dict[str, int]] = field(default_factory=lambda: defaultdict(Counter))
    fees: dict[tuple[str, str], int] = field(default_factory=Counter)
    #: By the orders' currency and rate.
    taxes: dict[tuple[str, str], int] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        self.rows += 1
        place = (entry.account, entry.currency)
        if entry.kind in (Kind.OPENING, Kind.CLOSING):
            self.balances[place][entry.kind.value] = entry.balance or 0
        elif entry.currency:
            self.balances[place][entry.kind.value] += entry.amount or 0
            self.fees[place] += entry.fee or 0
        for rate, tax in entry.taxes.items():
            self.taxes[entry.sale_currency, rate] += tax

    def as_json(self) -> dict[str, Any]:
        """As it is stored with the statement."""
        return {
            "balances": [[*place, dict(sums), self.fees[place]] for place, sums in self.balances.items()],
            "taxes": [[*place, tax] for place, tax in sorted(self.taxes.items())],
        }


def write(since: date, until: date, accounts: Iterable[str], out: TextIO) -> Sums:
    """The statement of these days, both included, in the shop's time zone, as CSV.

    StripeUnavailable, StripeRefused; then what was written is not whole.
    """
    begin, end = midnight(since), midnight(until + timedelta(days=1))
    sums = Sums()
    with Sheet() as sheet:
        for account in accounts:
            for entry in _of_account(account, begin, end):
                sums.add(entry)
                sheet.add(entry)
        sheet.write(out)
    return sums


def trouble_with(since: date, until: date) -> str:
    """Why there is no statement of these days, as a sentence; "" where there is one."""
    if since > until:
        return _("The last day is before the first day.")
    if since < EARLIEST or until > timezone.localdate() + timedelta(days=366):
        return _("A statement begins in 2010 at the earliest, and ends in a year at the latest.")
    return ""


def midnight(day: date) -> datetime:
    """When the day begins, in the shop's time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def _of_account(account: str, begin: datetime, end: datetime) -> Iterator[Entry]:
    period, seen = Period(account, begin, end), set[int]()
    for movements in period.pages():
        for entry, payment in entries(account, movements):
            if payment is not None:
                seen.add(payment.pk)
            yield entry
    for payments in _paid(account, begin, end):
        yield from without_movement(account, [one for one in payments if one.pk not in seen])
    for kind, balances in ((Kind.OPENING, period.opening), (Kind.CLOSING, period.closing)):
        for currency, balance in sorted(balances.items()):
            at = begin if kind == Kind.OPENING else end
            yield Entry(kind, account, at=at, currency=currency, balance=balance)


def _paid(account: str, begin: datetime, end: datetime) -> Iterator[list[Payment]]:
    """The payments that paid an order in the period, some at a time, the oldest first."""
    found = Payment.objects.filter(account=account, status=Payment.Status.PAID, paid_at__lt=end)
    found = found.select_related("order").order_by("paid_at", "pk")
    after, number = begin, 0
    while True:
        later = found.filter(paid_at__gte=after).exclude(paid_at=after, pk__lte=number)
        batch = list(later[:BATCH])
        yield batch
        if len(batch) < BATCH:
            return
        after, number = batch[-1].paid_at or after, batch[-1].pk
