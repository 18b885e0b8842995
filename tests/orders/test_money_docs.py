"""The worked numbers of docs/money.md are what the shop computes."""

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from kopeck.money import to_minor
from kopeck.orders.pricing import DiscountRule, TaxRule, price

PAGE = Path(__file__).resolve().parents[2] / "docs" / "money.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if re.match(r"\| \d", line)
]


def minor(text: str) -> int:
    return to_minor(Decimal(text), "usd")


def discount(text: str) -> DiscountRule | None:
    if text == "-":
        return None
    if text.endswith("%"):
        return DiscountRule(percent=Fraction(text.removesuffix("%").strip()))
    return DiscountRule(amount=minor(text.removesuffix("off").strip()))


def tax(text: str) -> TaxRule:
    return TaxRule(Fraction(text.split("%")[0].strip()), inclusive=text.endswith("incl."))


def test_the_page_has_its_rows() -> None:
    assert len(ROWS) >= 11


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]} {row[2]}")
def test_a_worked_number_is_what_we_compute(row: list[str]) -> None:
    lines, off, taxes, tax_total, total, _source = row
    rules = [] if taxes == "-" else [tax(part.strip()) for part in taxes.split(",")]
    totals = price([minor(part) for part in lines.split("+")], discount(off), rules)
    assert (totals.tax, totals.total) == (minor(tax_total), minor(total))
