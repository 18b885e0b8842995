"""PaymentMethods: a card as Stripe remembers it, and the ready-made `pm_card_...` of its test mode.

Of the card's number only last four digits are kept, plus which of Stripe's test cards it is.
"""

from __future__ import annotations

import hashlib
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.store import Obj, shown
from stripe_sandbox.resources.events import save_changed
from stripe_sandbox.rules import cards, debits
from stripe_sandbox.rules.cards import Card, Decline, TestCard
from stripe_sandbox.rules.debits import BankAccount, TestDebit
from stripe_sandbox.server.routes import Call, Params, fetch, listing, merge_metadata, new_metadata, route

KIND = "payment_method"
ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def behaviour(method: Obj) -> TestCard:
    """How the bank behind this method behaves."""
    number = method["_test_card"]
    if number in cards.BY_NUMBER:
        return cards.BY_NUMBER[number]
    return TestCard(number, "Not a test card", brand=method["card"]["brand"], decline=cards.NOT_A_TEST_CARD)


def make(
    box: Box,
    account: str,
    card: Card | BankAccount,
    *,
    billing: dict[str, Any] | None = None,
    prefix: str = "card",
) -> Obj:
    """A new PaymentMethod of a card or a bank account, kept. Raises StripeError (402, 400) where it cannot be
    one."""
    if isinstance(card, BankAccount):
        method = _debit(box, account, debits.read(card))
    else:
        method = of_card(box, account, card, prefix)
    method["billing_details"] |= _billing(billing or {})
    box.store.insert(account, method)
    return method


def of_card(box: Box, account: str, card: Card, prefix: str = "card") -> Obj:
    """A PaymentMethod of a card, not kept yet; StripeError where it cannot be one."""
    test_card = cards.read(card, box.clock.now(), prefix=prefix)
    return _build(box, account, test_card, card.exp_month, card.exp_year, checked=card.cvc is not None)


def resolve(box: Box, account: str, id: str, param: str = "payment_method") -> Obj:
    """The PaymentMethod of an id; a test id such as `pm_card_visa` makes a new one each time, as Stripe
    does."""
    test_card = cards.BY_METHOD.get(id)
    if test_card is None:
        return fetch(box, account, KIND, id, "PaymentMethod", param)
    method = _build(box, account, test_card, 12, _year(box) + 4, checked=False)
    box.store.insert(account, method)
    return method


def for_payment(box: Box, account: str, params: Params, customer: str | None) -> Obj | None:
    """The method that an intent's `payment_method` or `payment_method_data` gives, for that customer; None
    where neither is there. Raises StripeError for one that belongs to somebody else, or is used up."""
    if "payment_method" in params and "payment_method_data" in params:
        raise errors.invalid(
            "You may only specify one of these parameters: payment_method, payment_method_data."
        )
    if "payment_method_data" in params:
        return from_data(box, account, params["payment_method_data"])
    if not params.get("payment_method"):
        return None
    method = resolve(box, account, params["payment_method"])
    if method["customer"] is None and method.get("_used_up"):
        raise errors.invalid(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
            "attachment, or was detached from a Customer. It may not be used again. To use a PaymentMethod "
            "multiple times, you must attach it to a Customer first."
        )
    if method["customer"] is not None and customer is None:
        raise errors.invalid(
            f"The payment method supplied ({method['id']}) belongs to a customer. Please include the "
            "Customer in the `customer` parameter on the PaymentIntent.",
            param="payment_method",
        )
    if method["customer"] not in (None, customer):
        raise errors.invalid(
            f"The customer does not have a payment method with the ID {method['id']}. The payment method "
            "must be attached to the customer.",
            code="resource_missing",
            param="payment_method",
        )
    return method


def save_for(box: Box, account: str, method: Obj, customer: str | None) -> Obj:
    """Attach a method to a customer for later payments. Raises StripeError (402) where its bank says no."""
    decline = behaviour(method).setup_decline if method["type"] == "card" else None
    if decline:
        raise card_refusal(decline, payment_method=shown(method))
    method.update(customer=customer, _set_up=True)
    return save_changed(box, account, method, "payment_method.attached")


