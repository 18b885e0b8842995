"""The shop that is stormed: tables, items in four currencies, two taxes, three codes, and the seller.

`python -m bench.chaos.goods` in the shop's environment; prints one JSON line with what buyers and the seller
need to know.
"""

import json
import sys

import django


def stock_the_shop() -> dict[str, object]:
    """`{"items": [{"id", "currency"}], "codes": {currency: [...]}, "cookie": the seller's session}`."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from kopeck.catalog.models import Discount, Item, Tax

    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    prices = [("usd", 4820), ("usd", 1999), ("usd", 333), ("eur", 12900), ("eur", 2205), ("jpy", 6800)]
    prices += [("gbp", 1450)]
    items = [
        Item.objects.create(name=f"Good {number}", description="For the storm.", price=price, currency=code)
        for number, (code, price) in enumerate(prices, 1)
    ]
    Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, is_default=True)
    Discount.objects.create(name="Ten percent", code="TEN", percent_off=10)
    Discount.objects.create(name="Two dollars", code="TWO", amount_off=200, currency="usd")
    Discount.objects.create(name="For the first", code="FIRST", percent_off=5, max_redemptions=3)
    client = Client()
    client.force_login(User.objects.create_superuser("seller"))
    return {
        "items": [{"id": item.pk, "currency": item.currency} for item in items],
        "codes": ["TEN", "TWO", "FIRST"],
        "cookie": client.cookies["sessionid"].value,
    }


if __name__ == "__main__":
    django.setup()
    json.dump(stock_the_shop(), sys.stdout)
