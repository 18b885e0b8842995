"""Stripe's amounts against the order's, one by one: what is equal, what may be adopted, what is refused."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from kopeck.catalog.models import Discount, Tax
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.pricing import LineTotals, Totals
from kopeck.orders.wanted import Wanted
from kopeck.payments.amounts import Verdict, compare, read_amounts
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db
EQUAL, ADOPT, REFUSE = Verdict.EQUAL, Verdict.ADOPT, Verdict.REFUSE


def place(
    *prices: int, taxes: int = 0, inclusive: bool = False, off: int = 0, currency: str = "usd"
) -> Order:
    for number in range(taxes):
        Tax.objects.create(
            display_name=f"Tax {number}", percentage=Decimal(10), inclusive=inclusive, is_default=True
        )
    discount = Discount.objects.create(name="Off", amount_off=off, currency=currency) if off else None
    wanted = [Wanted(make_item(price=price, currency=currency), 1) for price in prices]
    return placing.place(wanted, visitor="v" * 64, discount=discount)


def said(order: Order) -> Totals:
    """Stripe's amounts where they are the order's own."""
    lines = tuple(
        LineTotals(
            subtotal=line.subtotal,
            discount=line.discount_amount,
            taxes=(),
            tax=line.tax_amount,
            tax_included=line.tax_included,
            total=line.total,
        )
        for line in order.lines.all()
    )
    return Totals(
        lines=lines,
        subtotal=order.subtotal,
        discount=order.discount_total,
        taxes=tuple(tax.amount for tax in order.taxes.all()),
        tax=order.tax_total,
        tax_included=order.tax_included,
        total=order.total,
    )


def off_by(totals: Totals, *, tax: int = 0, discount: int = 0, subtotal: int = 0, line: int = 0) -> Totals:
    """The same with one line changed, and all that is summed from it: these amounts add up."""
    lines = list(totals.lines)
    more = subtotal - discount + tax
    lines[line] = replace(
        lines[line],
        subtotal=lines[line].subtotal + subtotal,
        discount=lines[line].discount + discount,
        tax=lines[line].tax + tax,
        total=lines[line].total + more,
    )
    taxes = (totals.taxes[0] + tax, *totals.taxes[1:]) if totals.taxes else ()
    return replace(
        totals,
        lines=tuple(lines),
        subtotal=totals.subtotal + subtotal,
        discount=totals.discount + discount,
        taxes=taxes,
        tax=totals.tax + tax,
        total=totals.total + more,
    )


def test_the_same_amounts_are_equal() -> None:
    order = place(1000, 2000, taxes=2, off=500)
    assert compare(order, said(order)) is EQUAL


@pytest.mark.parametrize("where", ["line", "sums", "taxes"])
def test_amounts_are_equal_only_when_lines_sums_and_taxes_all_are(where: str) -> None:
    order = place(1000, 2000, taxes=2)
    theirs = said(order)
    first, second = theirs.lines
    other = {
        "line": {"lines": (replace(first, total=second.total), replace(second, total=first.total))},
        "sums": {"total": theirs.total + 1},
        "taxes": {"taxes": (theirs.taxes[0] + 1, theirs.taxes[1] - 1)},
    }
    assert compare(order, replace(theirs, **other[where])) is not EQUAL


def test_taxes_that_only_lie_otherwise_among_the_rates_are_adopted() -> None:
    order = place(1000, 2000, taxes=2)
    theirs = said(order)
    assert compare(order, replace(theirs, taxes=(theirs.taxes[0] + 1, theirs.taxes[1] - 1))) is ADOPT


@pytest.mark.parametrize(("rates", "allowed"), [(1, 1), (2, 2), (3, 3)])
def test_each_rate_may_round_a_line_by_one(rates: int, allowed: int) -> None:
    order = place(1000, 2000, taxes=rates)
    for line in (0, 1):
        for sign in (1, -1):
            assert compare(order, off_by(said(order), tax=sign * allowed, line=line)) is ADOPT
            assert compare(order, off_by(said(order), tax=sign * (allowed + 1), line=line)) is REFUSE


def test_a_discount_may_be_shared_otherwise_by_one() -> None:
    order = place(1000, 2000, off=500)
    assert compare(order, off_by(said(order), discount=1)) is ADOPT
    assert compare(order, off_by(said(order), discount=-1, line=1)) is ADOPT
    assert compare(order, off_by(said(order), discount=2)) is REFUSE
    taxed = place(1000, 2000, taxes=1, off=500)
    assert compare(taxed, off_by(said(taxed), discount=1, tax=2)) is ADOPT
    assert compare(taxed, off_by(said(taxed), tax=3)) is REFUSE


def test_a_plain_line_must_be_equal() -> None:
    order = place(1000, 2000)
    assert compare(order, off_by(said(order), tax=1)) is REFUSE


def test_a_unit_is_the_currencys_step() -> None:
    order = place(100000, taxes=1, currency="isk")
    assert compare(order, off_by(said(order), tax=100)) is ADOPT
    assert compare(order, off_by(said(order), tax=101)) is REFUSE


def test_the_price_of_a_line_is_never_adopted() -> None:
    order = place(1000, 2000, taxes=2, off=500)
    assert compare(order, off_by(said(order), subtotal=1)) is REFUSE
    assert compare(order, off_by(said(order), subtotal=-1, line=1)) is REFUSE


@pytest.mark.parametrize("fewer", [True, False])
def test_another_number_of_lines_is_refused(fewer: bool) -> None:
    order = place(1000, 0, taxes=1)
    theirs = said(order)
    lines = theirs.lines[:1] if fewer else (*theirs.lines, theirs.lines[1])
    assert compare(order, replace(theirs, lines=lines)) is REFUSE


@pytest.mark.parametrize(
    "part", ["subtotal", "discount", "tax", "total", "taxes", "line's total", "line's tax", "line's discount"]
)
def test_what_is_near_but_does_not_add_up_is_refused(part: str) -> None:
    """Within what rounding may do, and yet: what is adopted must keep the order's own promises."""
    order = place(1000, 2000, taxes=2, off=500)
    theirs = off_by(said(order), tax=1)
    assert compare(order, theirs) is ADOPT
    if part.startswith("line's "):
        name = part.removeprefix("line's ")
        first, second = theirs.lines
        changed = replace(theirs, lines=(replace(first, **{name: getattr(first, name) + 1}), second))
    elif part == "taxes":
        changed = replace(theirs, taxes=(theirs.taxes[0] + 1, theirs.taxes[1]))
    else:
        changed = replace(theirs, **{part: getattr(theirs, part) + 1})
    assert compare(order, changed) is REFUSE


