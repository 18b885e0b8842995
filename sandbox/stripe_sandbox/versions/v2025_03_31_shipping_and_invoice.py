"""2025-03-31: a session keeps its `shipping_details` in `collected_information`; a payment does not name its
`invoice`."""

from __future__ import annotations

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change


def _session(store: Store, account: str, session: Obj) -> None:
    collected = session.get("collected_information") or {}
    session["shipping_details"] = collected.get("shipping_details")


def _payment(store: Store, account: str, payment: Obj) -> None:
    payment["invoice"] = None  # the sandbox has no invoices


CHANGE = Change(
    "2025-03-31", down={"checkout.session": _session, "payment_intent": _payment, "charge": _payment}
)
