"""What a buyer asks for: items with quantities, and what of it cannot be one order."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from kopeck.catalog.models import Item
from kopeck.errors import ShopError

MAX_QUANTITY = 99
#: Stripe's limit of lines in a Checkout Session.
MAX_LINES = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """One line that a buyer asks for."""

    item: Item
    quantity: int


@dataclass(frozen=True, slots=True)
class Price:
    """A unit price, in minor units, as a page has shown it."""

    amount: int
    currency: str

    def covers(self, amount: int, currency: str) -> bool:
        """Whether the buyer who has seen this price may be asked for that one."""
        return currency == self.currency and amount <= self.amount


def bad_quantity() -> ShopError:
    return ShopError("bad_quantity", _("Please choose a quantity from 1 to 99."), status=422)


def refuse_lines(wanted: Sequence[Wanted]) -> None:
    """ShopError for what cannot be one order."""
    if not wanted:
        raise ShopError("order_empty", _("Please choose at least one item."), status=422)
    if len(wanted) > MAX_LINES:
        raise ShopError("too_many_lines", _("One order holds at most 100 different items."), status=422)
    currencies = sorted({w.item.currency.upper() for w in wanted})
    if len(currencies) > 1:
        names = {"currencies": ", ".join(currencies)}
        message = (
            _("One order is paid in one currency, and these items have several: %(currencies)s.") % names
        )
        raise ShopError("mixed_currencies", message, status=422)
    for w in wanted:
        if not 1 <= w.quantity <= MAX_QUANTITY:
            raise bad_quantity()
        if not w.item.active:
            message = _("%(item)s is not for sale any more. Please take it out.") % {"item": w.item.name}
            raise ShopError("item_gone", message, status=409)