@pytest.mark.parametrize("part", ["total", "tax_included"])
def test_tax_in_the_price_adds_nothing_to_a_line(part: str) -> None:
    order = place(1100, taxes=1, inclusive=True)
    (line,) = said(order).lines
    assert (line.tax, line.tax_included, line.total) == (100, 100, 1100)
    both = replace(off_by(said(order), tax=1), lines=(replace(line, tax=101, tax_included=101),))
    near = replace(both, total=1100, tax_included=101)
    assert compare(order, near) is ADOPT
    (line,) = near.lines
    wrong = replace(near, lines=(replace(line, **{part: getattr(line, part) + 1}),))
    assert compare(order, wrong) is REFUSE


def tax_of(rate: str, amount: int, *, inclusive: bool = False) -> dict[str, Any]:
    return {"amount": amount, "rate": {"id": rate, "inclusive": inclusive}}


def test_a_sessions_amounts_are_read_line_by_line_and_rate_by_rate() -> None:
    """Two lines, the second with one rate twice; taxes come in the order of the order's rates."""
    lines = [
        {
            "amount_subtotal": 1000, "amount_discount": 100, "amount_tax": 135, "amount_total": 990,
            "taxes": [tax_of("txr_in", 45, inclusive=True), tax_of("txr_out", 90)],
        },
        {
            "amount_subtotal": 2000, "amount_discount": 200, "amount_tax": 30, "amount_total": 1830,
            "taxes": [tax_of("txr_out", 10), tax_of("txr_out", 20)],
        },
    ]  # fmt: skip
    breakdown = {
        "taxes": [tax_of("txr_in", 45, inclusive=True), tax_of("txr_out", 90), tax_of("txr_out", 30)]
    }
    session = {
        "line_items": {"data": lines}, "amount_subtotal": 3000, "amount_total": 2820,
        "total_details": {"amount_discount": 300, "amount_tax": 165, "breakdown": breakdown},
    }  # fmt: skip
    assert read_amounts(session, ["txr_out", "txr_none", "txr_in"]) == Totals(
        lines=(
            LineTotals(1000, 100, (90, 0, 45), 135, 45, 990),
            LineTotals(2000, 200, (30, 0, 0), 30, 0, 1830),
        ),
        subtotal=3000,
        discount=300,
        taxes=(120, 0, 45),
        tax=165,
        tax_included=45,
        total=2820,
    )


@pytest.mark.parametrize("taxes", [{}, {"taxes": None}, {"taxes": []}])
def test_a_line_without_taxes_has_none(taxes: dict[str, Any]) -> None:
    line = {"amount_subtotal": 500, "amount_discount": 0, "amount_tax": 0, "amount_total": 500, **taxes}
    session = {
        "line_items": {"data": [line]}, "amount_subtotal": 500, "amount_total": 500,
        "total_details": {"amount_discount": 0, "amount_tax": 0, "breakdown": {"taxes": []}},
    }  # fmt: skip
    assert read_amounts(session, ["txr_out"]).lines == (LineTotals(500, 0, (0,), 0, 0, 500),)


def test_taxes_in_the_price_of_one_line_are_summed() -> None:
    taxes = [tax_of("txr_in", 45, inclusive=True), tax_of("txr_too", 9, inclusive=True)]
    line = {
        "amount_subtotal": 500,
        "amount_discount": 0,
        "amount_tax": 54,
        "amount_total": 500,
        "taxes": taxes,
    }
    session = {
        "line_items": {"data": [line]}, "amount_subtotal": 500, "amount_total": 500,
        "total_details": {"amount_discount": 0, "amount_tax": 54, "breakdown": {"taxes": taxes}},
    }  # fmt: skip
    amounts = read_amounts(session, ["txr_in", "txr_too"])
    assert (amounts.taxes, amounts.tax_included) == ((45, 9), 54)
    assert amounts.lines == (LineTotals(500, 0, (45, 9), 54, 54, 500),)
