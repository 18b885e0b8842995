"""What a request asks for, and who asks: read from forms and addresses, and refused with a sentence."""

import re

from django.http import HttpRequest
from django.urls import get_script_prefix
from django.utils.translation import gettext as _

from kopeck.abuse.budgets import allowance_of
from kopeck.catalog.models import Item
from kopeck.database import rows
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES
from kopeck.orders.wanted import MAX_QUANTITY, Price, Wanted, bad_quantity
from kopeck.payments.inputs import Client
from kopeck.typed import read_number, whole_number
from kopeck.web.context import site_of
from kopeck.web.origins import is_from_our_page
from kopeck.web.visitors import ShopRequest

#: The item that a Buy button is of; a number beyond all ids finds none.
ON_SALE = f"SELECT {rows.columns(Item, 'i')} FROM catalog_item AS i WHERE i.id = %s AND i.active"  # noqa: S608
_FIELD = re.compile(r"item_(\d{1,18})", re.ASCII)


def client_of(request: ShopRequest, *, places_order: bool = False) -> Client:
    """Who wants to pay. `places_order`: a browser without a cookie is counted before anything is written."""
    allowance = allowance_of(request)
    if places_order:
        allowance.spend_if_new()
    return Client(
        base_url=base_url(request),
        visitor=request.visitor.key if places_order else request.visitor.known_key,
        address=allowance.address,
        is_shown=is_from_our_page(request),
        admit=allowance.spend,
    )


def base_url(request: HttpRequest) -> str:
    """The shop's, with the language where the address says it, for buyers who come back from Stripe."""
    return f"{site_of(request)}{get_script_prefix().rstrip('/')}"


def wanted_item(request: ShopRequest, item_id: int) -> Wanted:
    """The item that Buy is pressed for, and its `quantity` (1 to 99). ShopError 404, 422."""
    found = rows.read(ON_SALE, [item_id], Item)
    if not found:
        raise not_on_sale()
    asked = request.POST if request.method == "POST" else request.GET
    quantity = whole_number(read_number(asked.get("quantity", "1")), 2)
    if quantity is None or not 1 <= quantity <= MAX_QUANTITY:
        raise bad_quantity()
    return Wanted(found[0][0], quantity)


def shown_price(request: ShopRequest) -> Price | None:
    """What the buyer has seen: `price` in minor units, and its `currency`. None for a program."""
    asked = request.POST if request.method == "POST" else request.GET
    price, currency = asked.get("price", ""), asked.get("currency", "")
    if not price and not currency:
        return None
    amount = whole_number(price, 15)
    if amount is None or currency not in CURRENCIES:
        message = _(
            "Give the price that was shown in minor units, and its currency: price=4820&currency=usd."
        )
        raise ShopError("bad_price", message, status=422)
    return Price(amount, currency)


def quantities(request: ShopRequest) -> dict[int, int]:
    """Item id -> quantity, from the fields `item_{id}`. ShopError 422 for what is no quantity."""
    found = {}
    for name, value in request.POST.items():
        if field := _FIELD.fullmatch(name):
            quantity = whole_number(read_number(str(value)).lstrip("0") or "0", 2)
            if quantity is None or quantity > MAX_QUANTITY:
                raise bad_quantity()
            found[int(field[1])] = quantity
    return found


def not_on_sale() -> ShopError:
    return ShopError("item_not_found", _("This item is not for sale (any more)."), status=404)
