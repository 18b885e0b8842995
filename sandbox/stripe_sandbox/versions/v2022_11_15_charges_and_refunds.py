"""2022-11-15: a PaymentIntent has `latest_charge` in place of all its `charges`, and a Charge shows its
`refunds` only when asked."""

from __future__ import annotations

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change, page


def _charges(store: Store, account: str, intent: Obj) -> Obj:
    found = store.list(account, "charge", where={"payment_intent": intent["id"]}, limit=10)
    return page(found, f"/v1/charges?payment_intent={intent['id']}") | {"total_count": len(found[0])}


def _refunds(store: Store, account: str, charge: Obj) -> Obj:
    found = store.list(account, "refund", where={"charge": charge["id"]}, limit=10)
    return page(found, f"/v1/charges/{charge['id']}/refunds") | {"total_count": len(found[0])}


CHANGE = Change(
    "2022-11-15",
    shown={("payment_intent", "charges"): _charges, ("charge", "refunds"): _refunds},
)
