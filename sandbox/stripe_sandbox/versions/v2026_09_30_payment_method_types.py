"""2026-09-30: `payment_method_types` cannot be sent any more; `allowed_payment_method_types` filters instead.

Who named the types had no automatic payment methods, and needed no `return_url`.
"""

from __future__ import annotations

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change, Params, rename


def _filter(params: Params) -> None:
    rename(params, "payment_method_types", "allowed_payment_method_types")


def _session(store: Store, account: str, session: Obj) -> None:
    session.pop("allowed_payment_method_types", None)


def _intent(store: Store, account: str, intent: Obj) -> None:
    if intent.get("allowed_payment_method_types") and "automatic_payment_methods" in intent:
        intent["automatic_payment_methods"] = None


INTENTS = ("payment_intents", "payment_intents/{intent}", "payment_intents/{intent}/confirm")
SETUPS = ("setup_intents", "setup_intents/{intent}", "setup_intents/{intent}/confirm")
CHANGE = Change(
    "2026-09-30",
    up={f"POST /v1/{path}": _filter for path in ("checkout/sessions", *INTENTS, *SETUPS)},
    down={"checkout.session": _session, "payment_intent": _intent, "setup_intent": _intent},
)
