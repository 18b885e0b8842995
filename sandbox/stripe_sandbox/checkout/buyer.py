"""Who buys at a Checkout Session: what the session asks for, and what was said, by form or by /_sandbox/."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from stripe_sandbox.core.store import Obj

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
#: Whoever pays by /_sandbox/ and says nothing of himself; the page's test chips fill it in too.
EMAIL, NAME, PHONE = "buyer@example.com", "Jenny Rosen", "+12015550123"
HOME = {
    "line1": "354 Oyster Point Blvd",
    "city": "South San Francisco",
    "postal_code": "94080",
    "state": "CA",
}


@dataclass(frozen=True)
class Buyer:
    """`address` belongs to the card; `shipping` is `{"name", "address"}`; `shipping_rate` was chosen."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None
    address: Obj | None = None
    shipping: Obj | None = None
    shipping_rate: str | None = None

    def billing(self) -> Obj:
        """As the parameters of a PaymentMethod have it."""
        known = {"email": self.email, "name": self.name, "phone": self.phone, "address": self.address}
        return {name: value for name, value in known.items() if value is not None}


def asks_phone(session: Obj) -> bool:
    return bool(session["phone_number_collection"]["enabled"])


def asks_address(session: Obj) -> bool:
    """The address of the card; with the rule `auto` only what a payment needs, which here is none."""
    return bool(session["billing_address_collection"] == "required" and session["amount_total"] > 0)


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
    return replace(buyer, **found)
