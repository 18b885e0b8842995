"""ConfirmationTokens: what Stripe.js has collected, for a server that makes and confirms the intent at once.

Stripe.js makes them with a pk_ key; `/v1/test_helpers/confirmation_tokens` makes them for tests. One is good
for one intent, and for twelve hours.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import payment_methods
from stripe_sandbox.server.routes import Call, Params, fetch, route

KIND = "confirmation_token"
LIFETIME = 12 * 3600
#: What an intent takes over, unless its own parameters say otherwise.
TAKEN = ("return_url", "setup_future_usage", "shipping")
#: A preview is a PaymentMethod that is none yet.
NOT_SHOWN = ("id", "object", "created", "livemode", "metadata")


@route("POST", "/v1/confirmation_tokens", publishable=True)
@route("POST", "/v1/test_helpers/confirmation_tokens")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    method = payment_methods.for_payment(box, account, params, None)
    if method is None:
        raise errors.missing_param("payment_method_data")
    now = box.clock.now()
    token: Obj = {
        "id": ids.new("ctoken"),
        "object": KIND,
        "created": now,
        "expires_at": now + LIFETIME,
        "livemode": False,
        "mandate_data": None,
        "metadata": {},
        "payment_intent": None,
        "payment_method_options": None,
        "payment_method_preview": {name: method[name] for name in method if name not in NOT_SHOWN},
        "return_url": params.get("return_url"),
        "setup_future_usage": params.get("setup_future_usage"),
        "setup_intent": None,
        "shipping": _shipping(params.get("shipping")),
        "use_stripe_sdk": call.publishable,
        "_method": method["id"],
    }
    box.store.insert(account, token)
    return token


@route("GET", "/v1/confirmation_tokens/{confirmation_token}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg())


def spend(box: Box, account: str, params: Params, intent: Obj) -> None:
    """Put what the `confirmation_token` of an intent's parameters holds into them, once."""
    id = params.pop(KIND, None)
    if id is None:
        return
    if params.keys() & {"payment_method", "payment_method_data"}:
        raise errors.invalid(
            "You may only specify one of these parameters: confirmation_token, payment_method, "
            "payment_method_data."
        )
    token = fetch(box, account, KIND, id, param=KIND)
    kind = intent["object"]
    if token["payment_intent"] or token["setup_intent"]:
        raise errors.invalid(
            f"The ConfirmationToken {id} has already been used. A ConfirmationToken can be used once.",
            param=KIND,
        )
    if token["expires_at"] <= box.clock.now():
        raise errors.invalid(f"The ConfirmationToken {id} has expired.", param=KIND)
    box.store.save(account, {**token, kind: intent["id"]})
    params["payment_method"] = token["_method"]
    for name in TAKEN:
        if token[name] is not None and (name != "shipping" or kind == "payment_intent"):
            params.setdefault(name, token[name])
    if kind == "setup_intent":
        params.pop("setup_future_usage", None)


def _shipping(given: Params | None) -> Obj | None:
    if not given:
        return None
    address = given.get("address") or {}
    return {
        "address": {name: address.get(name) for name in payment_methods.ADDRESS},
        "name": given.get("name"),
        "phone": given.get("phone"),
    }
