"""Tokens: a card that Stripe.js's createToken hands to the shop, good for one PaymentMethod (`card[token]`).

Charges made of a token without a PaymentIntent, and other kinds of tokens, are not in the sandbox.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import payment_methods
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.server.routes import Call, Params, fetch, route

KIND = "token"
ADDRESS = ("city", "country", "line1", "line2", "state", "zip")
NEEDED = ("number", "exp_month", "exp_year")
#: A card of older objects calls its brand by its name.
BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "mastercard": "MasterCard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}


@route("POST", "/v1/tokens", publishable=True)
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    for name in sorted(params.keys() - {"card"}):
        raise errors.invalid(
            f"The local sandbox has tokens of cards only, not of {name}, though Stripe does.",
            code="sandbox_not_supported",
            param=name,
        )
    given = params.get("card")
    if not isinstance(given, dict):
        raise errors.missing_param("card")
    for name in NEEDED:
        if name not in given:
            raise errors.missing_param(f"card[{name}]")
    month, year = (_number(given, name) for name in NEEDED[1:])
    card = Card(given["number"], month, year + 2000 if year < 100 else year, given.get("cvc"))
    method = payment_methods.of_card(box, account, card)
    method["billing_details"] |= {"name": given.get("name")}
    method["billing_details"]["address"] |= {
        "postal_code" if name == "zip" else name: given.get(f"address_{name}") for name in ADDRESS
    }
    token: Obj = {
        "id": ids.new("tok"),
        "object": KIND,
        "card": _card(method["card"], given),
        "client_ip": "127.0.0.1",
        "created": box.clock.now(),
        "livemode": False,
        "type": "card",
        "used": False,
        "_method": method,
    }
    box.store.insert(account, token)
    return token


@route("GET", "/v1/tokens/{token}", publishable=True)
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg())


def _number(given: Params, name: str) -> int:
    text = str(given[name])
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise errors.invalid(
            f"Invalid integer: {text}", code="parameter_invalid_integer", param=f"card[{name}]"
        )
    return int(text)


def _card(card: Obj, given: Params) -> Obj:
    """The token's card, as objects before the PaymentMethod have it."""
    checks = card["checks"]
    return {
        "id": ids.new("card"),
        "object": "card",
        **{f"address_{name}": given.get(f"address_{name}") for name in ADDRESS},
        "address_line1_check": None,
        "address_zip_check": None,
        "brand": BRANDS.get(card["brand"], "Unknown"),
        "country": card["country"],
        "cvc_check": checks["cvc_check"],
        "dynamic_last4": None,
        **{name: card[name] for name in ("exp_month", "exp_year", "fingerprint", "funding", "last4")},
        "metadata": {},
        "name": given.get("name"),
        "networks": {"preferred": None},
        "regulated_status": card["regulated_status"],
        "tokenization_method": None,
        "wallet": None,
    }
