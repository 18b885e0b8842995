"""2026-03-25: the names of a Checkout Session's `ui_mode`."""

from __future__ import annotations

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change, Params

NEW = {"hosted": "hosted_page", "embedded": "embedded_page", "custom": "elements"}
OLD = {new: old for old, new in NEW.items()}


def _create(params: Params) -> None:
    if isinstance(params.get("ui_mode"), str):
        params["ui_mode"] = NEW.get(params["ui_mode"], params["ui_mode"])


def _session(store: Store, account: str, session: Obj) -> None:
    session["ui_mode"] = OLD.get(session["ui_mode"], session["ui_mode"])


CHANGE = Change("2026-03-25", up={"POST /v1/checkout/sessions": _create}, down={"checkout.session": _session})
