"""The lines of a Checkout Session: prices found or made, tax rates found, and what it all comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.discounts import Applied
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.goods import MOST_IMAGES, new_price, new_product
from stripe_sandbox.rules import currencies
from stripe_sandbox.rules.arithmetic import Line, LineTotal, Rate, compute_in_steps
from stripe_sandbox.server.routes import Params, new_metadata

MOST_LINES = 100
MOST_RATES = 10
MOST_QUANTITY = 999_999


@dataclass(frozen=True)
class Bought:
    """One line, resolved: what, how many, under which tax rates."""

    price: Obj
    product: Obj
    quantity: int
    rates: Sequence[Obj]
    adjustable: Obj | None
    metadata: dict[str, str]


def resolve(box: Box, account: str, given: Sequence[Params]) -> list[Bought]:
    """Every line checked, inline prices made; 400 where Stripe would refuse."""
    if not given:
        raise errors.missing_param("line_items")
    if len(given) > MOST_LINES:
        raise errors.invalid(
            f"Checkout Sessions can have at most {MOST_LINES} line items, but you passed {len(given)}.",
            param="line_items",
        )
    lines = [_resolve(box, account, item, f"line_items[{index}]") for index, item in enumerate(given)]
    currency = lines[0].price["currency"]
    for index, line in enumerate(lines):
        if line.price["currency"] != currency:
            raise errors.invalid(
                "All line items of a Checkout Session must have the same currency: "
                f"{currency} and {line.price['currency']} were given.",
                param=f"line_items[{index}]",
            )
    return lines


def _resolve(box: Box, account: str, item: Params, path: str) -> Bought:
    if ("price" in item) == ("price_data" in item):
        if "price" in item:
            raise errors.invalid(
                f"You may only specify one of these parameters: {path}[price], {path}[price_data]."
            )
        raise errors.missing_param(f"{path}[price]")
    if "quantity" not in item:
        raise errors.invalid(
            f"Quantity is required. Add `quantity` to `{path}`",
            code="parameter_missing",
            param=f"{path}[quantity]",
        )
    if not 1 <= item["quantity"] <= MOST_QUANTITY:
        bound = (
            "greater than or equal to 1" if item["quantity"] < 1 else f"less than or equal to {MOST_QUANTITY}"
        )
        raise errors.invalid(
            f"This value must be {bound}.", code="parameter_invalid_integer", param=f"{path}[quantity]"
        )
    price = _known_price(box, account, item["price"], path) if "price" in item else None
    price = price or _inline_price(box, account, item["price_data"], f"{path}[price_data]")
    product = box.store.get(account, "product", price["product"])
    if product is None:
        raise errors.missing_object("product", price["product"], f"{path}[price]", status=400)
    return Bought(
        price=price,
        product=product,
        quantity=item["quantity"],
        rates=_rates(box, account, item.get("tax_rates") or [], f"{path}[tax_rates]"),
        adjustable=_adjustable(item.get("adjustable_quantity"), item["quantity"], path),
        metadata=new_metadata(item),
    )


def _adjustable(given: Params | None, quantity: int, path: str) -> Obj | None:
    """Between which quantities the buyer may choose; Stripe's own bounds where none are given."""
    if given is None or not given["enabled"]:
        return None
    most, least = given.get("maximum", 99), given.get("minimum", 0)
    for name, value, top in (("maximum", most, MOST_QUANTITY), ("minimum", least, most)):
        if not 0 <= value <= top:
            raise errors.invalid(
                f"This value must be from 0 to {top}.", param=f"{path}[adjustable_quantity][{name}]"
            )
    if not max(least, 1) <= quantity <= most:
        raise errors.invalid(
            f"The quantity must be between the minimum ({least}) and the maximum ({most}) that buyers may "
            "choose.",
            param=f"{path}[quantity]",
        )
    return {"enabled": True, "maximum": most, "minimum": least}


def _known_price(box: Box, account: str, id: str, path: str) -> Obj:
    price = box.store.get(account, "price", id)
    if price is None:
        raise errors.missing_object("price", id, f"{path}[price]", status=400)
    if not price["active"]:
        raise errors.invalid(
            "The price specified is inactive. This field only accepts active prices.", param=f"{path}[price]"
        )
    _check_one_time(price)
    return price


def _check_one_time(price: Params) -> None:
    if price.get("recurring"):
        raise errors.invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices.",
            param="mode",
        )


