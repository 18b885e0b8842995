"""What the REST API takes and answers: its OpenAPI document is made of these and their docstrings.

The examples make those of the page /api/v1/docs.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import ConfigDict, model_validator

from kopeck.orders.wanted import MAX_LINES, MAX_QUANTITY
from kopeck.refunds.models import Refund

#: PostgreSQL's largest bigint: a larger number is no id.
MAX_ID = 2**63 - 1
#: The largest pages of items and of orders.
MOST_ITEMS, MOST_ORDERS = 500, 100


class Problem(Schema):
    """What went wrong: a stable code and a sentence."""

    code: str = Field(examples=["order_not_found"])
    message: str = Field(examples=["There is no such order."])


class ErrorOut(Schema):
    error: Problem


#: What a token may hear that is wrong, or too narrow; and another site, whose browser sends our cookie.
DENIED: dict[Any, Any] = {401: ErrorOut, 403: ErrorOut}


class Said(Schema):
    """What a program sends. A misspelt field is refused: without its amount a refund is of all there is."""

    model_config = ConfigDict(extra="forbid")


#: No text, no true, and no 48.0: who sends that means another unit than the smallest one.
Whole = Annotated[int, Field(strict=True)]


class LineOut(Schema):
    """One item of an order; amounts in minor units of the order's currency."""

    item: int = Field(examples=[7])
    name: str = Field(examples=["Moka pot"])
    unit_price: int = Field(examples=[4820])
    quantity: int = Field(examples=[1])
    discount: int = Field(examples=[0])
    tax: int = Field(examples=[0])
    total: int = Field(examples=[4820])


class ShippingOut(Schema):
    """How the order is delivered: country, id of the rate, and what it costs, in minor units."""

    country: str = Field(examples=["DE"])
    rate: int | None = Field(examples=[1])
    name: str = Field(examples=["Standard delivery"])
    amount: int = Field(examples=[490])
    discount: int = Field(examples=[0])
    tax: int = Field(examples=[0])
    total: int = Field(examples=[490])


class ShipmentOut(Schema):
    """Whether a delivery was sent, and who carries it."""

    sent_at: datetime | None = Field(examples=["2026-11-29T09:30:00Z"])
    carrier: str = Field(examples=["DHL"])
    number: str = Field(examples=["00340434161094042557"])
    link: str = Field(examples=["https://dhl.example/00340434161094042557"])


class ContactOut(Schema):
    """Who bought, and where it goes: for a GET by a token with orders:read, as long as the shop keeps it."""

    email: str = Field(examples=["ada@example.com"])
    name: str = Field(examples=["Ada Lovelace"])
    phone: str = Field(examples=["+4930123456"])
    address: dict[str, str] = Field(
        examples=[{"line1": "Street 7", "postal_code": "10115", "city": "Berlin", "country": "DE"}]
    )


class OrderOut(Schema):
    """An order; amounts in minor units of `currency`. The sums are those of the lines and of `shipping`.

    `url` is its page; made for a token with orders:write it opens in any browser, and lets its owner pay.
    `sold_out`: it was paid too late, so all of it is refunded, and nothing is to be sent.
    """

    id: int = Field(examples=[42])
    status: str = Field(examples=["open"])
    sold_out: bool = Field(examples=[False])
    currency: str = Field(examples=["usd"])
    subtotal: int = Field(examples=[5310])
    discount: int = Field(examples=[0])
    tax: int = Field(examples=[0])
    total: int = Field(examples=[5310])
    lines: list[LineOut]
    shipping: ShippingOut | None
    shipment: ShipmentOut | None
    contact: ContactOut | None
    created: datetime = Field(examples=["2026-11-28T12:00:00Z"])
    paid_at: datetime | None = Field(examples=["2026-11-28T12:05:00Z"])
    url: str = Field(examples=["https://shop.example/order/42?key=..."])


class PictureOut(Schema):
    """A file of an item's picture, and how many pixels it is wide."""

    url: str = Field(examples=["https://shop.example/media/items/pot.webp"])
    width: int = Field(examples=[960])


class ItemOut(Schema):
    """Something on sale; its price in minor units. `left`: how many can be bought now, null for no limit.

    `shipped`: it is delivered, so its order has a country and a rate.
    """

    id: int = Field(examples=[7])
    name: str = Field(examples=["Moka pot"])
    description: str = Field(examples=["For three cups."])
    price: int = Field(examples=[4820])
    currency: str = Field(examples=["usd"])
    left: int | None = Field(examples=[12])
    shipped: bool = Field(examples=[True])
    url: str = Field(examples=["https://shop.example/item/7"])
    pictures: list[PictureOut]


class ItemList(Schema):
    """A page of what is on sale, in the owner's order; pass `next` as `after` for those behind it."""

    items: list[ItemOut]
    next: int | None = Field(examples=[7])


