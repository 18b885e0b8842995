"""Checkout Sessions: the API's methods, and what the hosted page does with a session: find it, pay it.

A session is open until it is paid, expired by the shop, or past its time; each of these happens once and in a
transaction of its own, so a payment and an expiry can't both win.
"""

from __future__ import annotations

from collections.abc import Callable

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import amounts, automatic_tax, collecting, setup
from stripe_sandbox.checkout.buyer import Buyer, complete, needs_card, place
from stripe_sandbox.checkout.completing import complete as win
from stripe_sandbox.checkout.completing import way_back
from stripe_sandbox.checkout.create import build, make_intent
from stripe_sandbox.checkout.objects import ITEM, KIND
from stripe_sandbox.core import errors
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.store import Obj, shown
from stripe_sandbox.resources import payment_methods, setup_intents
from stripe_sandbox.resources.payment_intents import charging, objects
from stripe_sandbox.resources.payment_intents.charging import PayOutcome
from stripe_sandbox.resources.payment_intents.objects import KIND as INTENT
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.rules.debits import BankAccount
from stripe_sandbox.server.routes import (
    Call,
    Params,
    each_due,
    fetch,
    includable,
    listing,
    merge_metadata,
    route,
)

__all__ = ["KIND", "PayOutcome", "expire_due", "find_session", "pay_session"]

NOBODY = Buyer()
# What a charge says of shipping besides name and address.
SHIPPING = {"carrier": None, "tracking_number": None}
UNFINISHED = ("requires_payment_method", "requires_confirmation", "requires_action")


@route("POST", "/v1/checkout/sessions")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    return build(box, account, params, call)


@route("GET", "/v1/checkout/sessions")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    expire_due(box)
    where = {
        name: params.get(name)
        for name in ("customer", "payment_intent", "payment_link", "status", "subscription")
    }
    where["customer_details.email"] = (params.get("customer_details") or {}).get("email")
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/checkout/sessions/{session}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return _fetch(box, account, call.arg())


