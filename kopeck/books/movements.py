"""What moved in a Stripe account in a period, newest first, and what its balance was after each movement.

Stripe tells what the balance is now, and lists its transactions. So all since the period's beginning are
listed: those after its end lead from today's balance back to the one at the end, the others to the one at the
beginning. Amounts in minor units of the account's currencies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from kopeck import stopping
from kopeck.stripe_api.client import StripeUnavailable, gateway
from kopeck.stripe_api.listing import pages, patiently

KIND = "balance_transaction"
#: Waits, in seconds, before the balance is asked for again that moved while it was asked for.
PAUSES = (0.2, 0.5, 1, 2, 4, 8)

Page = tuple[list[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Movement:
    """Stripe's balance transaction, its source inside, and the balance of its currency after it."""

    said: dict[str, Any]
    balance: int

    @property
    def source(self) -> dict[str, Any]:
        """The charge, refund or dispute; {} for what Stripe tells nothing of."""
        source = self.said.get("source")
        return source if isinstance(source, dict) else {}


class Period:
    """An account's movements from `since` until before `until`.

    Once all `pages` are read, `opening` and `closing` are the balances at both ends, by currency.
    """

    def __init__(self, account: str, since: datetime, until: datetime) -> None:
        self.account, self.since, self.until = account, since, until
        self.opening: dict[str, int] = {}
        self.closing: dict[str, int] = {}

    def pages(self) -> Iterator[list[Movement]]:
        """A hundred at a time at most. StripeUnavailable, StripeRefused."""
        found, balance = _at_rest(self.account, self.since)
        self.opening, self.closing = dict(balance), dict(balance)
        for objects, _more in found:
            stopping.check()
            yield [one for said in objects if (one := self._pass(said))]

    def _pass(self, said: dict[str, Any]) -> Movement | None:
        """Goes back in time over one of them; None where it is after the period."""
        currency, net = said["currency"], said["net"]
        after = self.opening.setdefault(currency, 0)
        self.closing.setdefault(currency, 0)
        self.opening[currency] -= net
        if said["created"] >= self.until.timestamp():
            self.closing[currency] -= net
            return None
        return Movement(said, after)


def _at_rest(account: str, since: datetime) -> tuple[Iterator[Page], dict[str, int]]:
    """The pages since then, newest first, and the balance that all of them led to.

    Money may move between the two questions: then the newest movement is another one afterwards.
    """
    for pause in PAUSES:
        found = pages(account, KIND, since)
        first = next(found)
        balance = patiently(gateway(account).balance)
        newest, _more = next(pages(account, KIND, since, limit=1, expand=[]))
        if [one["id"] for one in newest] == [one["id"] for one in first[0][:1]]:
            return chain([first], found), balance
        stopping.sleep(pause)
    raise StripeUnavailable(f"The balance of the account {account} moves all the time: try again later.")
