"""What the pages of goods share: an item that is on sale, and how their answers may be kept."""

from django.http import HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from kopeck.catalog.models import Item
from kopeck.errors import ShopError


def item_on_sale(item_id: int) -> Item:
    """The item, or ShopError `item_not_found` (404)."""
    item = Item.objects.on_sale().filter(pk=item_id).first()
    if item is None:
        raise not_on_sale()
    return item


def not_on_sale() -> ShopError:
    return ShopError("item_not_found", _("This item is not for sale (any more)."), status=404)


def private(response: HttpResponse) -> HttpResponse:
    """Pages differ by cookie and by language: a shared cache must not keep them."""
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return response
