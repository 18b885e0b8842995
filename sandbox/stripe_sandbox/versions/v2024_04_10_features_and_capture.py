"""2024-04-10: a product has `marketing_features`, not `features`; intents are captured later by default."""

from __future__ import annotations

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change, Params, rename


def _product(params: Params) -> None:
    rename(params, "features", "marketing_features")


def _intent(params: Params) -> None:
    params.setdefault("capture_method", "automatic")


def _session(params: Params) -> None:
    data = params.setdefault("payment_intent_data", {})
    if isinstance(data, dict) and params.get("mode", "payment") == "payment":
        data.setdefault("capture_method", "automatic")


def _features(store: Store, account: str, product: Obj) -> None:
    rename(product, "marketing_features", "features")


CHANGE = Change(
    "2024-04-10",
    up={
        "POST /v1/products": _product,
        "POST /v1/products/{id}": _product,
        "POST /v1/payment_intents": _intent,
        "POST /v1/checkout/sessions": _session,
    },
    down={"product": _features},
)
