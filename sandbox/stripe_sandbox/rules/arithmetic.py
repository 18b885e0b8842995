"""The arithmetic of Checkout: discounts and taxes on lines, in integer minor units, exact until rounded.

A discount comes before tax; ties round half up; each rate is rounded on each line. Rules and worked
numbers: docs.stripe.com/tax/tax-rates, /payments/checkout/discounts, /billing/subscriptions/prorations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

HALF_UP, HALF_EVEN, TOTAL = "half_up", "half_even", "total"


@dataclass(frozen=True)
class Rate:
    """A tax rate: `percentage` as in 20 or 8.875, exactly."""

    percentage: Fraction
    inclusive: bool


@dataclass(frozen=True)
class Line:
    """`unit` is the price of one in minor units (a fraction where it was given as a decimal)."""

    unit: Fraction
    quantity: int
    rates: Sequence[Rate] = ()
    discountable: bool = True


@dataclass(frozen=True)
class Discount:
    """Either `percent` (of each line) or `amount` (minor units, shared over the lines)."""

    percent: Fraction | None = None
    amount: int | None = None


@dataclass(frozen=True)
class Tax:
    """One rate on one line: what it comes to, and of what."""

    amount: int
    taxable: int


@dataclass(frozen=True)
class LineTotal:
    """Minor units. `subtotal` is before discount and exclusive tax; `taxes` stand in the order of the line's
    rates; `tax` is their sum, of which only the exclusive part is added to `total`."""

    subtotal: int
    discount: int
    taxes: tuple[Tax, ...]
    tax: int
    total: int


def compute_in_steps(
    lines: Sequence[Line], discount: Discount | None, rounding: str, step: int
) -> list[LineTotal]:
    """`compute` for a currency whose amounts are multiples of `step` minor units: ISK and UGX have no
    decimals, though Stripe counts them in hundredths, and the last of three decimals is always 0."""
    if step == 1:
        return compute(lines, discount, rounding)
    scaled = [replace(line, unit=line.unit / step) for line in lines]
    if discount and discount.amount is not None:
        discount = Discount(amount=discount.amount // step)
    return [_scaled(total, step) for total in compute(scaled, discount, rounding)]


def _scaled(total: LineTotal, step: int) -> LineTotal:
    return LineTotal(
        subtotal=total.subtotal * step,
        discount=total.discount * step,
        taxes=tuple(Tax(tax.amount * step, tax.taxable * step) for tax in total.taxes),
        tax=total.tax * step,
        total=total.total * step,
    )


def compute(
    lines: Sequence[Line], discount: Discount | None = None, rounding: str = HALF_UP
) -> list[LineTotal]:
    """What each line comes to. `rounding` "half_even" and "total" (a rate is summed over the lines, then
    rounded) are what a Stripe that differs from the documents might do."""
    subtotals = [rounded(line.unit * line.quantity, rounding) for line in lines]
    weights = [subtotal if line.discountable else 0 for line, subtotal in zip(lines, subtotals, strict=True)]
    discounts = share(weights, discount, rounding) if discount else [0] * len(lines)
    exact = [
        taxes_of(line.rates, subtotal - off, rounding)
        for line, subtotal, off in zip(lines, subtotals, discounts, strict=True)
    ]
    taxes = _summed_first(lines, exact) if rounding == TOTAL else exact
    return [
        _line_total(*parts)
        for parts in zip(lines, subtotals, discounts, _settled(taxes, rounding), strict=True)
    ]


def share(weights: Sequence[int], discount: Discount, rounding: str = HALF_UP) -> list[int]:
    """The discount of each line. A percentage is taken of each; an amount is spread by weight, each line's
    part floored and the rest given to the last line; nothing goes below zero."""
    if discount.percent is not None:
        return [min(weight, rounded(weight * discount.percent / 100, rounding)) for weight in weights]
    total = sum(weights)
    amount = min(discount.amount or 0, total)
    parts = [weight * amount // total if total else 0 for weight in weights]
    rest = amount - sum(parts)
    # The rest may be more than the last line still costs; what is over goes to the one before it.
    for place in reversed(range(len(weights))):
        taken = min(rest, weights[place] - parts[place])
        parts[place] += taken
        rest -= taken
    return parts


def taxes_of(rates: Sequence[Rate], price: int, rounding: str = HALF_UP) -> list[tuple[Fraction, int]]:
    """(exact tax, taxable amount) for each rate on a discounted price. Inclusive rates are carved out of the
    price first, P - P/(1+r); exclusive ones are then taken of what is left, each on the same base."""
    inclusive = sum((rate.percentage for rate in rates if rate.inclusive), Fraction(0)) / 100
    net = Fraction(price) / (1 + inclusive)
    carved = {place: net * rate.percentage / 100 for place, rate in enumerate(rates) if rate.inclusive}
    base = price - sum(rounded(tax, rounding) for tax in carved.values())
    return [
        (carved[place] if rate.inclusive else base * rate.percentage / 100, base)
        for place, rate in enumerate(rates)
    ]


def rounded(value: Fraction, rounding: str = HALF_UP) -> int:
    """To a whole minor unit; ties up (away from zero for what is positive), or to the even one."""
    return round(value) if rounding == HALF_EVEN else floor(value + Fraction(1, 2))


Exact = list[tuple[Fraction, int]]


def _settled(taxes: Sequence[Exact], rounding: str) -> list[tuple[Tax, ...]]:
    return [tuple(Tax(rounded(amount, rounding), base) for amount, base in line) for line in taxes]


def _summed_first(lines: Sequence[Line], exact: Sequence[Exact]) -> list[Exact]:
    """Round each rate's sum instead of its parts: a line gets what its coming adds to the rounded running
    sum."""
    running: dict[Rate, Fraction] = {}
    result = []
    for line, taxes in zip(lines, exact, strict=True):
        parts: Exact = []
        for rate, (amount, base) in zip(line.rates, taxes, strict=True):
            before = running.get(rate, Fraction(0))
            running[rate] = before + amount
            parts.append((Fraction(rounded(running[rate]) - rounded(before)), base))
        result.append(parts)
    return result


def _line_total(line: Line, subtotal: int, discount: int, taxes: tuple[Tax, ...]) -> LineTotal:
    added = sum(tax.amount for rate, tax in zip(line.rates, taxes, strict=True) if not rate.inclusive)
    return LineTotal(
        subtotal=subtotal,
        discount=discount,
        taxes=taxes,
        tax=sum(tax.amount for tax in taxes),
        total=subtotal - discount + added,
    )
