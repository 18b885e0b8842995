"""What search engines and messengers are told: addresses, pictures, prices. A name breaks nothing."""

import json
import re
from io import BytesIO
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from PIL import Image

from tests.support.shop import make_item

pytestmark = pytest.mark.django_db


def told(page: str, name: str) -> list[str]:
    return re.findall(rf'<meta property="{name}" content="([^"]*)">', page)


def facts(page: str) -> Any:
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_an_item_tells_its_address_picture_and_offer(buyer: Client, settings: Any) -> None:
    settings.SITE_URL = "https://shop.example"
    item = make_item(name="Pot", price=4820, image="items/pot.webp", description="First.\nSecond.")
    page = buyer.get(f"/item/{item.pk}?utm_source=x").content.decode()
    address = f"https://shop.example/item/{item.pk}"
    assert f'<link rel="canonical" href="{address}">' in page
    assert told(page, "og:url") == [address]
    assert told(page, "og:image") == ["https://shop.example/media/items/pot.webp"]
    assert told(page, "og:description") == ["First."]
    found = facts(page)
    assert (found["@type"], found["name"], found["image"]) == (
        "Product",
        "Pot",
        "https://shop.example/media/items/pot.webp",
    )
    assert found["offers"] == {
        "@type": "Offer",
        "price": "48.20",
        "priceCurrency": "USD",
        "availability": "https://schema.org/InStock",
        "url": address,
    }


def test_what_is_sold_out_is_offered_as_such(buyer: Client) -> None:
    item = make_item(stock=0, price=6800, currency="jpy")
    offer = facts(buyer.get(f"/item/{item.pk}").content.decode())["offers"]
    assert (offer["price"], offer["availability"]) == ("6800", "https://schema.org/OutOfStock")


def test_a_name_ends_no_script(buyer: Client) -> None:
    name = "</script><b>&amp;"
    page = buyer.get(f"/item/{make_item(name=name).pk}").content.decode()
    assert facts(page)["name"] == name
    assert "</script><b>" not in page


def test_the_window_names_its_own_page(buyer: Client, settings: Any) -> None:
    settings.SITE_URL = "https://shop.example"
    make_item(image="items/pot.webp")
    page = buyer.get("/").content.decode()
    assert '<link rel="canonical" href="https://shop.example/">' in page
    assert told(page, "og:image") == ["https://shop.example/media/items/pot.webp"]


def test_the_map_has_the_window_and_what_is_on_sale(buyer: Client, settings: Any) -> None:
    settings.SITE_URL = "https://shop.example"
    item = make_item()
    make_item(active=False)
    answer = buyer.get("/sitemap.xml")
    assert answer["Content-Type"].startswith("application/xml")
    addresses = [one.text for one in ET.fromstring(answer.content).iter() if one.tag.endswith("}loc")]
    assert addresses == ["https://shop.example/", f"https://shop.example/item/{item.pk}"]
    assert "Sitemap: https://shop.example/sitemap.xml" in buyer.get("/robots.txt").content.decode()


def test_the_icon_is_one(buyer: Client) -> None:
    answer = buyer.get("/favicon.ico")
    assert answer["Content-Type"] == "image/x-icon"
    assert Image.open(BytesIO(answer.content)).format == "ICO"
