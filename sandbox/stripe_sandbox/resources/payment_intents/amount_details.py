"""`amount_details` of a PaymentIntent: what its amount is made of, for information; checked to add up.

Source: the parameter docs of stripe-python 16.1 (PaymentIntentCreateParamsAmountDetails). Minor units.
"""

from __future__ import annotations

from typing import Any

from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.server.routes import Call, Params, page_size

MOST_LINES = 200


def check(given: Params | None, amount: int) -> Obj | None:
    """The details as the intent keeps them; 400 where they contradict themselves or don't add up to the
    amount (unless `enforce_arithmetic_validation` is false). None where nothing was given."""
    if given is None:
        return None
    lines = given.get("line_items") or []
    if len(lines) > MOST_LINES:
        raise errors.invalid(
            f"You can only have up to {MOST_LINES} line items.", param="amount_details[line_items]"
        )
    tax, discount = (given.get("tax") or {}).get("total_tax_amount"), given.get("discount_amount")
    for name, top, each in (
        ("discount_amount", discount, [line.get("discount_amount") for line in lines]),
        ("tax[total_tax_amount]", tax, [(line.get("tax") or {}).get("total_tax_amount") for line in lines]),
    ):
        if top is not None and any(value is not None for value in each):
            raise errors.invalid(
                f"You may only specify {name} on the amount_details or on its line_items, not on both.",
                param=f"amount_details[{name}]"
                if name == "discount_amount"
                else "amount_details[tax][total_tax_amount]",
            )
    shipping = given.get("shipping") or {}
    wrong = _mismatch(lines, discount, tax, shipping.get("amount"), amount)
    if wrong and given.get("enforce_arithmetic_validation", True):
        raise errors.invalid(wrong["message"], code=wrong["code"], param="amount_details")
    details: Obj = {"tip": {}}
    if discount is not None:
        details["discount_amount"] = discount
    if tax is not None:
        details["tax"] = {"total_tax_amount": tax}
    if shipping:
        details["shipping"] = {
            name: shipping.get(name) for name in ("amount", "from_postal_code", "to_postal_code")
        }
    if wrong:
        details["error"] = wrong
    details["_lines"] = [_line(line) for line in lines]
    return details


def _mismatch(
    lines: list[Params], discount: int | None, tax: int | None, shipping: int | None, amount: int
) -> Obj | None:
    if not lines:
        if (discount or 0) + (tax or 0) + (shipping or 0) <= amount:
            return None
        return {
            "code": "amount_details_tax_shipping_discount_greater_than_amount",
            "message": "The tax, shipping and discount of the amount_details add up to more than the amount.",
        }
    each = sum(
        line["quantity"] * line["unit_cost"]
        - line.get("discount_amount", 0)
        + (line.get("tax") or {}).get("total_tax_amount", 0)
        for line in lines
    )
    total = each - (discount or 0) + (tax or 0) + (shipping or 0)
    if total == amount:
        return None
    return {
        "code": "amount_details_amount_mismatch",
        "message": f"The amount_details add up to {total}, but the amount is {amount}.",
    }


def _line(given: Params) -> Obj:
    tax = given.get("tax")
    return {
        "id": ids.new("pi_li"),
        "object": "payment_intent_amount_details_line_item",
        "discount_amount": given.get("discount_amount"),
        "payment_method_options": given.get("payment_method_options"),
        "product_code": given.get("product_code"),
        "product_name": given["product_name"],
        "quantity": given["quantity"],
        "tax": {"total_tax_amount": tax["total_tax_amount"]} if tax else None,
        "unit_cost": given["unit_cost"],
        "unit_of_measure": given.get("unit_of_measure"),
    }


def page(intent: Obj, params: Params, call: Call) -> Obj:
    """The list of an intent's lines, in their order."""
    lines: list[Any] = intent["amount_details"].get("_lines") or []
    start = 0
    if "starting_after" in params:
        start = _place(lines, params["starting_after"], "starting_after") + 1
    if "ending_before" in params:
        lines = lines[: _place(lines, params["ending_before"], "ending_before")]
        start = max(0, len(lines) - page_size(params))
    kept = lines[start : start + page_size(params)]
    more = start > 0 if "ending_before" in params else start + len(kept) < len(lines)
    return {"object": "list", "data": kept, "has_more": more, "url": call.url}


def _place(lines: list[Any], id: str, cursor: str) -> int:
    for place, line in enumerate(lines):
        if line["id"] == id:
            return place
    raise errors.missing_object("line item", id, cursor, status=400)
