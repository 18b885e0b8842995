"""How an order is delivered: which rates there are for a country, and which of them an order has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from kopeck.catalog.countries import SHIPPABLE, country_name
from kopeck.catalog.models import ShippingRate
from kopeck.errors import ShopError
from kopeck.orders.wanted import MAX_LINES, Wanted


@dataclass(frozen=True, slots=True)
class Delivery:
    """To a country, by a rate, for an amount in minor units of the rate's currency."""

    country: str
    rate: ShippingRate
    amount: int

    def is_taxed(self, taxes: Sequence[object]) -> bool:
        """Whether these taxes, and then a discount too, are on it: Stripe then has it among the lines.

        Its own shipping options take no tax rates of ours.
        """
        return bool(self.rate.taxed and taxes and self.amount)

    @property
    def terms(self) -> list[object]:
        """What the buyer agrees to: another one needs another payment."""
        rate = self.rate
        return [self.country, rate.pk, rate.name, self.amount, rate.taxed, rate.min_days, rate.max_days]


def choose(wanted: Sequence[Wanted], country: str, rate_id: int | None) -> Delivery | None:
    """The delivery of these items by that rate, else by the cheapest to the country; None: nothing to send.

    `country`: "" for the seller's own, or the first one served. Raises ShopError (422).
    """
    if not any(w.item.shipped for w in wanted):
        return None
    if len(wanted) >= MAX_LINES:  # Stripe may have the delivery among the lines
        message = _("An order that is delivered holds at most 99 different items.")
        raise ShopError("too_many_lines", message, status=422)
    rates = rates_in(wanted[0].item.currency)
    country = country or _first_country(rates)
    found = offered(rates, country, sum(w.item.price * w.quantity for w in wanted))
    if not found:
        raise not_served(country)
    return next((one for one in found if one.rate.pk == rate_id), found[0])


def not_served(country: str) -> ShopError:
    message = _("We can’t deliver this order to this country: %(country)s.")
    return ShopError("no_delivery", message % {"country": country_name(country)}, status=422)


def read_shippable(typed: str) -> str:
    """The code of a country that Stripe takes delivery addresses in. ShopError `bad_country` (422)."""
    code = typed.upper() if typed.isascii() else ""  # the capitals of ß are a country
    if code not in SHIPPABLE:
        raise ShopError("bad_country", _("Please choose a country of the list."), status=422)
    return code


def rates_in(currency: str) -> list[ShippingRate]:
    return list(ShippingRate.objects.filter(currency=currency, active=True))


def offered(rates: Iterable[ShippingRate], country: str, subtotal: int) -> list[Delivery]:
    """To the country, with goods of this subtotal (before discount and tax): the cheapest first."""
    serving = [Delivery(country, rate, rate.price_for(subtotal)) for rate in rates if rate.serves(country)]
    return sorted(serving, key=lambda one: (one.amount, one.rate.pk)) if country in SHIPPABLE else []


def countries(rates: Iterable[ShippingRate]) -> list[tuple[str, str]]:
    """Code and name of each country that a rate serves, by name."""
    served = {code for rate in rates for code in (rate.countries or SHIPPABLE)}
    return sorted(((code, country_name(code)) for code in served), key=lambda one: one[1])


def _first_country(rates: Sequence[ShippingRate]) -> str:
    own: str = settings.SELLER_COUNTRY
    if any(rate.serves(own) for rate in rates):
        return own
    return min((code for rate in rates for code in rate.countries), default=own)
