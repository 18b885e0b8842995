"""`manage.py load_demo`: the demo shop's goods, codes, tax and shipping rates, into an empty shop."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db import transaction

from kopeck.catalog import pictures
from kopeck.catalog.models import Discount, Item, ShippingRate, Tax

DEMO = Path(__file__).resolve().parent.parent.parent / "demo"


class Command(BaseCommand):
    help = "Fills an empty shop with the demo goods."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            if Item.objects.exists():
                self.stdout.write("The shop has items already: nothing was loaded.")
                return
            goods = json.loads((DEMO / "goods.json").read_text())
            for position, good in enumerate(goods, start=1):
                _load(good, position)
            Discount.objects.create(name="Welcome, 10 % off", code="WELCOME", percent_off=10)
            Discount.objects.create(name="$5 off", code="FIVE", amount_off=500, currency="usd")
            # Inside the prices: what the window shows is what is paid.
            Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, is_default=True)
            _load_rates()
        self.stdout.write(f"{len(goods)} items are on sale; the codes WELCOME and FIVE take something off.")


def _load_rates() -> None:
    """Within the seller's country with the tax of the goods, and everywhere without one."""
    home = [settings.SELLER_COUNTRY]
    for currency, near, far, free in (("usd", 490, 1900, 7500), ("jpy", 600, 2800, 9000)):
        facts = {"currency": currency, "taxed": True, "countries": home, "free_from": free}
        ShippingRate.objects.create(name="Standard delivery", amount=near, min_days=2, max_days=4, **facts)
        ShippingRate.objects.create(
            name="International delivery", amount=far, currency=currency, min_days=5, max_days=10
        )


def _load(good: dict[str, Any], position: int) -> None:
    slug = good["slug"]
    facts = {name: good[name] for name in ("name", "description", "price", "currency")}
    item = Item(**facts, stock=good.get("stock"), shipped="shipped" in good, position=position)
    item.full_clean(exclude=["image"])
    storage = item.image.storage
    for width in (pictures.LARGE, pictures.SMALL):
        name = f"items/{slug}-{width}.webp"
        # A second demo shop on the same folder shows the same pictures.
        if not storage.exists(name):
            storage.save(name, ContentFile((DEMO / f"{slug}-{width}.webp").read_bytes()))
    item.image.name = f"items/{slug}-{pictures.LARGE}.webp"
    item.save()
