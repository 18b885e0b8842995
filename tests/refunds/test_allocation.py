"""Whatever is refunded, in whatever order and pieces: the parts sum exactly to the whole. (pain 17)"""

from dataclasses import asdict
from fractions import Fraction
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopeck.money import CURRENCIES
from kopeck.orders.pricing import DiscountRule, TaxRule, price
from kopeck.refunds import allocation
from kopeck.refunds.allocation import Part
from kopeck.refunds.models import Refund

FIELDS = ("quantity", "subtotal", "discount", "tax", "tax_included", "amount")

RATES = st.sampled_from([Fraction(19), Fraction("8.875"), Fraction("5.5"), Fraction(100), Fraction("0.1")])
DISCOUNTS = st.one_of(
    st.none(),
    st.builds(DiscountRule, percent=st.sampled_from([Fraction("33.33"), Fraction(50), Fraction(100)])),
    st.integers(1, 5000),
)


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[Part], int]:
    """Lines as the shop's own pricing makes them, and the currency's step."""
    step = draw(st.sampled_from([1, 1, 10, 100]))
    prices = st.integers(1, 4000) | st.integers(1, CURRENCIES["idr"].maximum)
    lines = draw(st.lists(st.tuples(prices, st.integers(1, 7)), min_size=1, max_size=5))
    discount = draw(DISCOUNTS)
    rule = DiscountRule(amount=discount * step) if isinstance(discount, int) else discount
    taxes = draw(st.lists(st.builds(TaxRule, RATES, st.booleans()), max_size=2))
    totals = price([unit * step * quantity for unit, quantity in lines], rule, taxes, step=step)
    whole = [
        Part(number, quantity, line.subtotal, line.discount, line.tax, line.tax_included)
        for number, ((_, quantity), line) in enumerate(zip(lines, totals.lines, strict=True))
    ]
    assert allocation.total(whole) == totals.total
    return whole, step


