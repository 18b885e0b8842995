"""What search engines and messengers read: the map of the site, and an item's facts as schema.org has them.

Addresses are whole only where the shop knows its own (SITE_URL): a kept page must not repeat a forged Host.
"""

import json
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.urls import get_script_prefix
from django.utils.html import escape

from kopeck.catalog.models import Item
from kopeck.money import to_decimal
from kopeck.storefront.forms import base_url
from kopeck.web.middleware import read_only
from kopeck.web.visitors import ShopRequest

#: As many addresses as one map may have.
MOST = 50_000
#: What would end the script, or the page's text, within JSON.
_SAFE = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}


@read_only
def sitemap(request: ShopRequest) -> HttpResponse:
    """GET /sitemap.xml: the window and every item on sale."""
    base = escape(base_url(request))
    items = Item.objects.on_sale().values_list("pk", flat=True)[: MOST - 1]
    addresses = (f"{base}/", *(f"{base}/item/{number}" for number in items))
    lines = "".join(f"<url><loc>{address}</loc></url>\n" for address in addresses)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{lines}</urlset>\n'
    )
    answer = HttpResponse(text, content_type="application/xml; charset=utf-8")
    answer["Cache-Control"] = "public, max-age=3600"
    return answer


def product(item: Item, left: int | None) -> str:
    """The item and its offer as JSON-LD, safe inside a script element."""
    facts: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": item.name,
        "description": item.description,
        "offers": {
            "@type": "Offer",
            "price": str(to_decimal(item.price, item.currency)),
            "priceCurrency": item.currency.upper(),
            "availability": f"https://schema.org/{'OutOfStock' if left == 0 else 'InStock'}",
            "url": f"{settings.SITE_URL}{get_script_prefix()}item/{item.pk}",
        },
    }
    if item.image_url:
        facts["image"] = f"{settings.SITE_URL}{item.image_url}"
    return json.dumps(facts, ensure_ascii=False).translate(_SAFE)
