"""What a buyer is told when a payment cannot be started. Nothing is charged where one of these is raised."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable


@contextmanager
def told_to_the_buyer() -> Iterator[None]:
    """Stripe's silence and its refusals as a ShopError."""
    try:
        yield
    except StripeUnavailable as trouble:
        raise unavailable() from trouble
    except StripeRefused as refusal:
        raise refused() from refusal


class PriceChanged(ShopError):
    """What is bought is dearer than the buyer has seen.

    The page of the order `order_id` shows the new total, or without one the item's page the new price.
    """

    def __init__(self, order_id: int | None = None) -> None:
        message = (
            _("Something in your order has become dearer. Please look at the new total and pay if you agree.")
            if order_id
            else _("The price has changed. Please look at it and press Buy if you agree.")
        )
        super().__init__("price_changed", message, status=409)
        self.order_id = order_id


def currency_not_accepted(currency: str) -> ShopError:
    message = _("We take no payments in %(currency)s at the moment.") % {"currency": currency.upper()}
    return ShopError("currency_not_accepted", message, status=422)


def not_payable() -> ShopError:
    return ShopError("not_payable", _("This order is not to be paid (any more)."), status=409)


def unavailable() -> ShopError:
    message = _("Our payment service does not answer. Nothing was charged. Please try again in a minute.")
    return ShopError("stripe_unavailable", message, status=503)


def refused() -> ShopError:
    message = _("Our payment service could not start this payment. Nothing was charged; we look into it.")
    return ShopError("stripe_refused", message, status=502)


def busy() -> ShopError:
    return ShopError("busy", _("This order is being worked on. Please try again in a moment."), status=503)