def draw_refund(data: st.DataObject, left: list[Part], step: int) -> list[Part]:
    """Pieces of lines, an amount, or all of the rest."""
    money = allocation.total(left)
    kind = data.draw(st.sampled_from(["lines", "amount", "rest"]))
    goods = {part.line: part.quantity for part in left if part.quantity}
    if kind == "lines" and goods:
        wanted = {line: data.draw(st.integers(0, most)) for line, most in goods.items()}
        return allocation.of_lines(left, wanted, step=step)
    if not money:
        return []
    amount = money if kind == "rest" else data.draw(st.integers(1, money // step)) * step
    taken = allocation.of_amount(left, amount, step=step)
    assert allocation.total(taken) == amount
    return taken


@given(orders(), st.data())
def test_any_sequence_of_refunds_sums_exactly_to_the_whole(
    order: tuple[list[Part], int], data: st.DataObject
) -> None:
    whole, step = order
    refunded: list[Part] = []
    left = whole
    for _refund in range(12):
        taken = draw_refund(data, left, step)
        for part in taken:
            assert part.amount >= 0
            assert part.amount % step == 0
            assert all(getattr(part, name) >= 0 for name in FIELDS)
        refunded += taken
        left = allocation.left_of(whole, refunded)
        assert all(getattr(part, name) >= 0 for part in left for name in FIELDS)
        assert allocation.total(refunded) + allocation.total(left) == allocation.total(whole)
    last = [part for part in left if part]
    refunded += last
    for line in whole:
        mine = [part for part in refunded if part.line == line.line]
        for name in FIELDS:
            assert sum(getattr(part, name) for part in mine) == getattr(line, name), name


@given(orders(), st.data())
def test_pieces_refunded_one_by_one_come_to_what_was_paid(
    order: tuple[list[Part], int], data: st.DataObject
) -> None:
    whole, step = order
    pieces = data.draw(st.permutations([part.line for part in whole for _ in range(part.quantity)]))
    refunded: list[Part] = []
    for line in pieces:
        refunded += allocation.of_lines(allocation.left_of(whole, refunded), {line: 1}, step=step)
    assert allocation.left_of(whole, refunded) == [Part(part.line, 0, 0, 0, 0, 0) for part in whole]


@given(orders(), st.data())
def test_a_refund_that_failed_leaves_what_there_was_before(
    order: tuple[list[Part], int], data: st.DataObject
) -> None:
    whole, step = order
    refunds: list[list[Part]] = []
    for _refund in range(5):
        refunds.append(draw_refund(data, allocation.left_of(whole, chain.from_iterable(refunds)), step))
    refunds.pop(data.draw(st.integers(0, len(refunds) - 1)))
    left = allocation.left_of(whole, chain.from_iterable(refunds))
    assert all(part.amount >= 0 for part in left)
    money = allocation.total(left)
    if money:
        assert allocation.total(allocation.of_amount(left, money, step=step)) == money


def test_a_piece_carries_its_share_of_discount_and_tax() -> None:
    """Three at 10.00, 5.00 off, 19 % on top of 25.00."""
    line = Part(line=1, quantity=3, subtotal=3000, discount=500, tax=475, tax_included=0)
    (one,) = allocation.of_lines([line], {1: 1})
    assert (one.subtotal, one.discount, one.tax, one.amount) == (1000, 166, 158, 992)
    (two,) = allocation.of_lines(allocation.left_of([line], [one]), {1: 2})
    assert (two.subtotal, two.discount, two.tax, two.amount) == (2000, 334, 317, 1983)
    assert one.amount + two.amount == line.amount == 2975


def test_tax_that_lies_in_the_price_is_told_and_not_added() -> None:
    line = Part(line=1, quantity=2, subtotal=2000, discount=0, tax=319, tax_included=319)
    (one,) = allocation.of_lines([line], {1: 1})
    assert (one.tax, one.tax_included, one.amount) == (159, 159, 1000)


def test_an_amount_is_shared_by_weight_and_the_last_line_takes_the_rest() -> None:
    lines = [Part(n, 1, 1000, 0, 0, 0) for n in range(3)]
    assert [part.amount for part in allocation.of_amount(lines, 1000)] == [333, 333, 334]
    assert [part.quantity for part in allocation.of_amount(lines, 1000)] == [0, 0, 0]


@pytest.mark.parametrize("quantities", [{1: 3}, {1: -1}, {2: 1}])
def test_more_than_is_left_of_a_line_is_refused(quantities: dict[int, int]) -> None:
    ((line, quantity),) = quantities.items()
    with pytest.raises(ValueError, match=f"^line {line} has no {quantity} left$"):
        allocation.of_lines([Part(1, 2, 2000, 0, 0, 0)], quantities)


@pytest.mark.parametrize("amount", [0, -1, 2001, 150])
def test_an_amount_that_is_not_there_is_refused(amount: int) -> None:
    with pytest.raises(ValueError, match=f"^{amount} can't be taken of 2000$"):
        allocation.of_amount([Part(1, 2, 2000, 0, 0, 0)], amount, step=100)


def test_a_part_is_nothing_only_when_goods_price_and_tax_are_all_gone() -> None:
    assert not Part(1, 0, 0, 0, 0, 0)
    assert Part(1, 2, 0, 0, 0, 0)
    assert Part(1, 0, 300, 300, 0, 0)
    assert Part(1, 0, 0, 0, 7, 0)


def test_what_is_left_when_the_last_is_taken_goes_whole_and_lines_without_anything_are_no_part_of_it() -> (
    None
):
    """Goods that cost nothing go back too."""
    gift, done, paid = Part(1, 1, 500, 500, 0, 0), Part(2, 0, 0, 0, 0, 0), Part(3, 2, 2000, 0, 380, 0)
    assert allocation.of_amount([gift, done, paid], 2380) == [gift, paid]


def test_lines_that_are_asked_for_none_are_skipped_and_one_that_is_whole_is_taken_as_it_is() -> None:
    whole = [Part(1, 3, 1000, 1, 100, 99), Part(2, 1, 50, 0, 0, 0)]
    assert allocation.of_lines(whole, {1: 3, 2: 0, 7: 0}) == whole[:1]
    assert allocation.of_lines(whole, {}) == []


def test_money_of_a_line_takes_its_part_of_discount_and_of_both_kinds_of_tax() -> None:
    """Half of 100.00, less 10.00, with 9.00 of tax inside and 18.00 on top: 54.00 of 108.00."""
    line = Part(line=7, quantity=4, subtotal=10000, discount=1000, tax=2700, tax_included=900)
    assert line.amount == 10800
    (half,) = allocation.of_amount([line], 5400)
    assert half == Part(line=7, quantity=0, subtotal=5000, discount=500, tax=1350, tax_included=450)
    (piece,) = allocation.of_lines([line], {7: 1})
    assert piece == Part(line=7, quantity=1, subtotal=2500, discount=250, tax=675, tax_included=225)
    assert (piece.amount, piece.added) == (2700, 450)
    (three,) = allocation.of_lines([line], {7: 3})
    assert three == Part(line=7, quantity=3, subtotal=7500, discount=750, tax=2025, tax_included=675)
    for part in (half, piece, three):
        assert all(type(amount) is int for amount in asdict(part).values())


def test_parts_are_whole_steps_of_the_currency() -> None:
    """A third of 1,000 crowns, less 100, with 90 of tax inside and 180 on top."""
    line = Part(line=7, quantity=3, subtotal=100000, discount=10000, tax=27000, tax_included=9000)
    (piece,) = allocation.of_lines([line], {7: 1}, step=100)
    assert piece == Part(line=7, quantity=1, subtotal=33300, discount=3300, tax=9000, tax_included=3000)
    (money,) = allocation.of_amount([line], 10000, step=100)
    assert money == Part(line=7, quantity=0, subtotal=9300, discount=900, tax=2400, tax_included=800)


def test_lines_that_can_bear_no_more_leave_the_rest_to_those_before_them() -> None:
    lines = [Part(number, 1, 3, 0, 0, 0) for number in range(10)]
    taken = allocation.of_amount(lines, 29)
    assert [part.amount for part in taken] == [2] + [3] * 9
    assert {part.quantity for part in taken} == {0}
    small = [Part(number, 1, 1, 0, 0, 0) for number in range(3)]
    assert [part.line for part in allocation.of_amount(small, 2)] == [1, 2]


def test_the_parts_of_a_refund_are_kept_as_plain_numbers() -> None:
    fields = {"line": 1, "quantity": 2, "subtotal": 3, "discount": 4, "tax": 5, "tax_included": 6}
    refund = Refund()
    refund.parts = [Part(**fields)]
    assert refund.allocation == [fields]
    assert refund.parts == [Part(**fields)]
