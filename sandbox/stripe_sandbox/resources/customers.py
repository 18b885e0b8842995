"""Customers: kept, changed, and deleted to a stub that can still be retrieved, as Stripe does.

Payment sources, tax ids and test clocks of customers are not in the sandbox: asking for them is refused.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import invalid, missing_object
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import payment_methods
from stripe_sandbox.resources.events import insert_new, save_changed
from stripe_sandbox.server.routes import Call, Params, includable, listing, merge_metadata, route

KIND = "customer"
TOMBSTONE = "sandbox.deleted_customer"
EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
PLAIN = (
    "balance",
    "description",
    "email",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
)
# Not even null while they are unset.
NAMES = ("business_name", "individual_name")
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
ABSENT = (
    "bank_account",
    "card",
    "cash_balance",
    "default_alipay_account",
    "default_bank_account",
    "default_card",
    "default_source",
    "source",
    "tax",
    "tax_id_data",
    "test_clock",
)


def find(box: Box, account: str, id: str, param: str = "id", *, status: int = 404) -> Obj:
    """The customer, or Stripe's `No such customer`."""
    customer = box.store.get(account, KIND, id)
    if customer is None:
        raise missing_object("customer", id, param, status=status)
    return customer


def new_customer(box: Box, account: str, params: Params) -> Obj:
    """Keep a customer of checked `params` and make its event."""
    customer: Obj = {
        "id": ids.new("cus"),
        "object": KIND,
        "address": None,
        "balance": 0,
        "created": box.clock.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(8)),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    method = params.get("payment_method")
    invoices = params.pop("invoice_settings", None) if method else None
    _apply(box, account, customer, params)
    insert_new(box, account, customer, "customer.created")
    if method:
        _attach(box, account, customer, method, invoices or {})
    return customer


def _attach(box: Box, account: str, customer: Obj, id: str, invoices: Params) -> None:
    """The `payment_method` that a customer is made with, which may be its default at once."""
    method = payment_methods.for_payment(box, account, {"payment_method": id}, customer["id"])
    assert method is not None  # noqa: S101 - an id was given
    payment_methods.save_for(box, account, method, customer["id"])
    if invoices.get("default_payment_method") == id:  # which may be a test id, such as pm_card_visa
        invoices = {**invoices, "default_payment_method": method["id"]}
    _apply_invoice_settings(box, account, customer, invoices)
    box.store.save(account, customer)


def _apply(box: Box, account: str, customer: Obj, params: Params) -> None:
    """Check `params` and write them into the customer."""
    for name in ABSENT:
        if name in params:
            raise invalid(f"The local sandbox doesn't have {name} of customers.", param=name)
    if params.get("email") is not None and not EMAIL.fullmatch(params["email"]):
        raise invalid(f"Invalid email address: {params['email']}", code="email_invalid", param="email")
    customer |= {name: params[name] for name in PLAIN if name in params}
    customer |= {name: params[name] for name in NAMES if params.get(name) is not None}
    for name in NAMES:
        if params.get(name, "kept") is None:
            customer.pop(name, None)
    shaped: dict[str, Callable[[Any], Any]] = {
        "address": _address,
        "shipping": _shipping,
        "tax_exempt": lambda given: given or "none",
    }
    customer |= {name: shape(params[name]) for name, shape in shaped.items() if name in params}
    _apply_invoice_settings(box, account, customer, params.get("invoice_settings") or {})
    if "metadata" in params:
        merge_metadata(customer, params["metadata"])


def _address(given: Params | None) -> Any:
    return given and {name: given.get(name) for name in ADDRESS}


def _shipping(given: Params | None) -> Any:
    return given and {
        "address": _address(given["address"]),
        "name": given["name"],
        "phone": given.get("phone"),
    }


def _apply_invoice_settings(box: Box, account: str, customer: Obj, given: Params) -> None:
    method = given.get("default_payment_method")
    if method is not None:
        found = box.store.get(account, "payment_method", method)
        if found is None or found["customer"] != customer["id"]:
            param = "invoice_settings[default_payment_method]"
            raise missing_object("PaymentMethod", method, param, status=400)
    rendering = given.get("rendering_options")
    if rendering:
        given["rendering_options"] = {
            "amount_tax_display": rendering.get("amount_tax_display") or None,
            "template": rendering.get("template"),
        }
    customer["invoice_settings"] |= given


def _empty_list(name: str) -> Callable[[Box, str, Obj], Obj]:
    def listed(box: Box, account: str, customer: Obj) -> Obj:
        url = f"/v1/customers/{customer['id']}/{name}"
        return {"object": "list", "data": [], "has_more": False, "url": url}

    return listed


# There when asked for, and empty: the sandbox has none of these.
for name in ("sources", "subscriptions", "tax_ids"):
    includable(KIND, name)(_empty_list(name))
includable(KIND, "invoice_credit_balance")(lambda box, account, customer: {})


@includable(KIND, "tax")
def tax(box: Box, account: str, customer: Obj) -> Obj:
    """Nobody has been located for Stripe Tax."""
    return {
        "automatic_tax": "unrecognized_location",
        "ip_address": None,
        "location": None,
        "provider": "stripe",
    }


@route("POST", "/v1/customers")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    return new_customer(box, account, params)


@route("GET", "/v1/customers")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {"email": params.get("email"), "test_clock": params.get("test_clock")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/customers/{customer}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    if box.store.get(account, TOMBSTONE, call.arg()) is not None:
        return {"id": call.arg(), "object": KIND, "deleted": True}
    return find(box, account, call.arg())


@route("POST", "/v1/customers/{customer}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    customer = find(box, account, call.arg())
    _apply(box, account, customer, params)
    return save_changed(box, account, customer, "customer.updated")


@route("GET", "/v1/customers/{customer}/balance_transactions")
@route("GET", "/v1/customers/{customer}/sources")
@route("GET", "/v1/customers/{customer}/tax_ids")
def nothing_of(box: Box, account: str, params: Params, call: Call) -> Obj:
    """What a customer of the sandbox never has."""
    find(box, account, call.arg())
    return {"object": "list", "data": [], "has_more": False, "url": call.url}


@route("DELETE", "/v1/customers/{customer}")
def delete(box: Box, account: str, params: Params, call: Call) -> Obj:
    customer = find(box, account, call.arg())
    box.store.delete(account, KIND, customer["id"])
    box.store.insert(account, {"id": customer["id"], "object": TOMBSTONE, "created": customer["created"]})
    box.emit(account, "customer.deleted", customer)
    return {"id": customer["id"], "object": KIND, "deleted": True}
