"""What the REST API takes and answers: its OpenAPI document is made of these and their docstrings."""

from ninja import Field, Schema

from kopeck.orders.wanted import MAX_LINES, MAX_QUANTITY

#: PostgreSQL's largest bigint: a larger number is no id.
MAX_ID = 2**63 - 1
#: The largest page of items.
MOST_ITEMS = 500


class LineOut(Schema):
    """One item of an order; amounts in minor units of the order's currency."""

    item: int
    name: str
    unit_price: int
    quantity: int
    discount: int
    tax: int
    total: int


class ShippingOut(Schema):
    """How the order is delivered: country, id of the rate, and what it costs, in minor units."""

    country: str
    rate: int | None
    name: str
    amount: int
    discount: int
    tax: int
    total: int


class OrderOut(Schema):
    """An order; amounts in minor units of `currency`. The sums are those of the lines and of `shipping`."""

    id: int
    status: str
    currency: str
    subtotal: int
    discount: int
    tax: int
    total: int
    lines: list[LineOut]
    shipping: ShippingOut | None


class ItemOut(Schema):
    """Something on sale; its price in minor units. `left`: how many can be bought now, null for no limit."""

    id: int
    name: str
    description: str
    price: int
    currency: str
    left: int | None


class ItemList(Schema):
    """A page of what is on sale, in the owner's order; pass `next` as `after` for those behind it."""

    items: list[ItemOut]
    next: int | None


class WantedIn(Schema):
    """One line to order."""

    item: int = Field(ge=1, le=MAX_ID)
    quantity: int = Field(1, ge=1, le=MAX_QUANTITY)


class OrderIn(Schema):
    """An order to make: items of one currency, the code of a discount, where it goes and by which rate.

    Without `country` goods go to the seller's; without `shipping_rate` by the cheapest rate.
    """

    lines: list[WantedIn] = Field(min_length=1, max_length=MAX_LINES)
    discount_code: str = Field("", max_length=100)
    country: str = Field("", max_length=2)
    shipping_rate: int | None = Field(None, ge=1, le=MAX_ID)


class OrderPage(Schema):
    """A page of orders, newest first; pass `next` as `before` for the older ones."""

    orders: list[OrderOut]
    next: int | None


class Problem(Schema):
    """What went wrong: a stable code and a sentence."""

    code: str
    message: str


class ErrorOut(Schema):
    error: Problem
