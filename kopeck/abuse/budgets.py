"""Who may start another order or payment: budgets by visitor and by address, and what their cards did.

Counted in PostgreSQL, for there are several processes, in one statement a buy: in the transaction that makes
the order or the attempt, as its last lock, so the count is exact and its row is held for a moment only, never
while Stripe is asked. A refused request takes back its own count: it made nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from kopeck.abuse.rates import Rate
from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.web.proxies import network_of

#: A visitor's first page is this old, in seconds, before Buy works during an attack.
MIN_AGE = 3.0
#: The longest window of questions to Stripe, in seconds.
MINUTE = 60
#: During an attack a budget is this part of what it is else.
SHRUNK_BY = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How many declined cards within the hour an order, a visitor, an address may have."""

    order: int
    visitor: int
    address: int


#: People mistype, try their other card, and call their bank; nobody does that this often.
USUAL, UNDER_ATTACK = Patience(8, 10, 20), Patience(3, 3, 6)

_COUNT = """
INSERT INTO abuse_budget (key, began, count)
SELECT key, to_timestamp(floor(extract(epoch FROM statement_timestamp()) / seconds) * seconds), 1
FROM (VALUES (%s, %s), (%s, %s)) AS asked (key, seconds) WHERE key <> '' ORDER BY key
ON CONFLICT (key, began) DO UPDATE SET count = abuse_budget.count + 1
RETURNING key, count, extract(epoch FROM statement_timestamp() - began)
"""
_SPEND = f"""
WITH spent (key, count, ago) AS ({_COUNT})
SELECT
    (SELECT min(until) FROM abuse_attack WHERE until > statement_timestamp()),
    coalesce((SELECT count FROM spent WHERE key = %s), 0),
    coalesce((SELECT count FROM spent WHERE key = %s), 0),
    count(*) FILTER (WHERE order_id = %s),
    count(*) FILTER (WHERE visitor = %s AND visitor <> ''),
    count(*) FILTER (WHERE address = %s AND address <> ''),
    statement_timestamp(),
    coalesce(min(created), statement_timestamp())
FROM abuse_decline
WHERE created > statement_timestamp() - interval '1 hour' AND (order_id = %s OR visitor = %s OR address = %s)
"""  # noqa: S608 - both are words of this module


@dataclass(slots=True)
class Allowance:
    """What a client may still start. `visitor` is "" without a cookie: then only the address counts."""

    visitor: str = ""
    #: A keyed hash of the address, of the network for IPv6.
    address: str = ""
    #: Seconds since the visitor was first shown a page.
    age: float | None = None
    is_spent: bool = False

    def spend_if_new(self) -> None:
        """Before anything is written for a browser that cannot have an order yet; see `spend`."""
        if not self.visitor:
            self.spend()

    def spend(self, order: Order | None = None) -> None:
        """Counts, once, an order or attempt that this request is about to make. ShopError 429 if it may not.

        Called as the last lock of a transaction, or outside of any.
        """
        if self.is_spent or not (self.visitor or self.address):
            return
        by_visitor = self._key("visitor", self.visitor, settings.BUDGET_VISITOR.count)
        by_address = self._key("address", self.address, settings.BUDGET_ADDRESS.count)
        windows = settings.BUDGET_VISITOR.seconds, settings.BUDGET_ADDRESS.seconds
        asked = (by_address, windows[1], by_visitor, windows[0], by_visitor, by_address)
        known = (order.pk if order else None, self.visitor, self.address)
        with connection.cursor() as cursor:
            cursor.execute(_SPEND, [*asked, *known, *known])
            facts = cursor.fetchone()
        self._judge(*facts)
        self.is_spent = True

    def count_question(self) -> int:
        """Counts a question to Stripe about what there is already: 0, or the seconds until one may be asked.

        As many a minute as things may be started in their whole window: a page that waits asks every three
        seconds, and only while its payment is not confirmed.
        """
        visitors, addresses = (
            Rate(rate.count, min(rate.seconds, MINUTE))
            for rate in (settings.BUDGET_VISITOR, settings.BUDGET_ADDRESS)
        )
        return count(
            (self._key("asks visitor", self.visitor, visitors.count), visitors),
            (self._key("asks address", self.address, addresses.count), addresses),
        )

    @staticmethod
    def _key(kind: str, who: str, limit: int) -> str:
        return f"{kind} {who}" if who and limit else ""

    def _judge(
        self,
        attack_until: datetime | None,
        by_visitor: int,
        by_address: int,
        of_order: int,
        of_visitor: int,
        of_address: int,
        now: datetime,
        first_decline: datetime,
    ) -> None:
        patience, visitors, addresses = USUAL, settings.BUDGET_VISITOR, settings.BUDGET_ADDRESS
        if attack_until is not None:
            patience = UNDER_ATTACK
            visitors, addresses = visitors.shrunk(SHRUNK_BY), addresses.shrunk(SHRUNK_BY)
            self._require_page()
        if of_order >= patience.order or of_visitor >= patience.visitor or of_address >= patience.address:
            raise too_many_declines(3600 - int((now - first_decline).total_seconds()))
        for count, rate in ((by_visitor, visitors), (by_address, addresses)):
            if rate.count and count > rate.count:
                left = rate.seconds - int(now.timestamp()) % rate.seconds
                message = _("That is a lot of orders in a short time. Please try again in a few minutes.")
                raise too_many(message, left)

    def _require_page(self) -> None:
        """During an attack: who was shown a page a moment ago, or has paid here before."""
        if self.age is not None and self.age >= MIN_AGE:
            return
        if self.visitor and Order.objects.filter(visitor=self.visitor, status__in=Order.WAS_PAID).exists():
            return
        message = _(
            "Many cards are being declined here, so we look twice. Please open the page and press again."
        )
        raise too_many(message, int(MIN_AGE))


def count(one: tuple[str, Rate], other: tuple[str, Rate] = ("", Rate(0, 1))) -> int:
    """Counts one for each key that is not "": 0, or the seconds until all of their rates allow another."""
    rates, wait = dict([one, other]), 0
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [one[0], one[1].seconds, other[0], other[1].seconds])
        for key, number, ago in cursor.fetchall():
            if number > rates[key].count:
                wait = max(wait, rates[key].seconds - int(ago))
    return wait


def too_many_declines(seconds: int) -> ShopError:
    message = _("Too many cards were declined. Please ask your bank, and try again in an hour.")
    return too_many(message, seconds)


def too_many(message: str, seconds: int) -> ShopError:
    return ShopError("too_many_requests", message, status=429, retry_after=max(1, seconds))


def allowance_of(request: HttpRequest) -> Allowance:
    """By the cookie that the request brought, not by a new one, and its address (kopeck/web/proxies.py)."""
    visitor = request.visitor  # type: ignore[attr-defined]
    known = "" if visitor.is_new else visitor.known_key
    address = hash_address(request.META.get("REMOTE_ADDR", ""))
    return Allowance(known, address, visitor.age)


def hash_address(text: str) -> str:
    """A keyed hash; for IPv6 of its network; "" for what is no address."""
    network = network_of(text)
    return salted_hmac("kopeck.address", network, algorithm="sha256").hexdigest() if network else ""