def _inline_price(box: Box, account: str, data: Params, path: str) -> Obj:
    """Make the throwaway Price, and Product, of `price_data`; inactive, as Stripe keeps them."""
    _check_one_time(data)
    if ("product" in data) == ("product_data" in data):
        if "product" in data:
            raise errors.invalid(
                f"You may only specify one of these parameters: {path}[product], {path}[product_data]."
            )
        raise errors.missing_param(f"{path}[product_data]")
    step = currencies.step(data["currency"])
    if (data.get("unit_amount") or 0) % step:
        raise errors.invalid(
            f"Invalid amount: amounts in {data['currency'].upper()} must be a multiple of {step}.",
            code="parameter_invalid_integer",
            param=f"{path}[unit_amount]",
        )
    if "product_data" in data:
        if len(data["product_data"].get("images") or []) > MOST_IMAGES:
            raise errors.invalid(
                f"You can only have up to {MOST_IMAGES} images.",
                param=f"{path}[product_data][images]",
            )
        product = new_product(box, account, data["product_data"], active=False)
        data = {**data, "product": product["id"]}
    elif box.store.get(account, "product", data["product"]) is None:
        raise errors.missing_object("product", data["product"], f"{path}[product]", status=400)
    return new_price(box, account, data, path, active=False)


def _rates(box: Box, account: str, wanted: Sequence[str], path: str) -> list[Obj]:
    if len(wanted) > MOST_RATES:
        raise errors.invalid(f"A line item can have at most {MOST_RATES} tax rates.", param=path)
    found = []
    for index, id in enumerate(wanted):
        rate = box.store.get(account, "tax_rate", id)
        if rate is None:
            raise errors.missing_object("tax rate", id, f"{path}[{index}]", status=400)
        if not rate["active"]:
            raise errors.invalid(
                f"The tax rate {id} is archived and cannot be used with new Checkout Sessions.",
                param=f"{path}[{index}]",
            )
        if rate in found:
            raise errors.invalid(f"The tax rate {id} is given more than once.", param=f"{path}[{index}]")
        found.append(rate)
    return found


@dataclass(frozen=True)
class Priced:
    """The items as Stripe shows them, and the session's sums."""

    items: list[Obj]
    subtotal: int
    discount: int
    tax: int
    total: int
    breakdown: Obj


def price(lines: Sequence[Bought], applied: Applied | None, discount: Obj | None, rounding: str) -> Priced:
    """Compute every line; `discount` is the Discount object that `applied` became in this session."""
    totals = compute_in_steps(
        [
            Line(
                unit=Fraction(line.price["unit_amount_decimal"]),
                quantity=line.quantity,
                rates=tuple(
                    Rate(Fraction(str(rate["percentage"])), rate["inclusive"]) for rate in line.rates
                ),
                discountable=applied is None or applied.covers(line.product["id"]),
            )
            for line in lines
        ],
        applied.rule if applied else None,
        rounding,
        currencies.step(lines[0].price["currency"]),
    )
    off = sum(total.discount for total in totals)
    return Priced(
        items=[_item(line, total, discount) for line, total in zip(lines, totals, strict=True)],
        subtotal=sum(total.subtotal for total in totals),
        discount=off,
        tax=sum(total.tax for total in totals),
        total=sum(total.total for total in totals),
        breakdown={
            "discounts": [{"amount": off, "discount": discount}] if discount else [],
            "taxes": _by_rate(lines, totals),
        },
    )


def _item(line: Bought, total: LineTotal, discount: Obj | None) -> Obj:
    return {
        "id": ids.new("li"),
        "object": "item",
        "adjustable_quantity": line.adjustable,
        "amount_discount": total.discount,
        "amount_subtotal": total.subtotal,
        "amount_tax": total.tax,
        "amount_total": total.total,
        "currency": line.price["currency"],
        "description": line.product["name"],
        "metadata": line.metadata,
        "price": line.price,
        "quantity": line.quantity,
        "+discounts": [{"amount": total.discount, "discount": discount}] if discount else [],
        "+taxes": [
            _tax(tax.amount, rate, tax.taxable) for rate, tax in zip(line.rates, total.taxes, strict=True)
        ],
    }


def _tax(amount: int, rate: Obj, taxable: int) -> Obj:
    reason = "standard_rated" if rate.get("_automatic") else None
    return {"amount": amount, "rate": rate, "taxability_reason": reason, "taxable_amount": taxable}


def _by_rate(lines: Sequence[Bought], totals: Sequence[LineTotal]) -> list[Obj]:
    sums: dict[str, Any] = {}
    for line, total in zip(lines, totals, strict=True):
        for rate, tax in zip(line.rates, total.taxes, strict=True):
            entry = sums.setdefault(rate["id"], _tax(0, rate, 0))
            entry["amount"] += tax.amount
            entry["taxable_amount"] += tax.taxable
    return list(sums.values())
