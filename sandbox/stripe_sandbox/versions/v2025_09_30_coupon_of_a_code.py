"""2025-09-30: a promotion code has its coupon in `promotion`, a discount in `source`; both as an id.

Until then both had the whole `coupon`.
"""

from __future__ import annotations

from typing import Any

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change, Down, Params, Shown


def _create(params: Params) -> None:
    if "coupon" in params:
        params["promotion"] = {"type": "coupon", "coupon": params.pop("coupon")}


def _of(place: str) -> tuple[Shown, Down]:
    """What `coupon` shows of the one in `place`, and the end of `place`."""

    def coupon(store: Store, account: str, obj: Obj) -> Any:
        found = obj[place]["coupon"]
        if not isinstance(found, str):  # expanded
            return found
        return store.get(account, "coupon", found) or {"id": found, "object": "coupon", "deleted": True}

    def drop(store: Store, account: str, obj: Obj) -> None:
        obj.pop(place, None)

    return coupon, drop


OF_A_CODE, NO_PROMOTION = _of("promotion")
OF_A_DISCOUNT, NO_SOURCE = _of("source")
CHANGE = Change(
    "2025-09-30",
    up={"POST /v1/promotion_codes": _create},
    shown={("promotion_code", "coupon"): OF_A_CODE, ("discount", "coupon"): OF_A_DISCOUNT},
    down={"promotion_code": NO_PROMOTION, "discount": NO_SOURCE},
)
