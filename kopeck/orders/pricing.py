"""From lines, a discount and taxes to totals: pure, in integers, by Stripe's documented rules.

Discount before tax, line by line: a percentage of each line, or an amount shared by weight with every part
floored and the rest on the last line. Inclusive tax is carved out of the discounted price, exclusive tax is
added on what is left of it. A delivery without tax stands apart: neither touches it. Ties round half up; each
rate is rounded on each line. All amounts are multiples of the currency's step. Sources:
docs.stripe.com/tax/tax-rates, /billing/subscriptions/prorations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from kopeck.money import half_up


@dataclass(frozen=True, slots=True)
class DiscountRule:
    """`percent` off each line, or `amount` minor units off them all."""

    percent: Fraction | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class TaxRule:
    """A rate in percent, exactly (`Fraction("8.875")`); `inclusive`: it lies inside the price."""

    percentage: Fraction
    inclusive: bool


@dataclass(frozen=True, slots=True)
class LineTotals:
    """Minor units. `taxes` in the order of the rules; `tax_included` is the part of `tax` in the price."""

    subtotal: int
    discount: int
    taxes: tuple[int, ...]
    tax: int
    tax_included: int
    total: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of the lines, in minor units; `taxes` in the order of the rules."""

    lines: tuple[LineTotals, ...]
    subtotal: int
    discount: int
    taxes: tuple[int, ...]
    tax: int
    tax_included: int
    total: int


def price(
    subtotals: Sequence[int],
    discount: DiscountRule | None,
    taxes: Sequence[TaxRule],
    *,
    step: int = 1,
    apart: int | None = None,
) -> Totals:
    """Totals of lines whose subtotals (unit price times quantity, minor units) are given.

    `apart`: the amount of one line more, the last, which has no discount and no tax.

    `step`: what amounts are multiples of (100 for ISK and UGX, 10 where there are three decimals, else 1);
    the subtotals are such multiples already.
    """
    off = _discounts(subtotals, discount, step)
    lines = tuple(_line(subtotal, less, taxes, step) for subtotal, less in zip(subtotals, off, strict=True))
    if apart is not None:
        lines = (*lines, LineTotals(apart, 0, (0,) * len(taxes), 0, 0, apart))
    return Totals(
        lines=lines,
        subtotal=sum(line.subtotal for line in lines),
        discount=sum(line.discount for line in lines),
        taxes=tuple(sum(line.taxes[n] for line in lines) for n in range(len(taxes))),
        tax=sum(line.tax for line in lines),
        tax_included=sum(line.tax_included for line in lines),
        total=sum(line.total for line in lines),
    )


def _discounts(subtotals: Sequence[int], discount: DiscountRule | None, step: int) -> list[int]:
    if discount is None:
        return [0] * len(subtotals)
    if discount.percent is not None:
        share = discount.percent / 100
        return [min(amount, _round(amount * share, step)) for amount in subtotals]
    whole = sum(subtotals)
    off = min(discount.amount or 0, whole)
    if not off:
        return [0] * len(subtotals)
    parts = [off * amount // (whole * step) * step for amount in subtotals]
    rest = off - sum(parts)
    # The last line takes the rest; what it can't bear goes to the line before it, so that none is negative.
    for number in reversed(range(len(parts))):
        more = min(rest, subtotals[number] - parts[number])
        parts[number] += more
        rest -= more
    return parts


def _line(subtotal: int, discount: int, taxes: Sequence[TaxRule], step: int) -> LineTotals:
    paid = subtotal - discount
    inclusive = sum((tax.percentage for tax in taxes if tax.inclusive), Fraction(0)) / 100
    net = Fraction(paid) / (1 + inclusive)
    carved = [_round(net * tax.percentage / 100, step) if tax.inclusive else 0 for tax in taxes]
    base = paid - sum(carved)
    added = [0 if tax.inclusive else _round(base * tax.percentage / 100, step) for tax in taxes]
    return LineTotals(
        subtotal=subtotal,
        discount=discount,
        taxes=tuple(a + b for a, b in zip(carved, added, strict=True)),
        tax=sum(carved) + sum(added),
        tax_included=sum(carved),
        total=paid + sum(added),
    )


def _round(amount: Fraction, step: int) -> int:
    return half_up(amount / step) * step