@route("POST", "/v1/checkout/sessions/{session}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    session = _fetch(box, account, call.arg())
    metadata = params.pop("metadata", session["metadata"])
    if params:
        name = min(params)
        raise errors.invalid(
            f"The local sandbox can change only the metadata of a hosted Checkout Session, not {name}.",
            code="sandbox_not_supported",
            param=name,
        )
    merge_metadata(session, metadata)
    box.store.save(account, session)
    return session


@route("POST", "/v1/checkout/sessions/{session}/expire")
def expire(box: Box, account: str, params: Params, call: Call) -> Obj:
    session = _fetch(box, account, call.arg())
    if session["status"] != "open":
        raise errors.invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session['status']}`."
        )
    return _expire(box, account, session)


@route("GET", "/v1/checkout/sessions/{session}/line_items")
def line_items(box: Box, account: str, params: Params, call: Call) -> Obj:
    session = _fetch(box, account, call.arg())
    return listing(box, account, ITEM, params, call, where={"_session": session["id"]})


@includable(KIND, "line_items")
def first_line_items(box: Box, account: str, session: Obj) -> Obj:
    """The first ten; the rest has to be listed, as at Stripe."""
    items, has_more = box.store.list(account, ITEM, where={"_session": session["id"]}, limit=10)
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return {"object": "list", "data": items, "has_more": has_more, "url": url}


def find_session(box: Box, session_id: str) -> tuple[str, Obj] | None:
    """(account, session) for the pages: Stripe-shaped, with all `line_items` (their `discounts` and `taxes`
    too) and `total_details.breakdown` in it. None where nobody has such a session."""
    expire_due(box)
    found = box.store.find(KIND, session_id)
    if found is None:
        return None
    account, session = found
    items, _ = box.store.list(account, ITEM, where={"_session": session_id})
    for item in items:
        item |= {"discounts": item["+discounts"], "taxes": item["+taxes"]}
    url = f"/v1/checkout/sessions/{session_id}/line_items"
    session["line_items"] = {"object": "list", "data": items, "has_more": False, "url": url}
    if session["total_details"]:
        session["total_details"]["breakdown"] = session["total_details"]["+breakdown"]
    return account, shown(session)


def pay_session(
    box: Box,
    account: str,
    session_id: str,
    card: Card | BankAccount | None = None,
    *,
    buyer: Buyer = NOBODY,
    authenticated: bool | None = None,
) -> PayOutcome:
    """Try to pay a session with a card or a bank account (None only where the total is 0). A card that asks
    for 3-D Secure gives `requires_action` until it is tried again with `authenticated`; a bank account
    `processing`; a closed session `closed`. What the session asks for and `buyer` does not say is made up."""
    expire_due(box)
    with box.store.transaction():
        session = box.store.get(account, KIND, session_id)
        if session is None:
            return PayOutcome("closed", f"No such checkout.session: '{session_id}'", "resource_missing")
        if session["status"] != "open":
            return PayOutcome(
                "closed",
                "This Checkout Session has expired."
                if session["status"] == "expired"
                else "This is already paid.",
                redirect_url=way_back(session) if session["status"] == "complete" else None,
            )
        if buyer.shipping_rate:
            amounts.ship(box, account, session, buyer.shipping_rate)
        buyer = complete(session, buyer)
        collecting.answered(session, buyer.custom)  # refuses before anything is paid
        if automatic_tax.waits(session) and place(buyer).get("country"):
            amounts.locate(box, account, session)
        return _pay_open(box, account, session, card, buyer, authenticated)


def _pay_open(
    box: Box,
    account: str,
    session: Obj,
    card: Card | BankAccount | None,
    buyer: Buyer,
    authenticated: bool | None,
) -> PayOutcome:
    if not needs_card(session):
        return win(box, account, session, None, buyer)
    if card is None:
        return PayOutcome("declined", "Your card number is incomplete.", "incorrect_number")
    if session["mode"] == "setup":
        outcome = setup.save(box, account, session, card, buyer, authenticated)
        return win(box, account, session, None, buyer) if outcome.kind == "paid" else outcome
    try:
        method = payment_methods.make(box, account, card, billing=buyer.billing())
    except StripeError as error:
        return PayOutcome("declined", error.message, error.code)
    return _try(box, account, session, method, buyer, authenticated)


def _try(
    box: Box, account: str, session: Obj, method: Obj, buyer: Buyer, authenticated: bool | None
) -> PayOutcome:
    intent = box.store.get(account, INTENT, session["payment_intent"]) if session["payment_intent"] else None
    if intent is None:
        intent = make_intent(box, account, session)
    if buyer.shipping:
        intent["shipping"] = {**SHIPPING, **buyer.shipping, "phone": buyer.phone}
    outcome = charging.attempt(
        box, account, intent, method, authenticated=authenticated, base_url=session["_base_url"]
    )
    if outcome.kind not in ("paid", "processing"):
        return outcome
    return win(box, account, session, intent, buyer)


def change(box: Box, account: str, session_id: str, act: Callable[[Box, str, Obj], None]) -> None:
    """Let the buyer change an open session: `act(box, account, session)` in a transaction of its own. Raises
    StripeError."""
    expire_due(box)
    with box.store.transaction():
        session = fetch(box, account, KIND, session_id, "checkout.session", "session")
        if session["status"] != "open":
            raise errors.invalid("This Checkout Session is not open any more.", param="session")
        act(box, account, session)


def ship(box: Box, account: str, session_id: str, rate: str) -> None:
    """Let one of its shipping options count."""
    change(box, account, session_id, lambda box, account, session: amounts.ship(box, account, session, rate))


def use_code(box: Box, account: str, session_id: str, text: str) -> None:
    """Let a promotion code count, or none with ""."""
    change(
        box, account, session_id, lambda box, account, session: amounts.use_code(box, account, session, text)
    )


def set_quantity(box: Box, account: str, session_id: str, item: str, quantity: int) -> None:
    """Let the buyer have more or fewer of a line."""
    change(
        box,
        account,
        session_id,
        lambda box, account, session: amounts.set_quantity(box, account, session, item, quantity),
    )


def locate(box: Box, account: str, session_id: str) -> None:
    """Let the automatic tax count, now that the buyer's country is known."""
    change(box, account, session_id, amounts.locate_anew)


def expire_due(box: Box) -> int:
    """End every open session whose time is past, with its event; how many there were."""
    return each_due(box, KIND, lambda account, session: _expire(box, account, session))


def _expire(box: Box, account: str, session: Obj) -> Obj:
    session.update(status="expired", url=None, _due=None)
    box.store.save(account, session)
    intent = box.store.get(account, INTENT, session["payment_intent"]) if session["payment_intent"] else None
    if intent and intent["status"] in UNFINISHED:
        objects.cancel(box, account, intent, "automatic")
    if session["setup_intent"]:
        setup_intents.abandon(box, account, session["setup_intent"])
    box.emit(account, "checkout.session.expired", session)
    return session


def _fetch(box: Box, account: str, id: str) -> Obj:
    expire_due(box)
    return fetch(box, account, KIND, id, "checkout.session", "session")
