"""What was taken, refunded and sold in a period of days of the shop's time zone.

Days that are over stand in `Day` and `DayItem`. What is younger is counted now, by the indexes over times.
A payment that paid no order is no taking, and so its refund is none of these refunds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from kopeck.backoffice.models import Day, DayItem
from kopeck.database.locks import one_at_a_time
from kopeck.refunds.models import Refund

#: Days that the job sums anew: a refund may fail so late, and an order be found to have been paid. Sums of
#: items are kept as long.
AGAIN = 35
#: The longest period, and the one before it.
YEAR = 365
#: Items that sold best, and of how many days at most: a year of all items is too much to read.
BEST, BEST_DAYS = 5, 30

_SUMS = """
SELECT day, currency, sum(orders)::bigint AS orders, sum(amount)::bigint AS amount,
    sum(refunds)::bigint AS refunds, sum(refunded)::bigint AS refunded,
    sum(made)::bigint AS made, sum(bought)::bigint AS bought
FROM (
    SELECT (paid_at AT TIME ZONE %(zone)s)::date AS day, currency, count(*) AS orders, sum(total) AS amount,
        0 AS refunds, 0 AS refunded, 0 AS made, 0 AS bought
    FROM orders_order WHERE paid_at >= %(since)s AND paid_at < %(until)s GROUP BY 1, 2
    UNION ALL
    SELECT (r.created AT TIME ZONE %(zone)s)::date, r.currency, 0, 0, count(*), sum(r.amount), 0, 0
    FROM refunds_refund AS r JOIN payments_payment AS p ON p.id = r.payment_id AND p.status = 'paid'
    WHERE r.created >= %(since)s AND r.created < %(until)s AND r.status = ANY(%(made)s) GROUP BY 1, 2
    UNION ALL
    SELECT (created AT TIME ZONE %(zone)s)::date, currency, 0, 0, 0, 0, count(*), count(paid_at)
    FROM orders_order WHERE created >= %(since)s AND created < %(until)s GROUP BY 1, 2
) AS parts GROUP BY day, currency
"""
_ITEMS = """
SELECT (o.paid_at AT TIME ZONE %(zone)s)::date AS day, line.item_id, o.currency,
    sum(line.quantity)::bigint AS pieces, sum(line.total)::bigint AS amount
FROM orders_order AS o JOIN orders_orderline AS line ON line.order_id = o.id
WHERE o.paid_at >= %(since)s AND o.paid_at < %(until)s AND line.item_id IS NOT NULL GROUP BY 1, 2, 3
"""
_BEST = f"""
SELECT item_id, currency, sum(pieces)::bigint AS pieces, sum(amount)::bigint FROM (
    SELECT item_id, currency, pieces, amount FROM backoffice_dayitem
    WHERE day >= %(first)s AND day <= %(summed)s
    UNION ALL SELECT item_id, currency, pieces, amount FROM ({_ITEMS}) AS young
) AS sold GROUP BY item_id, currency ORDER BY pieces DESC, item_id LIMIT %(best)s
"""  # noqa: S608 - the statement above


@dataclass(slots=True)
class Sums:
    """Of one currency, in minor units, by day and in all; and the taking of as many days before."""

    currency: str
    by_day: dict[date, int] = field(default_factory=dict)
    orders: int = 0
    amount: int = 0
    refunds: int = 0
    refunded: int = 0
    amount_before: int = 0


@dataclass(slots=True)
class Period:
    """`days` days up to today. `made` and `bought` are of all currencies."""

    days: int
    last: date
    sums: list[Sums]
    made: int = 0
    bought: int = 0

    @property
    def first(self) -> date:
        return self.last - timedelta(days=self.days - 1)


@dataclass(frozen=True, slots=True)
class Sold:
    item_id: int
    currency: str
    pieces: int
    amount: int


def midnight(day: date) -> datetime:
    """When the day begins in the shop's time zone."""
    return timezone.make_aware(datetime.combine(day, time()))


def _between(first: date, last: date) -> dict[str, Any]:
    return {
        "zone": settings.TIME_ZONE,
        "since": midnight(first),
        "until": midnight(last + timedelta(days=1)),
        "made": list(Refund.MADE),
    }


def _summed() -> date:
    """The last day that is summed; a day long ago where none is."""
    return Day.objects.aggregate(last=Max("day"))["last"] or date.min


def period(days: int) -> Period:
    """The sums of the last `days` days, today among them."""
    today = timezone.localdate()
    found = Period(days, today, [])
    of: dict[str, Sums] = {}
    for day, currency, orders, amount, refunds, refunded, made, bought in _rows(
        today - timedelta(days=2 * days - 1), today
    ):
        one = of.setdefault(currency, Sums(currency))
        if day < found.first:
            one.amount_before += amount
            continue
        one.by_day[day] = amount
        one.orders, one.amount = one.orders + orders, one.amount + amount
        one.refunds, one.refunded = one.refunds + refunds, one.refunded + refunded
        found.made, found.bought = found.made + made, found.bought + bought
    told = [one for one in of.values() if one.orders or one.refunds or one.amount_before]
    found.sums = sorted(told, key=lambda one: (-one.orders, one.currency))
    return found


def _rows(first: date, last: date) -> Iterator[tuple[Any, ...]]:
    # In this order: a day that is summed meanwhile is counted twice by none.
    summed = min(_summed(), last)
    names = "day", "currency", "orders", "amount", "refunds", "refunded", "made", "bought"
    yield from Day.objects.filter(day__gte=first, day__lte=summed).values_list(*names)
    young = max(first, summed + timedelta(days=1)) if summed > date.min else first
    if young <= last:
        with connection.cursor() as cursor:
            cursor.execute(_SUMS, _between(young, last))
            yield from cursor.fetchall()


def best(days: int) -> list[Sold]:
    """The items of which most pieces were sold in the last `days` days, BEST_DAYS at most."""
    today = timezone.localdate()
    first, summed = today - timedelta(days=min(days, BEST_DAYS) - 1), _summed()
    young = max(first, summed + timedelta(days=1)) if summed > date.min else first
    asked = {**_between(young, today), "first": first, "summed": summed, "best": BEST}
    with connection.cursor() as cursor:
        cursor.execute(_BEST, asked)
        return [Sold(*row) for row in cursor.fetchall()]


def sum_up() -> None:
    """Sums the days that are over and not summed yet, and those before them anew: two years at most."""
    last = timezone.localdate() - timedelta(days=1)
    earliest = last - timedelta(days=2 * YEAR)
    summed = _summed()
    first = max(earliest, min(summed, last) - timedelta(days=AGAIN)) if summed > date.min else earliest
    while first <= last:
        end = min(first + timedelta(days=AGAIN - 1), last)
        _sum_up(first, end)
        first = end + timedelta(days=1)
    DayItem.objects.filter(day__lt=last - timedelta(days=AGAIN)).delete()


def _sum_up(first: date, last: date) -> None:
    """At once, so that nobody sees half of it."""
    asked = _between(first, last)
    with transaction.atomic(), connection.cursor() as cursor:
        one_at_a_time("sums of days")
        # The planner would read all lines of a shop for the five weeks of them.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for model, columns, sums in (
            (Day, "day, currency, orders, amount, refunds, refunded, made, bought", _SUMS),
            (DayItem, "day, item_id, currency, pieces, amount", _ITEMS),
        ):
            if model is DayItem and last < timezone.localdate() - timedelta(days=AGAIN + 1):
                continue
            model.objects.filter(day__gte=first, day__lte=last).delete()
            table = model._meta.db_table
            cursor.execute(f"INSERT INTO {table} ({columns}) {sums}", asked)
