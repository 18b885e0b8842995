"""The discount of a Checkout Session: one coupon or one promotion code, checked against what is bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import coupons, promotion_codes
from stripe_sandbox.rules.arithmetic import Discount
from stripe_sandbox.server.routes import Params


@dataclass(frozen=True)
class Applied:
    """A coupon that is to be applied, by way of a promotion code or not; `products` empty means to all."""

    coupon: Obj
    promotion_code: Obj | None
    rule: Discount
    products: frozenset[str]

    def covers(self, product: str) -> bool:
        return not self.products or product in self.products

    def in_session(self) -> Obj:
        """As the session's `discounts` show it."""
        return {
            "coupon": self.coupon["id"],
            "promotion_code": self.promotion_code["id"] if self.promotion_code else None,
        }

    def discount_object(self, session: Obj) -> Obj:
        """Stripe's Discount, as the breakdown shows it."""
        return {
            "id": ids.new("di"),
            "object": "discount",
            "checkout_session": session["id"],
            "customer": session["customer"],
            "customer_account": None,
            "end": None,
            "invoice": None,
            "invoice_item": None,
            "promotion_code": self.in_session()["promotion_code"],
            "source": {"coupon": self.coupon["id"], "type": "coupon"},
            "start": session["created"],
            "subscription": None,
            "subscription_item": None,
        }


def resolve(box: Box, account: str, params: Params, currency: str) -> Applied | None:
    """What `discounts` asks for; 400 where Stripe would refuse it."""
    given: list[dict[str, Any]] = params.get("discounts") or []
    if not given:
        return None
    if "allow_promotion_codes" in params:
        raise errors.invalid(
            "You may only specify one of these parameters: allow_promotion_codes, discounts."
        )
    if len(given) > 1:
        raise errors.invalid("You may only specify one discount for a Checkout Session.", param="discounts")
    [wanted] = given
    if len(wanted) != 1:
        raise errors.invalid(
            "You must specify exactly one of these parameters: coupon, promotion_code.", param="discounts[0]"
        )
    code = None
    if "promotion_code" in wanted:
        param = "discounts[0][promotion_code]"
        code = promotion_codes.find_usable(box, account, wanted["promotion_code"], param)
        coupon = coupons.find_usable(box, account, code["promotion"]["coupon"], param)
    else:
        param = "discounts[0][coupon]"
        coupon = coupons.find_usable(box, account, wanted["coupon"], param)
    rule = _rule(coupon, currency, "promotion code" if code else "coupon", param)
    products = frozenset((coupon.get("+applies_to") or {}).get("products") or ())
    return Applied(coupon, code, rule, products)


def _rule(coupon: Obj, currency: str, noun: str, param: str) -> Discount:
    if coupon["percent_off"] is not None:
        return Discount(percent=Fraction(str(coupon["percent_off"])))
    options = coupon.get("+currency_options") or {}
    if currency == coupon["currency"]:
        return Discount(amount=coupon["amount_off"])
    if currency in options:
        return Discount(amount=options[currency]["amount_off"])
    raise errors.invalid(
        f"The {noun} default currency ({coupon['currency']}) does not match the line item currency "
        f"({currency}).",
        param=param,
    )


def check_fits(
    box: Box,
    account: str,
    applied: Applied,
    products: Sequence[str],
    subtotal: int,
    currency: str,
    params: Params,
) -> None:
    """Refuse a discount that touches nothing here, or whose promotion code isn't meant for this purchase."""
    if not any(applied.covers(product) for product in products):
        raise errors.invalid(
            f"This {'promotion code' if applied.promotion_code else 'coupon'} cannot be redeemed because it "
            "doesn't apply to anything in this order.",
            code="coupon_applies_to_nothing",
            param="discounts",
        )
    code = applied.promotion_code
    if code is None:
        return
    customer = params.get("customer")
    if code["customer"] is not None and code["customer"] != customer:
        raise _not_for_this("it is restricted to another customer")
    restrictions = code["restrictions"]
    least = (restrictions.get("+currency_options") or {}).get(currency, {}).get("minimum_amount")
    if least is not None and subtotal < least:
        raise _not_for_this("the order's amount is below the minimum")
    if restrictions["first_time_transaction"] and customer and _has_paid(box, account, customer):
        raise _not_for_this("the customer has prior transactions")


def _has_paid(box: Box, account: str, customer: str) -> bool:
    where = {"customer": customer, "status": "succeeded"}
    return bool(box.store.list(account, "charge", where=where, limit=1)[0])


def _not_for_this(reason: str) -> errors.StripeError:
    return errors.invalid(
        f"This promotion code cannot be redeemed because {reason}.", param="discounts[0][promotion_code]"
    )
