"""Stripe's amounts against the order's: equal, near enough to adopt, or refused.

What Stripe charges is the truth, and its rounding is documented only in part (facts: the split of an amount
off over lines, tax rounding in Checkout). So a difference of one minor unit a line and rate is adopted before
the buyer leaves the shop; more than that is somebody's mistake, and nothing is sold on it.
"""

from collections import defaultdict
from enum import Enum, auto
from typing import Any

from kopeck.money import CURRENCIES
from kopeck.orders.models import Order
from kopeck.orders.pricing import LineTotals, Totals


class Verdict(Enum):
    EQUAL = auto()
    ADOPT = auto()
    REFUSE = auto()


def read_amounts(session: dict[str, Any], tax_rates: list[str]) -> Totals:
    """The session's totals in our shape. `tax_rates`: Stripe's ids, in the order of the order's taxes.

    Shipping options are the last line, as the order's delivery is. Stripe's subtotal is without them.
    Wants `line_items` (all of them) with `taxes`, and `total_details.breakdown`, expanded.
    """
    lines = tuple(_line(line, tax_rates) for line in session["line_items"]["data"])
    shipping, off = session.get("shipping_cost"), session["total_details"]
    if shipping:
        lines = (*lines, _shipping(shipping, len(tax_rates)))
    by_rate: dict[str, int] = defaultdict(int)
    for tax in off["breakdown"]["taxes"]:
        by_rate[tax["rate"]["id"]] += tax["amount"]
    return Totals(
        lines=lines,
        subtotal=session["amount_subtotal"] + (off.get("amount_shipping") or 0),
        discount=off["amount_discount"],
        taxes=tuple(by_rate[rate] for rate in tax_rates),
        tax=off["amount_tax"],
        tax_included=sum(line.tax_included for line in lines),
        total=session["amount_total"],
    )


def _line(line: dict[str, Any], tax_rates: list[str]) -> LineTotals:
    by_rate: dict[str, int] = defaultdict(int)
    included = 0
    for tax in line.get("taxes") or []:
        by_rate[tax["rate"]["id"]] += tax["amount"]
        if tax["rate"]["inclusive"]:
            included += tax["amount"]
    return LineTotals(
        subtotal=line["amount_subtotal"],
        discount=line["amount_discount"],
        taxes=tuple(by_rate[rate] for rate in tax_rates),
        tax=line["amount_tax"],
        tax_included=included,
        total=line["amount_total"],
    )


def _shipping(cost: dict[str, Any], taxes: int) -> LineTotals:
    """What the session's one shipping option costs: an amount without discount and without a rate of ours."""
    return LineTotals(
        subtotal=cost["amount_subtotal"],
        discount=0,
        taxes=(0,) * taxes,
        tax=cost["amount_tax"],
        tax_included=0,
        total=cost["amount_total"],
    )


def compare(order: Order, theirs: Totals) -> Verdict:
    """Whether Stripe's amounts are the order's, may take their place, or are refused."""
    lines, taxes = list(order.load().lines.all()), list(order.taxes.all())
    ours = [(line.subtotal, line.discount_amount, line.tax_amount, line.total) for line in lines]
    said = [(line.subtotal, line.discount, line.tax, line.total) for line in theirs.lines]
    mine = (order.subtotal, order.discount_total, order.tax_total, order.total)
    if (ours, mine, [tax.amount for tax in taxes]) == (said, _sums(theirs), list(theirs.taxes)):
        return Verdict.EQUAL
    if not _adds_up(theirs) or len(ours) != len(said):
        return Verdict.REFUSE
    step = CURRENCIES[order.currency].step
    # One for each rate, and one for the discount where there is one; a plain line must be equal.
    allowed = step * (len(taxes) + (1 if order.discount_id else 0))
    for our, their in zip(ours, said, strict=True):
        if our[0] != their[0] or any(abs(a - b) > allowed for a, b in zip(our, their, strict=True)):
            return Verdict.REFUSE
    return Verdict.ADOPT


def _sums(totals: Totals) -> tuple[int, int, int, int]:
    return totals.subtotal, totals.discount, totals.tax, totals.total


def _adds_up(totals: Totals) -> bool:
    """Whether the parts make the whole: what is adopted must keep the order's own promises."""
    lines = totals.lines
    return (
        all(n.total == n.subtotal - n.discount + n.tax - n.tax_included for n in lines)
        and _sums(totals)
        == tuple(
            sum(column)
            for column in zip(*((n.subtotal, n.discount, n.tax, n.total) for n in lines), strict=True)
        )
        and sum(totals.taxes) == totals.tax
    )