def card_refusal(decline: Decline, **extra: Any) -> StripeError:
    """The 402 of a card that its bank refuses."""
    known: dict[str, Any] = {
        "advice_code": decline.advice_code,
        "decline_code": decline.decline_code,
        "network_decline_code": decline.network_decline_code,
    }
    return StripeError(402, "card_error", decline.message, code=decline.code, **known, **extra)


def from_data(box: Box, account: str, data: Params) -> Obj:
    """A PaymentMethod of `payment_method_data`, or of the parameters of `POST /v1/payment_methods`."""
    if data.get("type") == debits.TYPE:
        return _of_iban(box, account, data)
    if data.get("type", "card") != "card":
        raise errors.invalid(
            f'The payment method type "{data["type"]}" is invalid. Please ensure the provided type '
            "is activated in your dashboard (https://dashboard.stripe.com/account/payments/settings) and "
            "your account is enabled for any preview features that you are trying to use. (The local sandbox "
            "has cards and SEPA Direct Debit only.)",
            param="type",
        )
    given = data.get("card")
    if not given:
        raise errors.missing_param("card")
    if "token" in given:
        return _of_token(box, account, given["token"], data)
    for name in ("number", "exp_month", "exp_year"):
        if name not in given:
            raise errors.missing_param(f"card[{name}]")
    year = given["exp_year"]
    card = Card(given["number"], given["exp_month"], year + 2000 if year < 100 else year, given.get("cvc"))
    method = make(box, account, card, billing=data.get("billing_details"))
    method["metadata"] = new_metadata(data)
    method["allow_redisplay"] = data.get("allow_redisplay", "unspecified")
    box.store.save(account, method)
    return method


def _of_iban(box: Box, account: str, data: Params) -> Obj:
    billing = data.get("billing_details") or {}
    for name in ("name", "email"):
        if not billing.get(name):
            raise errors.missing_param(f"billing_details[{name}]")
    if not data.get(debits.TYPE):
        raise errors.missing_param("sepa_debit")
    method = make(box, account, BankAccount(data[debits.TYPE]["iban"]), billing=billing)
    method["metadata"] = new_metadata(data)
    box.store.save(account, method)
    return method


def _of_token(box: Box, account: str, token: str, data: Params) -> Obj:
    method = (
        resolve(box, account, cards.TOKENS[token])
        if token in cards.TOKENS
        else _of_made_token(box, account, token)
    )
    if data.get("billing_details"):
        method["billing_details"] |= _billing(data["billing_details"])
    method["metadata"] = new_metadata(data)
    method["allow_redisplay"] = data.get("allow_redisplay", "unspecified")
    box.store.save(account, method)
    return method


def _of_made_token(box: Box, account: str, id: str) -> Obj:
    """The card of a token that Stripe.js has made (`tokens.py`), which can be used once."""
    token = box.store.get(account, "token", id)
    if token is None:
        raise errors.missing_object("token", id, "card[token]", status=400)
    if token["used"]:
        raise errors.invalid(
            f"You cannot use a Stripe token more than once: {id}.",
            code="token_already_used",
            param="card[token]",
        )
    box.store.save(account, {**token, "used": True})
    method: Obj = {**token["_method"], "created": box.clock.now()}
    box.store.insert(account, method)
    return method


def _debit(box: Box, account: str, debit: TestDebit) -> Obj:
    return {
        **_plain(box, debits.TYPE),
        debits.TYPE: debits.shown_account(account, debit),
        "_iban": debit.iban,
    }


def _plain(box: Box, type: str) -> Obj:
    return {
        "id": ids.new("pm"),
        "object": KIND,
        "allow_redisplay": "unspecified",
        "billing_details": _billing({}),
        "created": box.clock.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": type,
    }


