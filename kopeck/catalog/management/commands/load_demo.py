"""`manage.py load_demo`: the demo shop's goods with pictures, two codes and a tax, into an empty shop."""

import json
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand
from django.db import transaction

from kopeck.catalog import pictures
from kopeck.catalog.models import Discount, Item, Tax

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
        self.stdout.write(f"{len(goods)} items are on sale; the codes WELCOME and FIVE take something off.")


def _load(good: dict[str, Any], position: int) -> None:
    slug = good["slug"]
    facts = {name: good[name] for name in ("name", "description", "price", "currency")}
    item = Item(**facts, stock=good.get("stock"), position=position)
    item.full_clean(exclude=["image"])
    storage = item.image.storage
    for width in (pictures.LARGE, pictures.SMALL):
        name = f"items/{slug}-{width}.webp"
        # A second demo shop on the same folder shows the same pictures.
        if not storage.exists(name):
            storage.save(name, ContentFile((DEMO / f"{slug}-{width}.webp").read_bytes()))
    item.image.name = f"items/{slug}-{pictures.LARGE}.webp"
    item.save()
