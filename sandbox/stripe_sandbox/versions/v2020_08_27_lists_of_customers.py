"""2020-08-27: `sources`, `subscriptions` and `tax_ids` of a customer are there only when asked for."""

from __future__ import annotations

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change, Shown, page


def _empty(name: str) -> Shown:
    def shown(store: Store, account: str, customer: Obj) -> Obj:
        return page(([], False), f"/v1/customers/{customer['id']}/{name}")

    return shown


CHANGE = Change(
    "2020-08-27",
    shown={("customer", name): _empty(name) for name in ("sources", "subscriptions", "tax_ids")},
)
