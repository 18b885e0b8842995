"""The desk's first page: what was taken, what is to do, what was sold last."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from babel import Locale
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import formats
from django.utils.translation import gettext as _

from kopeck.backoffice import sales, takings
from kopeck.backoffice.takings import Period, Sums
from kopeck.backoffice.todo import to_do
from kopeck.catalog.models import Item
from kopeck.money import format_money, format_percent
from kopeck.orders.models import Order
from kopeck.web.context import money_locale

PERIODS = (7, 30, takings.YEAR)
LATEST = 8
#: Of the chart, in its own units: so wide and high, and how much of a bar's place is left free.
WIDTH, HEIGHT, GAP = 600, 72, 0.25
#: A chart has no more bars than this: of a year each is a week.
MOST_BARS, WEEK = 60, 7


@dataclass(frozen=True, slots=True)
class Bar:
    x: str
    y: str
    width: str
    height: str
    said: str


@dataclass(frozen=True, slots=True)
class Taking:
    """One currency as it is shown."""

    currency: str
    amount: str
    orders: int
    refunds: int
    refunded: str
    compared: str
    bars: list[Bar]
    rows: list[tuple[date, str]]


def page(request: HttpRequest) -> HttpResponse:
    """GET; `?days=7`, 30 or 365."""
    asked = request.GET.get("days", "")
    days = next((one for one in PERIODS if str(one) == asked), 30)
    context: dict[str, Any] = {**admin.site.each_context(request), "title": _("Home"), "todo": to_do(request)}
    if request.user.has_perm("orders.view_order"):
        context |= _sold(days, money_locale(request))
    return TemplateResponse(request, "admin/backoffice/home.html", context)


def _sold(days: int, locale: Locale) -> dict[str, Any]:
    period = takings.period(days)
    latest = list(Order.objects.filter(paid_at__isnull=False).order_by("-paid_at", "-pk")[:LATEST])
    sales.read_all(latest)
    best = takings.best(days)
    items = Item.objects.in_bulk(
        {one.item_id for one in best} | {line.item_id for order in latest for line in order.goods}
    )
    return {
        "days": days,
        "periods": PERIODS,
        "takings": [_taking(sums, period, locale) for sums in period.sums],
        "made": period.made,
        "bought": period.bought,
        "best_days": min(days, takings.BEST_DAYS),
        "share": _share(period.bought, period.made, locale),
        "best": [
            (items[one.item_id], one.pieces, format_money(one.amount, one.currency, locale))
            for one in best
            if one.item_id in items
        ],
        "latest": [
            (order, sales.state_of(order), [items.get(line.item_id) for line in order.goods[:3]])
            for order in latest
        ],
    }


def _taking(sums: Sums, period: Period, locale: Locale) -> Taking:
    days = [period.first + timedelta(days=place) for place in range(period.days)]
    return Taking(
        currency=sums.currency,
        amount=format_money(sums.amount, sums.currency, locale),
        orders=sums.orders,
        refunds=sums.refunds,
        refunded=format_money(sums.refunded, sums.currency, locale),
        compared=_compared(sums, period.days, locale),
        bars=_bars(sums, days, locale),
        rows=[
            (day, format_money(sums.by_day[day], sums.currency, locale))
            for day in reversed(days)
            if sums.by_day.get(day)
        ],
    )


def _share(part: int, whole: int, locale: Locale) -> str:
    """A whole percentage; "" of nothing."""
    return format_percent(_whole(Decimal(100 * part) / whole), locale) if whole else ""


def _whole(number: Decimal) -> Decimal:
    return number.quantize(Decimal(1), ROUND_HALF_UP)


def _compared(sums: Sums, days: int, locale: Locale) -> str:
    """This period and the one before it, in a sentence."""
    if not sums.amount_before:
        return _("Nothing in the %(days)s days before.") % {"days": days}
    change = _whole(Decimal(100 * (sums.amount - sums.amount_before)) / sums.amount_before)
    said = {
        "percent": format_percent(abs(change), locale),
        "days": days,
        "before": format_money(sums.amount_before, sums.currency, locale),
    }
    if change > 0:
        return _("%(percent)s more than in the %(days)s days before (%(before)s).") % said
    if change < 0:
        return _("%(percent)s less than in the %(days)s days before (%(before)s).") % said
    return _("As much as in the %(days)s days before (%(before)s).") % said


def _bars(sums: Sums, days: list[date], locale: Locale) -> list[Bar]:
    """A bar for each day; for each week where there would be too many."""
    step = 1 if len(days) <= MOST_BARS else WEEK
    # The last one ends today, so the first may have fewer days.
    ends = range(len(days), 0, -step)
    parts = [days[max(0, end - step) : end] for end in reversed(ends)]
    amounts = [sum(sums.by_day.get(day, 0) for day in part) for part in parts]
    most, place = max(amounts, default=0) or 1, Decimal(WIDTH) / len(parts)
    bars = []
    for number, (part, amount) in enumerate(zip(parts, amounts, strict=True)):
        # What is something is seen.
        height = max(2, HEIGHT * amount // most) if amount else 0
        when = formats.date_format(part[0], "SHORT_DATE_FORMAT")
        if len(part) > 1:
            when += " – " + formats.date_format(part[-1], "SHORT_DATE_FORMAT")
        said = f"{when}: {format_money(amount, sums.currency, locale)}"
        x, width = place * number, place * (1 - Decimal(str(GAP)))
        bars.append(Bar(f"{x:.2f}", str(HEIGHT - height), f"{width:.2f}", str(height), said))
    return bars
