"""The page of one item."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from kopeck.catalog.models import Item
from kopeck.errors import ShopError
from kopeck.web import ShopRequest


@require_safe
def item_page(request: ShopRequest, item_id: int) -> HttpResponse:
    """GET /item/{id}: one item with its Buy button; `?cancelled` when back from Checkout, `?quantity`."""
    item = item_on_sale(item_id)
    # The cookie is given here and not by Buy: a double click on Buy must come from one visitor.
    request.visitor.key  # noqa: B018
    quantity = request.GET.get("quantity", "")
    quantity = quantity if quantity.isascii() and quantity.isdigit() and len(quantity) <= 2 else "1"
    context = {"item": item, "quantity": max(1, int(quantity)), "cancelled": "cancelled" in request.GET}
    return private(render(request, "item.html", context))


def item_on_sale(item_id: int) -> Item:
    """The item, or ShopError `item_not_found` (404)."""
    item = Item.objects.on_sale().filter(pk=item_id).first()
    if item is None:
        raise ShopError("item_not_found", _("This item is not for sale (any more)."), status=404)
    return item


def private(response: HttpResponse) -> HttpResponse:
    """Pages differ by cookie and by language: a shared cache must not keep them."""
    response["Cache-Control"] = "private, no-cache"
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return response
