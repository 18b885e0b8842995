"""What a Checkout Session comes to: at first, and where its buyer takes a code, another way of shipping, or
more of a line."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import automatic_tax, discounts, shipping
from stripe_sandbox.checkout.discounts import Applied
from stripe_sandbox.checkout.lines import Bought, price
from stripe_sandbox.checkout.objects import ITEM
from stripe_sandbox.core import errors
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import promotion_codes
from stripe_sandbox.resources.payment_intents.objects import KIND as INTENT
from stripe_sandbox.rules import amounts
from stripe_sandbox.server.routes import Params, fetch


def write(
    box: Box, account: str, session: Obj, lines: list[Bought], applied: Applied | None, params: Params
) -> list[Obj]:
    """Write the sums into the session; its items. Raises StripeError where the discount does not fit, or too
    little is left to pay."""
    currency = lines[0].price["currency"]
    lines = automatic_tax.taxed(box, account, session, lines)
    discount = applied.discount_object(session) if applied else None
    priced = price(lines, applied, discount, box.faults.rounding)
    if applied:
        bought = [line.product["id"] for line in lines]
        discounts.check_fits(box, account, applied, bought, priced.subtotal, currency, params)
    shipped = (session["shipping_cost"] or {}).get("amount_total", 0)
    amounts.check_session_total(priced.total + shipped, currency)
    session |= {
        "amount_subtotal": priced.subtotal,
        "amount_total": priced.total + shipped,
        "currency": currency,
        "discounts": [applied.in_session()] if applied else [],
        "total_details": {
            "amount_discount": priced.discount,
            "amount_shipping": shipped,
            "amount_tax": priced.tax,
            "+breakdown": priced.breakdown,
        },
    }
    return priced.items


def ship(box: Box, account: str, session: Obj, rate: str) -> None:
    """Let the buyer's choice of shipping count, and save it; 400 for one that is not offered."""
    option = next((one for one in session["shipping_options"] if one["shipping_rate"] == rate), None)
    if option is None:
        raise errors.missing_object("shipping rate", rate, "shipping_rate", status=400)
    was, session["shipping_cost"] = session["shipping_cost"], shipping.cost(option)
    change = option["shipping_amount"] - was["amount_total"]
    session["amount_total"] += change
    session["total_details"]["amount_shipping"] += change
    amounts.check_session_total(session["amount_total"], session["currency"])
    _save(box, account, session)


def use_code(box: Box, account: str, session: Obj, text: str) -> None:
    """Take a promotion code that the buyer typed, or with "" the one back that counts; saved. 400 as
    Stripe's page refuses it."""
    if not session["allow_promotion_codes"]:
        raise errors.invalid("This Checkout Session takes no promotion codes.", param="promotion_code")
    applied = None
    if text.strip():
        code = promotion_codes.find_by_code(box, account, text)
        if code is None:
            raise errors.invalid(
                "This code is invalid.", code="promotion_code_invalid", param="promotion_code"
            )
        wanted = {"discounts": [{"promotion_code": code["id"]}]}
        applied = discounts.resolve(box, account, wanted, session["currency"])
    _reprice(box, account, session, applied)


def set_quantity(box: Box, account: str, session: Obj, item_id: str, quantity: int) -> None:
    """Let the buyer have more or fewer of a line, and save it; 0 takes the line out. 400 where the line does
    not let him."""
    kept, _ = box.store.list(account, ITEM, where={"_session": session["id"]})
    found = next((place for place, item in enumerate(kept) if item["id"] == item_id), None)
    bounds = kept[found]["adjustable_quantity"] if found is not None else None
    if found is None or bounds is None:
        raise errors.invalid("The quantity of this line cannot be changed.", param="quantity")
    least = bounds["minimum"] if len(kept) > 1 else max(bounds["minimum"], 1)
    if not least <= quantity <= bounds["maximum"]:
        raise errors.invalid("This quantity is not offered.", param="quantity")
    session["_lines"][found]["quantity"] = quantity
    if quantity == 0:
        del session["_lines"][found]
        box.store.delete(account, ITEM, item_id)
    _reprice(box, account, session, _applied(box, account, session))


def locate(box: Box, account: str, session: Obj) -> None:
    """Let the tax count that waited for the buyer's country, and save it."""
    session["automatic_tax"]["status"] = "complete"
    _reprice(box, account, session, _applied(box, account, session))


def locate_anew(box: Box, account: str, session: Obj) -> None:
    """`locate` where the tax still waits, else nothing."""
    if automatic_tax.waits(session):
        locate(box, account, session)


def _applied(box: Box, account: str, session: Obj) -> Applied | None:
    """The discount that counts now."""
    if not session["discounts"]:
        return None
    [discount] = session["discounts"]
    name = "promotion_code" if discount["promotion_code"] else "coupon"
    return discounts.resolve(box, account, {"discounts": [{name: discount[name]}]}, session["currency"])


def _reprice(box: Box, account: str, session: Obj, applied: Applied | None) -> None:
    """Count anew, and keep the session and its items, each under its id."""
    lines = [Bought(**line) for line in session["_lines"]]
    fresh = write(box, account, session, lines, applied, {"customer": session["customer"]})
    kept, _ = box.store.list(account, ITEM, where={"_session": session["id"]})
    for old, new in zip(kept, fresh, strict=True):
        box.store.save(account, {**new, "id": old["id"], "_session": session["id"]})
    _save(box, account, session)


def _save(box: Box, account: str, session: Obj) -> None:
    """With the intent that a try to pay may have made already."""
    box.store.save(account, session)
    if session["payment_intent"]:
        intent = fetch(box, account, INTENT, session["payment_intent"])
        box.store.save(account, {**intent, "amount": session["amount_total"]})
