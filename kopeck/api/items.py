"""Items: what is on sale, for everybody; all of them with their stock, and the stock itself, for programs."""

from typing import Annotated, Any

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Query, Router
from ninja.decorators import decorate_view

from kopeck.api.access import May, for_tokens
from kopeck.api.models import Scope
from kopeck.api.once import once
from kopeck.api.schemas import (
    DENIED,
    MAX_ID,
    MOST_ITEMS,
    ErrorOut,
    ItemList,
    ItemOut,
    StockIn,
    StockList,
    StockOut,
)
from kopeck.catalog.models import Item
from kopeck.errors import ShopError
from kopeck.payments import stock
from kopeck.storefront.forms import base_url, not_on_sale
from kopeck.web.visitors import ShopRequest

router = Router(tags=["Items"])
#: More than that no column holds.
MOST_PIECES = 2**31 - 1
#: What the picture's two files are wide, in pixels.
LARGE, SMALL = 960, 480


def _show(request: ShopRequest, item: Any) -> dict[str, Any]:
    base = base_url(request)
    pictures = [(item.image_url, LARGE), (item.image_small_url, SMALL)]
    return {
        "id": item.pk,
        "name": item.name,
        "description": item.description,
        "price": item.price,
        "currency": item.currency,
        "left": item.left,
        "shipped": item.shipped,
        "url": f"{base}{reverse('item', args=[item.pk])}",
        "pictures": [{"url": f"{base}{url}", "width": width} for url, width in pictures if url],
    }


@router.get(
    "/items",
    response={200: ItemList, 401: ErrorOut, 404: ErrorOut, 422: ErrorOut},
    summary="Everything on sale, a page at a time",
    auth=May(),
)
def list_items(
    request: ShopRequest,
    after: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 100,
) -> dict[str, Any]:
    """What a visitor may order, with what is left of it, in the owner's order."""
    on_sale = Item.objects.on_sale()
    if after is not None:
        on_sale = on_sale.behind(_any_item(after))
    found = list(stock.with_left(on_sale)[: limit + 1])
    following = found[limit - 1].pk if len(found) > limit else None
    return {"items": [_show(request, item) for item in found[:limit]], "next": following}


@router.get(
    "/items/{int:item_id}",
    response={200: ItemOut, 401: ErrorOut, 404: ErrorOut},
    summary="An item",
    auth=May(),
)
def get_item(request: ShopRequest, item_id: int) -> dict[str, Any]:
    """Of what others may pay for right now nothing is left."""
    found = stock.with_left(Item.objects.on_sale().filter(pk=item_id)).first()
    if found is None:
        raise not_on_sale()
    return _show(request, found)


@router.get(
    "/stock",
    response={200: StockList, **DENIED, 422: ErrorOut},
    summary="The stock of all items, a page at a time",
    **for_tokens(Scope.ITEMS_READ),
)
def list_stock(
    request: ShopRequest,
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 100,
) -> dict[str, Any]:
    """Every item by its id, on sale or not."""
    found = list(stock.with_left(Item.objects.filter(pk__gt=after).order_by("pk"))[: limit + 1])
    return {"items": found[:limit], "next": found[limit - 1].pk if len(found) > limit else None}


@router.post(
    "/items/{int:item_id}/stock",
    response={200: StockOut, 400: ErrorOut, **DENIED, 404: ErrorOut, 409: ErrorOut, 422: ErrorOut},
    summary="Set or change an item's stock",
    **for_tokens(Scope.STOCK_WRITE),
)
@decorate_view(once)
def change_stock(request: ShopRequest, item_id: int, body: StockIn) -> Any:
    """`set` says how many pieces there are (null: no limit), `change` how many came or went.

    Buyers take from the stock meanwhile: `change` is right for goods that came in, `set` after a stocktaking.
    """
    with transaction.atomic():
        item = Item.objects.select_for_update(no_key=True).filter(pk=item_id).first()
        if item is None:
            raise _no_item()
        if body.change is None:
            Item.objects.filter(pk=item_id).update(stock=body.set)
        else:
            _refuse_change(item, body.change)
            Item.objects.filter(pk=item_id).update(stock=F("stock") + body.change)
    return stock.with_left(Item.objects.filter(pk=item_id)).get()


def _refuse_change(item: Item, change: int) -> None:
    if item.stock is None:
        message = _("This item has no limit, so there is nothing to count. Set its stock first.")
        raise ShopError("stock_unlimited", message, status=409)
    if not 0 <= item.stock + change <= MOST_PIECES:
        message = _("There are %(stock)s pieces, so the stock cannot change by %(change)s.")
        words = {"stock": item.stock, "change": change}
        raise ShopError("stock_out_of_range", message % words, status=409)


def _any_item(item_id: int) -> Item:
    item = Item.objects.filter(pk=item_id).first()
    if item is None:
        raise _no_item()
    return item


def _no_item() -> ShopError:
    return ShopError("item_not_found", _("There is no such item."), status=404)
