"""Totals by Stripe's documented rules: its worked numbers, the threads' numbers, what always holds."""

from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopeck.money import CURRENCIES
from kopeck.orders.pricing import DiscountRule, TaxRule, Totals, price


def excl(percent: str) -> TaxRule:
    return TaxRule(F(percent), inclusive=False)


def incl(percent: str) -> TaxRule:
    return TaxRule(F(percent), inclusive=True)


def percent(number: str) -> DiscountRule:
    return DiscountRule(percent=F(number))


def off(amount: int) -> DiscountRule:
    return DiscountRule(amount=amount)


@pytest.mark.parametrize(
    ("lines", "discount", "taxes", "tax", "total"),
    [
        ([500], None, [excl("25")], [125], 625),
        ([500], None, [incl("25")], [100], 500),
        ([500, 1000], percent("10"), [excl("5")], [23, 45], 1418),
        ([500, 1000], percent("10"), [incl("5")], [21, 43], 1350),
        ([100000, 5000], None, [incl("10")], [9091, 455], 105000),
        ([999], None, [incl("7")], [65], 999),
        ([4000], None, [incl("15")], [522], 4000),
        ([450], None, [incl("5"), excl("7")], [21 + 30], 480),
        ([10000], off(20000), [excl("20")], [0], 0),
        ([500, 500], percent("100"), [excl("20")], [0, 0], 0),
        ([12000], off(1000), [], [0], 11000),
        # From threads: $195 with a 50 % coupon and 25 % tax; $49.50 shown and $45 charged.
        ([19500], percent("50"), [excl("25")], [2438], 12188),
        ([4950], percent("10"), [incl("10")], [405], 4455),
        # 8.875 %, the rate of New York City.
        ([1399], None, [excl("8.875")], [124], 1523),
    ],
)
def test_the_worked_numbers(
    lines: list[int], discount: DiscountRule | None, taxes: list[TaxRule], tax: list[int], total: int
) -> None:
    """pains 7 and 8"""
    totals = price(lines, discount, taxes)
    assert [line.tax for line in totals.lines] == tax
    assert totals.total == total


@pytest.mark.parametrize(
    ("lines", "amount", "parts"),
    [
        ([1000, 2000], 500, [166, 334]),  # Stripe's own example
        ([1000, 1000, 1000], 1000, [333, 333, 334]),
        ([333, 333, 333], 100, [33, 33, 34]),
        ([1, 1, 1], 2, [0, 1, 1]),  # the last line can't bear the rest
        ([3] * 10, 29, [2] + [3] * 9),  # nor can those before it, which have their part already
        ([0, 500], 100, [0, 100]),
        ([100], 250, [100]),
        ([100], 0, [0]),
        ([0, 0], 100, [0, 0]),
    ],
)
def test_an_amount_off_is_shared_by_weight_with_the_rest_on_the_last_line(
    lines: list[int], amount: int, parts: list[int]
) -> None:
    assert [line.discount for line in price(lines, off(amount), []).lines] == parts


def test_ties_go_up_where_pythons_round_would_not() -> None:
    assert price([450], None, [excl("5")]).tax == 23


def test_several_rates_are_each_taken_of_the_same_base_and_rounded_alone() -> None:
    totals = price([1050], None, [excl("5"), excl("5")])
    assert totals.taxes == (53, 53)
    assert totals.total == 1156


def test_currencies_without_decimals_stay_whole() -> None:
    """5 % of 1,050 ISK, sent as 105000, is 53 ISK and not 52.50; amounts off are shared in whole crowns."""
    assert price([105000], None, [excl("5")], step=100).tax == 5300
    assert [line.discount for line in price([100, 200], off(100), [], step=100).lines] == [0, 100]


percentages = st.decimals("0.01", "100", places=4).map(F)
taxes = st.lists(st.builds(TaxRule, st.decimals("0", "100", places=4).map(F), st.booleans()), max_size=4)


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[int], DiscountRule | None, list[TaxRule], int]:
    of = CURRENCIES[draw(st.sampled_from(sorted(CURRENCIES)))]
    step, most = of.step, of.maximum // of.step
    lines = [n * step for n in draw(st.lists(st.integers(0, most // 20), min_size=1, max_size=20))]
    discount = draw(
        st.none()
        | percentages.map(lambda p: DiscountRule(percent=p))
        | st.integers(1, most).map(lambda n: DiscountRule(amount=n * step))
    )
    return lines, discount, draw(taxes), step


@given(orders())
def test_parts_sum_to_the_whole_and_nothing_is_negative(
    order: tuple[list[int], DiscountRule | None, list[TaxRule], int],
) -> None:
    lines, discount, rules, step = order
    totals = price(lines, discount, rules, step=step)
    for one in totals.lines:
        assert one.total == one.subtotal - one.discount + one.tax - one.tax_included
        assert one.tax == sum(one.taxes)
        assert 0 <= one.discount <= one.subtotal
        assert 0 <= one.tax_included <= one.tax
        assert one.tax_included <= one.subtotal - one.discount
        assert min(one.taxes, default=0) >= 0
        for amount in (one.discount, *one.taxes, one.total):
            assert type(amount) is int
            assert amount % step == 0
    for name in ("subtotal", "discount", "tax", "tax_included", "total"):
        assert getattr(totals, name) == sum(getattr(line, name) for line in totals.lines)
    assert sum(totals.taxes) == totals.tax
    assert_the_discount_is_whole(totals, discount)


def assert_the_discount_is_whole(totals: Totals, discount: DiscountRule | None) -> None:
    if discount is not None and discount.amount is not None:
        assert totals.discount == min(discount.amount, totals.subtotal)


@given(orders())
def test_a_line_alone_costs_what_it_costs_among_others_unless_an_amount_is_shared(
    order: tuple[list[int], DiscountRule | None, list[TaxRule], int],
) -> None:
    lines, discount, rules, step = order
    if discount is not None and discount.amount is not None:
        discount = None
    together = price(lines, discount, rules, step=step)
    assert together.lines == tuple(price([line], discount, rules, step=step).lines[0] for line in lines)


def test_no_float_is_written_anywhere_money_is_counted() -> None:
    import ast
    import inspect

    from kopeck import money
    from kopeck.orders import lines, models, pricing
    from kopeck.payments import amounts

    for module in (money, pricing, models, lines, amounts):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), module
            assert not (isinstance(node, ast.Name) and node.id == "float"), module
            # A division of integers makes a float; ours divide Fractions, or use //.
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                assert module in (pricing,), module
