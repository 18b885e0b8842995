"""The end of a Checkout Session that is won: its customer, what was collected, its event, the way back."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import collecting
from stripe_sandbox.checkout.buyer import Buyer
from stripe_sandbox.checkout.objects import customer_details, with_id
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import coupons, customers, payment_methods, promotion_codes, setup_intents
from stripe_sandbox.resources.events import save_changed
from stripe_sandbox.resources.payment_intents import charging
from stripe_sandbox.resources.payment_intents.charging import PayOutcome
from stripe_sandbox.server.routes import fetch


def complete(box: Box, account: str, session: Obj, intent: Obj | None, buyer: Buyer) -> PayOutcome:
    """The session is over and won: whatever hangs on it happens here, in the payment's own transaction.
    `intent` is None where nothing was paid."""
    if session["customer"] is None:
        _make_customer(box, account, session, intent, buyer)
    elif session.get("_customer_update"):
        _update_customer(box, account, session, buyer)
    if session["mode"] == "payment":
        paid = intent is None or intent["status"] == "succeeded"
        session["payment_status"] = "paid" if paid else "unpaid"
    session.update(
        status="complete",
        url=None,
        _due=None,
        consent=collecting.consent(session, terms=True, promotions=buyer.promotions),
        custom_fields=collecting.answered(session, buyer.custom),
        customer_details=customer_details(
            email=buyer.email, name=buyer.name, phone=buyer.phone, address=buyer.address, done=True
        ),
    )
    if buyer.shipping:
        session["collected_information"] = {
            "business_name": None,
            "individual_name": None,
            "shipping_details": buyer.shipping,
        }
    box.store.save(account, session)
    for discount in session.get("discounts") or ():
        coupons.redeem(box, account, discount["coupon"])
        if discount["promotion_code"]:
            promotion_codes.redeem(box, account, discount["promotion_code"])
    box.emit(account, "checkout.session.completed", session)
    underway = intent is not None and intent["status"] == "processing"
    return PayOutcome("processing" if underway else "paid", redirect_url=way_back(session))


def way_back(session: Obj) -> str | None:
    """Where the buyer goes afterwards; None where the shop's own page goes on by itself."""
    if session["ui_mode"] == "hosted_page":
        return with_id(session["success_url"], session["id"])
    if session["redirect_on_completion"] != "always":  # cards never need a redirect
        return None
    return with_id(session["return_url"], session["id"])


def _make_customer(box: Box, account: str, session: Obj, intent: Obj | None, buyer: Buyer) -> None:
    """A Customer where one is wanted, or the card is kept for one. A no-cost order has no payment that would
    tell whose it is, so Stripe makes one too."""
    costs_nothing = intent is None and session["mode"] == "payment"
    kept = intent is not None and intent["setup_future_usage"]
    if not (session["customer_creation"] == "always" or costs_nothing or kept):
        return
    shipping = buyer.shipping and {**buyer.shipping, "phone": buyer.phone}
    customer = customers.new_customer(box, account, {**buyer.billing(), "shipping": shipping})
    session["customer"] = customer["id"]
    if intent:
        intent["customer"] = customer["id"]
        box.store.save(account, intent)
        method = fetch(box, account, payment_methods.KIND, intent["payment_method"])
        charging.keep_method(box, account, intent, method)
    if session["setup_intent"]:
        setup_intents.give_to(box, account, session["setup_intent"], customer["id"])


def _update_customer(box: Box, account: str, session: Obj, buyer: Buyer) -> None:
    """What `customer_update` lets the page change of the Customer that was there before."""
    customer = customers.find(box, account, session["customer"])
    shipping = buyer.shipping and {**buyer.shipping, "phone": buyer.phone}
    said = {"address": buyer.address, "name": buyer.name, "shipping": shipping}
    changed = {
        name: said[name]
        for name, rule in session["_customer_update"].items()
        if rule == "auto" and said.get(name)
    }
    if changed:
        save_changed(box, account, customer | changed, "customer.updated")
