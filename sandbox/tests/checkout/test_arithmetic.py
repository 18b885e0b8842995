"""The arithmetic against Stripe's worked examples, and what must hold for any order.

Numbers: docs.stripe.com/tax/tax-rates and /billing/subscriptions/prorations, and recorded answers.
"""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some

from stripe_sandbox.rules.arithmetic import Discount, Line, LineTotal, Rate, compute, rounded, share


def lines(*amounts: int, rates: Sequence[Rate] = ()) -> list[Line]:
    return [Line(Fraction(amount), 1, rates) for amount in amounts]


def exclusive(percentage: str) -> Rate:
    return Rate(Fraction(percentage), inclusive=False)


def inclusive(percentage: str) -> Rate:
    return Rate(Fraction(percentage), inclusive=True)


def percent(value: str) -> Discount:
    return Discount(percent=Fraction(value))


def taxes(totals: Sequence[LineTotal]) -> list[int]:
    return [total.tax for total in totals]


def total_of(totals: Sequence[LineTotal]) -> int:
    return sum(total.total for total in totals)


def test_exclusive_tax_is_added() -> None:
    [total] = compute(lines(500, rates=[exclusive("25")]))
    assert (total.tax, total.total) == (125, 625)


def test_inclusive_tax_is_carved_out() -> None:
    [total] = compute(lines(500, rates=[inclusive("25")]))
    assert (total.tax, total.total) == (100, 500)


def test_a_discount_comes_before_exclusive_tax_and_ties_go_up() -> None:
    totals = compute(lines(500, 1000, rates=[exclusive("5")]), percent("10"))
    assert [total.discount for total in totals] == [50, 100]
    assert taxes(totals) == [23, 45]  # 0.225 and 0.45
    assert total_of(totals) == 1418


def test_a_discount_comes_before_inclusive_tax() -> None:
    totals = compute(lines(500, 1000, rates=[inclusive("5")]), percent("10"))
    assert taxes(totals) == [21, 43]
    assert total_of(totals) == 1350


def test_lines_are_rounded_before_they_are_summed() -> None:
    totals = compute(lines(100_000, 5_000, rates=[inclusive("10")]))
    assert taxes(totals) == [9091, 455]
    assert sum(taxes(totals)) == 9546


def test_sum_then_round_is_another_account_s_setting() -> None:
    totals = compute(lines(100_000, 5_000, rates=[inclusive("10")]), rounding="total")
    assert sum(taxes(totals)) == 9545


def test_half_even_is_told_apart_from_half_up() -> None:
    assert taxes(compute(lines(450, rates=[exclusive("5")]))) == [23]
    assert taxes(compute(lines(450, rates=[exclusive("5")]), rounding="half_even")) == [22]


def test_an_amount_off_is_floored_and_the_rest_goes_to_the_last_line() -> None:
    totals = compute(lines(1000, 2000), Discount(amount=500))
    assert [total.discount for total in totals] == [166, 334]


@pytest.mark.parametrize(
    ("weights", "amount", "parts"),
    [
        ((12_000,), 1_000, [1_000]),
        ((1, 1, 1), 2, [0, 1, 1]),  # the last line cannot take both
        ((1000, 0), 999, [999, 0]),
        ((333, 333, 334), 100, [33, 33, 34]),
        ((500, 500), 2_000, [500, 500]),
        ((0, 0), 10, [0, 0]),
    ],
)
def test_an_amount_off_never_takes_more_than_a_line_costs(
    weights: tuple[int, ...], amount: int, parts: list[int]
) -> None:
    assert share(weights, Discount(amount=amount)) == parts


def test_a_mixed_line_takes_inclusive_tax_out_first() -> None:
    [total] = compute(lines(450, rates=[inclusive("5"), exclusive("7")]))
    assert [tax.amount for tax in total.taxes] == [21, 30]
    assert total.total == 480


def test_several_exclusive_rates_do_not_compound() -> None:
    [total] = compute(lines(1000, rates=[exclusive("10"), exclusive("10")]))
    assert (total.tax, total.total) == (200, 1200)


@pytest.mark.parametrize(
    ("price", "rate", "tax"),
    [(999, "7", 65), (4000, "15", 522), (10_000, "10", 909)],
)
def test_recorded_inclusive_taxes(price: int, rate: str, tax: int) -> None:
    assert taxes(compute(lines(price, rates=[inclusive(rate)]))) == [tax]


def test_a_recorded_invoice() -> None:
    totals = compute(lines(15_660, 7_047, rates=[exclusive("7.95")]))
    assert taxes(totals) == [1245, 560]


def test_a_full_discount_leaves_nothing_to_tax() -> None:
    totals = compute(lines(500, 500, rates=[exclusive("20")]), percent("100"))
    assert [total.discount for total in totals] == [500, 500]
    assert (total_of(totals), taxes(totals)) == (0, [0, 0])


def test_a_coupon_for_some_lines_leaves_the_others_whole() -> None:
    basket = [Line(Fraction(1000), 1), Line(Fraction(2000), 1, discountable=False)]
    assert [total.discount for total in compute(basket, Discount(amount=1_500))] == [1000, 0]


def test_four_decimals_of_a_rate_count() -> None:
    assert taxes(compute(lines(1_000_000, rates=[exclusive("8.8753")]))) == [88_753]


def test_rounding_of_ties() -> None:
    ties = [Fraction(1, 2), Fraction(3, 2), Fraction(5, 2)]
    assert [rounded(tie) for tie in ties] == [1, 2, 3]
    assert [rounded(tie, "half_even") for tie in ties] == [0, 2, 2]


RATES = some.builds(
    Rate,
    percentage=some.integers(0, 500_000).map(lambda n: Fraction(n, 10_000)),
    inclusive=some.booleans(),
)
LINES = some.builds(
    Line,
    unit=some.integers(0, 100_000).map(Fraction),
    quantity=some.integers(1, 50),
    rates=some.lists(RATES, max_size=3).map(tuple),
)
DISCOUNTS = (
    some.none()
    | some.builds(Discount, percent=some.integers(1, 10_000).map(lambda n: Fraction(n, 100)))
    | some.builds(Discount, amount=some.integers(1, 10_000_000))
)


@given(
    some.lists(LINES, min_size=1, max_size=8), DISCOUNTS, some.sampled_from(["half_up", "half_even", "total"])
)
def test_every_order_adds_up(basket: list[Line], discount: Discount | None, rounding: str) -> None:
    totals = compute(basket, discount, rounding)
    subtotal = sum(total.subtotal for total in totals)
    off = sum(total.discount for total in totals)
    if discount and discount.amount is not None:
        assert off == min(discount.amount, subtotal)
    for line, total in zip(basket, totals, strict=True):
        assert 0 <= total.discount <= total.subtotal
        added = sum(
            tax.amount for rate, tax in zip(line.rates, total.taxes, strict=True) if not rate.inclusive
        )
        assert total.total == total.subtotal - total.discount + added
        assert total.tax == sum(tax.amount for tax in total.taxes)
        assert all(tax.amount >= 0 for tax in total.taxes)
