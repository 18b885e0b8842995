"""2022-08-01: lines have `price_data`; a buyer becomes a Customer only when needed; names of what is shipped.

(Until then the PaymentIntent was made with the session: `checkout/create.py` does that where it is asked.)
"""

from __future__ import annotations

from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions.change import Change, Params, rename

SESSION = "checkout.session"
OF_THE_PRODUCT = ("name", "description", "images")


def _create(params: Params) -> None:
    payment = params.get("mode", "payment") == "payment"
    if payment and "customer" not in params:
        params.setdefault("customer_creation", "always")
    params.setdefault("mode", "payment")
    lines = params.get("line_items")
    for line in lines.values() if isinstance(lines, dict) else ():
        if isinstance(line, dict):
            _line(line)
    rates = params.pop("shipping_rates", None)
    if isinstance(rates, dict):
        params["shipping_options"] = {place: {"shipping_rate": rate} for place, rate in rates.items()}


def _line(line: Params) -> None:
    if "amount" not in line and "name" not in line:
        return
    price = line.setdefault("price_data", {})
    for old, new in (("currency", "currency"), ("amount", "unit_amount")):
        if old in line:
            price[new] = line.pop(old)
    price["product_data"] = {name: line.pop(name) for name in OF_THE_PRODUCT if name in line}


def _session(store: Store, account: str, session: Obj) -> None:
    rename(session, "shipping_details", "shipping")
    cost = session.pop("shipping_cost", None)
    session["shipping_rate"] = cost["shipping_rate"] if cost else None


CHANGE = Change("2022-08-01", up={"POST /v1/checkout/sessions": _create}, down={SESSION: _session})
