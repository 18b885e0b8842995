"""Who buys at a Checkout Session: what the session asks for, and what was said, by form or by /_sandbox/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stripe_sandbox.checkout.collecting import example
from stripe_sandbox.core.store import Obj

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
#: The buyer of a payment by /_sandbox/ that names none; the page's test chips fill it in too.
EMAIL, NAME, PHONE = "buyer@example.com", "Jenny Rosen", "+12015550123"
HOME = {
    "line1": "354 Oyster Point Blvd",
    "city": "South San Francisco",
    "postal_code": "94080",
    "state": "CA",
}


@dataclass(frozen=True)
class Buyer:
    """`address` belongs to the card; `shipping` is `{"name", "address"}`; `shipping_rate` was chosen.
    `custom`: the answers to the shop's own fields by their keys; `promotions`: he wants its letters."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    address: Obj | None = None
    shipping: Obj | None = None
    shipping_rate: str | None = None
    custom: Mapping[str, str] = field(default_factory=dict)
    promotions: bool = False

    def billing(self) -> Obj:
        """As the parameters of a PaymentMethod have it."""
        known = {"email": self.email, "name": self.name, "phone": self.phone, "address": self.address}
        return {name: value for name, value in known.items() if value is not None}


def asks_phone(session: Obj) -> bool:
    return bool(session["phone_number_collection"]["enabled"])


def asks_address(session: Obj) -> bool:
    """The address of the card; with the rule `auto` only what a payment needs, which here is none, or what
    its tax needs."""
    if session["automatic_tax"]["enabled"] and not countries(session):
        return True
    return bool(session["billing_address_collection"] == "required" and needs_card(session))


def needs_card(session: Obj) -> bool:
    """False where nothing is due and nothing is saved."""
    return bool(session["mode"] == "setup" or session["amount_total"] > 0)


def place(buyer: Buyer) -> Obj:
    """The address that tax is counted by: where the goods go, else the card's."""
    found: Obj = (buyer.shipping or {}).get("address") or buyer.address or {}
    return found


def countries(session: Obj) -> list[str]:
    """Where can be shipped to; none where nothing is shipped."""
    return list((session["shipping_address_collection"] or {}).get("allowed_countries", []))


def address(given: Obj) -> Obj:
    """All parts of an address, null where nothing was said."""
    return {name: given.get(name) or None for name in ADDRESS}


def complete(session: Obj, buyer: Buyer) -> Buyer:
    """The buyer with an example of whatever the session asks for and nobody has said."""
    known = session["customer_details"] or {}
    found: dict[str, Any] = {"email": session["customer_email"] or known.get("email") or buyer.email or EMAIL}
    if asks_phone(session):
        found["phone"] = buyer.phone or PHONE
    if asks_address(session):
        found["address"] = buyer.address or address({**HOME, "country": "US"})
    if places := countries(session):
        home = "US" if "US" in places else places[0]
        found["shipping"] = buyer.shipping or {
            "name": buyer.name or NAME,
            "address": address({**HOME, "country": home}),
        }
    required = {own["key"]: example(own) for own in session["custom_fields"] if not own["optional"]}
    found["custom"] = required | {key: text for key, text in buyer.custom.items() if text}
    return replace(buyer, **found)
