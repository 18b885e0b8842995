"""What an order is made of when it is priced: items, discount, taxes, delivery; and their fingerprint."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from kopeck.catalog.models import Discount, Tax
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES, Currency
from kopeck.orders.delivery import Delivery
from kopeck.orders.lines import OrderLine, OrderTax
from kopeck.orders.pricing import DiscountRule, TaxRule, Totals, price
from kopeck.orders.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Terms:
    """All that a total is made of. The delivery, where there is one, is the last line."""

    wanted: Sequence[Wanted]
    discount: Discount | None
    taxes: Sequence[Tax]
    delivery: Delivery | None

    @property
    def currency(self) -> str:
        return self.wanted[0].item.currency

    def totals(self) -> Totals:
        """In minor units of the currency. Raises ShopError for what no payment can be."""
        subtotals, apart = [w.item.price * w.quantity for w in self.wanted], None
        if self.delivery is not None and self.delivery.is_taxed(self.taxes):
            subtotals.append(self.delivery.amount)
        elif self.delivery is not None:
            apart = self.delivery.amount
        off = DiscountRule(self.discount.exact_percent, self.discount.amount_off) if self.discount else None
        rules = [TaxRule(tax.exact, tax.inclusive) for tax in self.taxes]
        totals = price(subtotals, off, rules, step=CURRENCIES[self.currency].step, apart=apart)
        _refuse_impossible(totals, CURRENCIES[self.currency])
        return totals

    def fingerprint(self) -> str:
        """Another one needs another payment."""
        lines = [(w.item.pk, w.item.name, w.item.price, w.item.currency, w.quantity) for w in self.wanted]
        one = self.discount
        off = [one.pk, one.name, str(one.percent_off), one.amount_off] if one else None
        rates = [(tax.pk, tax.display_name, str(tax.percentage), tax.inclusive) for tax in self.taxes]
        sent = self.delivery.terms if self.delivery else None
        return hashlib.sha256(json.dumps([lines, off, rates, sent]).encode()).hexdigest()

    def lines(self, order: Any, totals: Totals) -> list[OrderLine]:
        """As `totals` has them, not stored yet."""
        goods = zip(self.wanted, totals.lines, strict=False)
        lines = [OrderLine.of(w, amounts, order=order) for w, amounts in goods]
        if self.delivery is not None:
            lines.append(OrderLine.of_delivery(self.delivery.rate.name, totals.lines[-1], order=order))
        return lines

    def order_taxes(self, order: Any, totals: Totals) -> list[OrderTax]:
        return [
            OrderTax.of(tax, sum_, order=order) for tax, sum_ in zip(self.taxes, totals.taxes, strict=True)
        ]


def _refuse_impossible(totals: Totals, currency: Currency) -> None:
    # The subtotal too: Stripe is told the lines before the discount.
    if max(totals.subtotal, totals.total) > currency.maximum:
        message = _("This is more than one payment may be. Please order less at once.")
        raise ShopError("amount_too_large", message, status=422)
    if 0 < totals.total < currency.minimum:
        message = _("The total is below the smallest amount that cards can pay. Please order more.")
        raise ShopError("amount_too_small", message, status=422)


def todays_taxes() -> list[Tax]:
    """The taxes that every order which is not paid yet is priced with."""
    return list(Tax.objects.filter(active=True, is_default=True))