class StockOut(Schema):
    """`stock`: pieces that are not sold; `left`: those of them that nobody is paying for. null: no limit."""

    id: int = Field(examples=[7])
    name: str = Field(examples=["Moka pot"])
    active: bool = Field(examples=[True])
    stock: int | None = Field(examples=[13])
    left: int | None = Field(examples=[12])


class StockList(Schema):
    """A page of all items, by their ids; pass `next` as `after` for those behind it."""

    items: list[StockOut]
    next: int | None = Field(examples=[7])


class StockIn(Said):
    """One of the two: `set` (null: no limit), or `change` by so many."""

    set: Whole | None = Field(None, ge=0, le=1_000_000)
    change: Whole | None = Field(None, ge=-1_000_000, le=1_000_000, examples=[-1])

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "StockIn":
        if ("set" in self.model_fields_set) == (self.change is not None):
            raise ValueError("one_of_two")
        return self


class WantedIn(Said):
    """One line to order."""

    item: Whole = Field(ge=1, le=MAX_ID, examples=[7])
    quantity: Whole = Field(1, ge=1, le=MAX_QUANTITY, examples=[2])


class OrderIn(Said):
    """An order to make: items of one currency, the code of a discount, where it goes and by which rate.

    Without `country` goods go to the seller's; without `shipping_rate` by the cheapest rate.
    """

    lines: list[WantedIn] = Field(min_length=1, max_length=MAX_LINES)
    discount_code: str = Field("", max_length=100)
    country: str = Field("", max_length=2, examples=["DE"])
    shipping_rate: Whole | None = Field(None, ge=1, le=MAX_ID)


class OrderChange(Said):
    """What is to be different; what is left out stays. `discount_code`: "" takes the discount off."""

    lines: list[WantedIn] | None = Field(None, min_length=1, max_length=MAX_LINES)
    discount_code: str | None = Field(None, max_length=100)
    country: str | None = Field(None, max_length=2, examples=["DE"])
    shipping_rate: Whole | None = Field(None, ge=1, le=MAX_ID)


class OrderPage(Schema):
    """A page of orders, newest first; pass `next` as `before` for the older ones."""

    orders: list[OrderOut]
    next: int | None = Field(examples=[41])


class CheckoutOut(Schema):
    """The order's open Checkout Session: lead the buyer to `url`."""

    session_id: str = Field(examples=["cs_test_a1b2"])
    url: str = Field(examples=["https://checkout.stripe.com/c/pay/cs_test_a1b2"])
    publishable_key: str = Field(examples=["pk_test_..."])


class IntentOut(Schema):
    """The order's open PaymentIntent, for the Payment Element. `client_secret` is for its buyer alone."""

    payment_intent_id: str = Field(examples=["pi_3Nx"])
    client_secret: str = Field(examples=["pi_3Nx_secret_..."])
    publishable_key: str = Field(examples=["pk_test_..."])


class PiecesIn(Said):
    """So many pieces of an item of the order."""

    item: Whole = Field(ge=1, le=MAX_ID, examples=[7])
    quantity: Whole = Field(ge=1, le=MAX_QUANTITY, examples=[1])


class RefundIn(Said):
    """An `amount` in minor units, or pieces of `lines`, or, with neither, all that is left."""

    amount: Whole | None = Field(None, ge=1, le=MAX_ID, examples=[1000])
    lines: list[PiecesIn] | None = Field(None, min_length=1, max_length=MAX_LINES)
    reason: Literal["", *Refund.Reason.values] = ""  # type: ignore[valid-type]
    comment: str = Field("", max_length=1000)
    #: Its pieces can be sold again.
    restock: bool = False

    @model_validator(mode="after")
    def _is_not_both(self) -> "RefundIn":
        if self.amount is not None and self.lines is not None:
            raise ValueError("not_both")
        return self


class RefundOut(Schema):
    """A refund. `creating`: Stripe has not answered yet, and the shop asks again by itself.

    `cause`: empty where somebody asked for it; `sold_out`; or why its payment paid no order (`paid_before`,
    `amount`, `terms`, `cancelled`, `code`), and then it takes nothing from the order's money.
    """

    id: int = Field(examples=[3])
    order: int = Field(examples=[42])
    stripe_id: str | None = Field(examples=["re_3Nx"])
    status: str = Field(examples=["succeeded"])
    amount: int = Field(examples=[1000])
    currency: str = Field(examples=["usd"])
    reason: str = Field(examples=[""])
    cause: str = Field(examples=[""])
    created: datetime = Field(examples=["2026-11-30T08:00:00Z"])


class RefundList(Schema):
    """The refunds of an order, oldest first."""

    refunds: list[RefundOut]


class ShipmentIn(Said):
    """By whom it is carried; the buyer reads it in a mail."""

    carrier: str = Field("", max_length=100, examples=["DHL"])
    number: str = Field("", max_length=100, examples=["00340434161094042557"])
    link: str = Field("", max_length=500, examples=["https://dhl.example/00340434161094042557"])
