"""Which part of an order goes back: pure, in integer minor units, never more or less than the whole.

A share is a quantity of a line with its part of price, discount and tax. Each refund takes from what is left;
fractions are floored to the currency's step, and whoever takes the last takes the rest. So all refunds of an
order sum to the order, whatever their kinds and their order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True)
class Share:
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

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def __sub__(self, other: "Share") -> "Share":
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


def left_of(lines: Sequence[Share], given: Iterable[Share]) -> list[Share]:
    """What of the lines is left after these shares went back; one a line, in the lines' order."""
    left = {share.line: share for share in lines}
    for share in given:
        left[share.line] -= share
    return list(left.values())


def total(shares: Iterable[Share]) -> int:
    return sum(share.amount for share in shares)


def of_lines(left: Sequence[Share], quantities: Mapping[int, int], *, step: int = 1) -> list[Share]:
    """Pieces of lines: `quantities` by line id, each at most what is left (ValueError). Zeros are skipped."""
    known = {share.line: share for share in left}
    wanted = {line: quantity for line, quantity in quantities.items() if quantity}
    for line, quantity in wanted.items():
        if line not in known or not 0 < quantity <= known[line].quantity:
            raise ValueError(f"line {line} has no {quantity} left")
    return [_pieces(known[line], quantity, step) for line, quantity in wanted.items()]


def of_amount(left: Sequence[Share], amount: int, *, step: int = 1) -> list[Share]:
    """`amount` shared among the lines by what is left of each; all that is left, where it takes the last.

    At most the sum of what is left, and a multiple of `step` (ValueError).
    """
    whole = total(left)
    if not 0 < amount <= whole or amount % step:
        raise ValueError(f"{amount} can't be taken of {whole}")
    if amount == whole:
        return [share for share in left if share]
    takes = [amount * share.amount // (whole * step) * step for share in left]
    rest = amount - sum(takes)
    # What flooring left over goes to the last lines that can bear it, as it does with discounts.
    for number in reversed(range(len(takes))):
        more = min(rest, left[number].amount - takes[number])
        takes[number] += more
        rest -= more
    return [_money(share, take, step) for share, take in zip(left, takes, strict=True) if take]


def _pieces(left: Share, quantity: int, step: int) -> Share:
    if quantity == left.quantity:
        return left

    def part(of: int) -> int:
        return of * quantity // (left.quantity * step) * step

    included = part(left.tax_included)
    return Share(
        line=left.line,
        quantity=quantity,
        subtotal=part(left.subtotal),
        discount=part(left.discount),
        tax=part(left.added) + included,
        tax_included=included,
    )


def _money(left: Share, take: int, step: int) -> Share:
    """Money of a line without its goods."""
    if take == left.amount:
        return replace(left, quantity=0)

    def part(of: int) -> int:
        return of * take // (left.amount * step) * step

    added, included, discount = part(left.added), part(left.tax_included), part(left.discount)
    return Share(
        line=left.line,
        quantity=0,
        subtotal=take + discount - added,
        discount=discount,
        tax=added + included,
        tax_included=included,
    )
