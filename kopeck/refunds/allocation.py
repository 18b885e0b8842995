"""Which part of an order is refunded: pure, in integer minor units, never more or less than the whole.

An allocation is a list of parts: pieces of an order's line with their price, discount and tax. Each refund
takes from what is left. Fractions are floored to the currency's step, and the last refund takes the
rest. So all refunds of an order sum to the order, whatever their kinds and their order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the order line `line` (its id). `amount` = subtotal - discount + (tax - tax_included)."""

    line: int
    quantity: int
    subtotal: int
    discount: int
    tax: int
    tax_included: int

    @property
    def amount(self) -> int:
        """What the buyer paid for it."""
        return self.subtotal - self.discount + self.added

    @property
    def added(self) -> int:
        """The tax that came on top of the price."""
        return self.tax - self.tax_included

    def __sub__(self, other: "Part") -> "Part":
        return replace(
            self,
            quantity=self.quantity - other.quantity,
            subtotal=self.subtotal - other.subtotal,
            discount=self.discount - other.discount,
            tax=self.tax - other.tax,
            tax_included=self.tax_included - other.tax_included,
        )

    def __bool__(self) -> bool:
        return bool(self.quantity or self.subtotal or self.tax)


def left_of(lines: Sequence[Part], refunded: Iterable[Part]) -> list[Part]:
    """What of the lines is left when these parts are refunded; one a line, in the lines' order."""
    left = {part.line: part for part in lines}
    for part in refunded:
        left[part.line] -= part
    return list(left.values())


def total(parts: Iterable[Part]) -> int:
    return sum(part.amount for part in parts)


def of_lines(left: Sequence[Part], quantities: Mapping[int, int], *, step: int = 1) -> list[Part]:
    """Pieces of lines: `quantities` by line id, each at most what is left (ValueError). Zeros are skipped."""
    known = {part.line: part for part in left}
    wanted = {line: quantity for line, quantity in quantities.items() if quantity}
    for line, quantity in wanted.items():
        if line not in known or not 0 < quantity <= known[line].quantity:
            raise ValueError(f"line {line} has no {quantity} left")
    return [_pieces(known[line], quantity, step) for line, quantity in wanted.items()]


def of_amount(left: Sequence[Part], amount: int, *, step: int = 1) -> list[Part]:
    """`amount` split among the lines by what is left of each; all that is left, where it takes the last.

    At most the sum of what is left, and a multiple of `step` (ValueError).
    """
    whole = total(left)
    if not 0 < amount <= whole or amount % step:
        raise ValueError(f"{amount} can't be taken of {whole}")
    if amount == whole:
        return [part for part in left if part]
    takes = [amount * part.amount // (whole * step) * step for part in left]
    rest = amount - sum(takes)
    # What flooring left over goes to the last lines that can bear it, as it does with discounts.
    for number in reversed(range(len(takes))):
        more = min(rest, left[number].amount - takes[number])
        takes[number] += more
        rest -= more
    return [_money(part, take, step) for part, take in zip(left, takes, strict=True) if take]


def up_to(left: Sequence[Part], amount: int, *, step: int = 1) -> list[Part]:
    """As `of_amount`, for as much of the amount as the lines have left."""
    amount = min(amount, total(left))
    amount -= amount % step
    return of_amount(left, amount, step=step) if amount else []


def _pieces(left: Part, quantity: int, step: int) -> Part:
    if quantity == left.quantity:
        return left

    def part(of: int) -> int:
        return of * quantity // (left.quantity * step) * step

    included = part(left.tax_included)
    return Part(
        line=left.line,
        quantity=quantity,
        subtotal=part(left.subtotal),
        discount=part(left.discount),
        tax=part(left.added) + included,
        tax_included=included,
    )


def _money(left: Part, take: int, step: int) -> Part:
    """Money of a line without its goods."""
    if take == left.amount:
        return replace(left, quantity=0)

    def part(of: int) -> int:
        return of * take // (left.amount * step) * step

    added, included, discount = part(left.added), part(left.tax_included), part(left.discount)
    return Part(
        line=left.line,
        quantity=0,
        subtotal=take + discount - added,
        discount=discount,
        tax=added + included,
        tax_included=included,
    )