def _build(box: Box, account: str, test_card: TestCard, month: int, year: int, *, checked: bool) -> Obj:
    return {
        **_plain(box, "card"),
        "card": {
            "brand": test_card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "unchecked" if checked else None,
            },
            "country": test_card.country,
            "display_brand": test_card.brand,
            "exp_month": month,
            "exp_year": year,
            "fingerprint": hashlib.sha256(f"{account}:{test_card.number}".encode()).hexdigest()[:16],
            "funding": test_card.funding,
            "generated_from": None,
            "last4": test_card.last4,
            "networks": {"available": [test_card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "_test_card": test_card.number if test_card.number in cards.BY_NUMBER else test_card.last4,
    }


def _billing(given: Params) -> Obj:
    address = given.get("address") or {}
    return {
        "address": {name: address.get(name) for name in ADDRESS},
        **{name: given.get(name) for name in ("email", "name", "phone", "tax_id")},
    }


def _year(box: Box) -> int:
    return 1970 + box.clock.now() // 31_556_952


@route("POST", "/v1/payment_methods", publishable=True)
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    for unsupported in ("customer", "payment_method"):
        if unsupported in params:
            raise errors.invalid(
                f"The local sandbox does not clone PaymentMethods ({unsupported}).", param=unsupported
            )
    if "type" not in params:
        raise errors.missing_param("type")
    return from_data(box, account, params)


@route("GET", "/v1/payment_methods")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    """Those of a customer; without one Stripe lists none, as there is no Treasury here."""
    customer = params.get("customer")
    if customer is None:
        return {"object": "list", "data": [], "has_more": False, "url": call.url}
    _check_customer(box, account, customer)
    return listing(box, account, KIND, params, call, where={"type": params.get("type"), "customer": customer})


def _check_customer(box: Box, account: str, id: str) -> None:
    if box.store.get(account, "customer", id) is None:
        raise errors.missing_object("customer", id, "customer", status=400)


@route("GET", "/v1/payment_methods/{payment_method}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return resolve(box, account, call.arg(), "payment_method")


@route("POST", "/v1/payment_methods/{payment_method}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    method = fetch(box, account, KIND, call.arg(), "PaymentMethod", "payment_method")
    unknown = params.keys() - {"metadata", "billing_details", "allow_redisplay", "card"}
    if unknown:
        raise errors.invalid(f"The local sandbox cannot change {min(unknown)}.", param=min(unknown))
    if "metadata" in params:
        merge_metadata(method, params["metadata"])
    method["billing_details"] |= {
        name: value
        for name, value in _billing(params.get("billing_details") or {}).items()
        if name in (params.get("billing_details") or {})
    }
    method["allow_redisplay"] = params.get("allow_redisplay", method["allow_redisplay"])
    if "card" in params and method["type"] != "card":
        raise errors.invalid(f"This PaymentMethod is of type {method['type']}, not card.", param="card")
    method.get("card", {}).update(
        {
            name: value
            for name, value in (params.get("card") or {}).items()
            if name in ("exp_month", "exp_year")
        }
    )
    return save_changed(box, account, method, "payment_method.updated")


@route("POST", "/v1/payment_methods/{payment_method}/attach")
def attach(box: Box, account: str, params: Params, call: Call) -> Obj:
    method = resolve(box, account, call.arg(), "payment_method")
    customer = params.get("customer")
    if not customer:
        raise errors.invalid("Must provide customer or customer_account.", code="parameter_missing")
    _check_customer(box, account, customer)
    if method["customer"] not in (None, customer):
        raise errors.invalid(
            "The payment method you provided has already been attached to a customer.", param="payment_method"
        )
    return save_for(box, account, method, customer)


@route("POST", "/v1/payment_methods/{payment_method}/detach")
def detach(box: Box, account: str, params: Params, call: Call) -> Obj:
    method = fetch(box, account, KIND, call.arg(), "PaymentMethod", "payment_method")
    if method["customer"] is None:
        raise errors.invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    method.update(customer=None, _used_up=True)
    return save_changed(box, account, method, "payment_method.detached")


@route("GET", "/v1/customers/{customer}/payment_methods")
def list_of_customer(box: Box, account: str, params: Params, call: Call) -> Obj:
    fetch(box, account, "customer", call.args["customer"], "customer", "customer")
    where = {"customer": call.args["customer"], "type": params.get("type")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/customers/{customer}/payment_methods/{payment_method}")
def retrieve_of_customer(box: Box, account: str, params: Params, call: Call) -> Obj:
    method = fetch(box, account, KIND, call.args["payment_method"], "PaymentMethod", "payment_method")
    if method["customer"] != call.args["customer"]:
        raise errors.missing_object("PaymentMethod", method["id"], "payment_method")
    return method
