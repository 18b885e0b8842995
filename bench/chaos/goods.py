"""The shop that is stormed: tables, items in four currencies, two taxes, codes, and the seller.

`python -m bench.chaos.goods N` in the shop's environment; prints one JSON line with what buyers and the
seller need to know. N codes, ONE-0 and so on, can be used once each; of two items there are only N pieces.
"""

import json
import sys

import django

#: The prices of the two items that run out.
FEW = (333, 2205)


def stock_the_shop(last_ones: int) -> dict[str, object]:
    """`{"items": [{"id", "currency", "few"}], "codes": [...], "stock": {id: pieces}, "cookie"}`."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    from kopeck.catalog.models import Discount, Item, Tax

    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    prices = [("usd", 4820), ("usd", 1999), ("usd", 333), ("eur", 12900), ("eur", 2205), ("jpy", 6800)]
    prices += [("gbp", 1450)]
    items = [
        Item.objects.create(
            name=f"Good {price}", price=price, currency=code, stock=last_ones if price in FEW else None
        )
        for code, price in prices
    ]
    Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, is_default=True)
    Tax.objects.create(display_name="City", percentage="1.5", is_default=True)
    Discount.objects.create(name="Ten percent", code="TEN", percent_off=10)
    Discount.objects.create(name="Two dollars", code="TWO", amount_off=200, currency="usd")
    for number in range(last_ones):
        Discount.objects.create(name="For one", code=f"ONE-{number}", percent_off=5, max_redemptions=1)
    client = Client()
    client.force_login(User.objects.create_superuser("seller"))
    return {
        "items": [{"id": item.pk, "currency": item.currency, "few": item.price in FEW} for item in items],
        "codes": ["TEN", "TWO"],
        "stock": {item.pk: item.stock for item in items if item.stock is not None},
        "cookie": client.cookies["sessionid"].value,
    }


if __name__ == "__main__":
    django.setup()
    json.dump(stock_the_shop(int(sys.argv[1])), sys.stdout)
