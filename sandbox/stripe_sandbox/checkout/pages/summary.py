"""A Checkout Session as its page shows it: every amount a string in the visitor's locale.

Pure: takes Stripe-shaped dicts (the session with `line_items` and `total_details.breakdown` expanded) and a
function that finds an object by kind and id, for what Stripe gives as an id only (product, coupon).
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel import Locale

from stripe_sandbox.checkout.pages.words import words
from stripe_sandbox.rules.money import format_amount, format_percent

Lookup = Callable[[str, str], dict[str, Any] | None]


@dataclass(frozen=True)
class Line:
    """One thing being bought. `each` is its unit price, empty where the amount says it already. `least` and
    `most`: between which the buyer may choose, None where he may not."""

    name: str
    description: str
    image: str
    quantity: int
    each: str
    amount: str
    id: str
    least: int | None
    most: int | None


@dataclass(frozen=True)
class Row:
    """A line of the sum: a discount or a tax."""

    label: str
    note: str
    amount: str


@dataclass(frozen=True)
class Summary:
    """The left half of Checkout. `free` means that nothing is due and no card is asked for."""

    lines: list[Line]
    subtotal: str
    discounts: list[Row]
    taxes: list[Row]
    shipping: Row | None
    total: str
    free: bool


def summarize(session: dict[str, Any], locale: Locale, find: Lookup) -> Summary:
    """What is paid for, from an expanded `session`; `find(kind, id)` fetches products, coupons and codes."""
    if session["amount_total"] is None:  # nothing is bought: a card is saved
        return Summary([], "", [], [], None, "", free=False)
    currency = str(session["currency"])

    def money(minor: int | Decimal) -> str:
        return format_amount(minor, currency, locale)

    breakdown = (session.get("total_details") or {}).get("breakdown") or {}
    total = int(session["amount_total"])
    alone = len(session["line_items"]["data"]) == 1
    return Summary(
        lines=[_line(item, money, find, alone) for item in session["line_items"]["data"]],
        subtotal=money(session["amount_subtotal"]),
        discounts=[_discount(entry, money, locale, find) for entry in breakdown.get("discounts", [])],
        taxes=[_tax(entry, money, locale) for entry in breakdown.get("taxes", [])],
        shipping=_shipping(session, money, locale, find),
        total=money(total),
        free=total == 0,
    )


def _shipping(
    session: dict[str, Any], money: Callable[[int | Decimal], str], locale: Locale, find: Lookup
) -> Row | None:
    cost = session.get("shipping_cost")
    if not cost:
        return None
    rate = _resolve(cost.get("shipping_rate"), "shipping_rate", find)
    amount = money(cost["amount_total"]) if cost["amount_total"] else words(locale)("Free")
    return Row(label="Shipping", note=rate.get("display_name") or "", amount=amount)


def _line(item: dict[str, Any], money: Callable[[int | Decimal], str], find: Lookup, alone: bool) -> Line:
    price = item.get("price") or {}
    product = _resolve(price.get("product"), "product", find)
    quantity = int(item.get("quantity") or 1)
    # A price in fractions of a minor unit has unit_amount null and says it in unit_amount_decimal alone.
    unit = price.get("unit_amount_decimal") or price.get("unit_amount") or 0
    images = product.get("images") or []
    bounds = item.get("adjustable_quantity")
    return Line(
        name=item.get("description") or product.get("name") or "",
        description=product.get("description") or "",
        image=images[0] if images else "",
        quantity=quantity,
        each=money(Decimal(str(unit))) if quantity > 1 else "",
        amount=money(item["amount_subtotal"]),
        id=item["id"],
        least=max(bounds["minimum"], int(alone)) if bounds else None,
        most=bounds["maximum"] if bounds else None,
    )


def _discount(
    entry: dict[str, Any], money: Callable[[int | Decimal], str], locale: Locale, find: Lookup
) -> Row:
    discount = entry["discount"]
    source = discount.get("source") or {}
    coupon = _resolve(source.get("coupon"), "coupon", find)
    code = _resolve(discount.get("promotion_code"), "promotion_code", find).get("code", "")
    percent = coupon.get("percent_off")
    say = words(locale)
    return Row(
        label=code or coupon.get("name") or coupon.get("id") or say("Discount"),
        note=say("{percent} off", percent=format_percent(Decimal(str(percent)), locale)) if percent else "",
        amount=money(-int(entry["amount"])),
    )


def _tax(entry: dict[str, Any], money: Callable[[int | Decimal], str], locale: Locale) -> Row:
    rate = entry["rate"]
    percent = format_percent(Decimal(str(rate["percentage"])), locale)
    return Row(
        label=rate["display_name"],
        note=words(locale)("{percent} incl.", percent=percent) if rate["inclusive"] else percent,
        amount=money(entry["amount"]),
    )


def _resolve(value: Any, kind: str, find: Lookup) -> dict[str, Any]:
    """An expandable field as an object: it may be an object already, an id, or null."""
    if isinstance(value, dict):
        return value
    return (find(kind, value) if value else None) or {}
