"""A web process that dies in the middle of a buy, for the tests of what is then found and gone on with."""

import pytest
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.payments import attempts


class PowerCut(BaseException):
    """Nothing of the shop's catches it."""


def crash_before_the_answer_is_stored(buyer: Client, item: Item, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe has made the session; the row with its key and inputs is all that is left here."""

    def die(*_args: object) -> None:
        raise PowerCut

    buyer.get(f"/item/{item.pk}?mine=1")
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "_store", die)
        with pytest.raises(PowerCut):
            buyer.get(f"/buy/{item.pk}")
