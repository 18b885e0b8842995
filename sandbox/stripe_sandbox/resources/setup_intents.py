"""SetupIntents: a card saved for later payments, with 3-D Secure where it asks for that, and no money taken.

With a pk_ key and the client secret a browser may read and confirm them, as with PaymentIntents.
"""

from __future__ import annotations

from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, ids, urls
from stripe_sandbox.core.errors import DOCS, StripeError
from stripe_sandbox.core.store import Obj, shown
from stripe_sandbox.resources import confirmation_tokens, payment_methods
from stripe_sandbox.rules.cards import Decline
from stripe_sandbox.server.routes import (
    Call,
    Params,
    fetch,
    fetch_by_secret,
    listing,
    merge_metadata,
    new_metadata,
    route,
)

KIND = "setup_intent"
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
PAST = {"cancel": "canceled", "confirm": "confirmed", "update": "updated"}
ECHOED = ("allowed_payment_method_types", "customer", "description", "excluded_payment_method_types")
# Fields of a new one that nothing has happened to yet, or that stay so in the sandbox.
EMPTY = (
    "application attach_to_self cancellation_reason customer_account flow_directions last_setup_error "
    "latest_attempt mandate next_action on_behalf_of payment_method payment_method_configuration_details "
    "single_use_mandate"
).split()
UNSUPPORTED = (
    "attach_to_self customer_account flow_directions on_behalf_of payment_method_configuration single_use"
).split()
FOR_BROWSERS = (
    "id object cancellation_reason client_secret created description last_setup_error livemode next_action "
    "payment_method payment_method_types status usage"
).split()
UNAUTHENTICATED = Decline(
    "setup_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method and try "
    "again.",
)


@route("POST", "/v1/setup_intents")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check(box, account, params)
    for name in ("return_url", "confirmation_token"):
        if name in params and not params.get("confirm"):
            raise errors.invalid(
                f"You cannot provide {name} when confirm is not true on a SetupIntent.", param=name
            )
    intent = build(box, account, params)
    confirmation_tokens.spend(box, account, params, intent)
    _take_method(box, account, intent, params)
    box.store.save(account, intent)
    return _confirm(box, account, intent, params, call) if params.get("confirm") else intent


def build(box: Box, account: str, params: Params, *, session: str | None = None) -> Obj:
    """Keep a new intent of checked `params`, and make its event; `session` is the Checkout Session that it
    belongs to."""
    id = ids.new("seti")
    automatic = params.get("automatic_payment_methods") or {}
    intent: Obj = {
        "id": id,
        "object": KIND,
        "automatic_payment_methods": {
            "allow_redirects": automatic.get("allow_redirects", "always"),
            "enabled": automatic.get("enabled", True),
        },
        "client_secret": f"{id}_secret_{ids.letters(25)}",
        "created": box.clock.now(),
        "livemode": False,
        "metadata": new_metadata(params),
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
        **dict.fromkeys(EMPTY),
        **{name: params.get(name) for name in ECHOED},
        "_session": session,
    }
    _check_types(intent)
    box.store.insert(account, intent)
    box.emit(account, "setup_intent.created", intent)
    return intent


@route("GET", "/v1/setup_intents")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    where = {name: params.get(name) for name in ("customer", "payment_method")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/setup_intents/{intent}", publishable=True)
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    return _for_browser(intent) if call.publishable else intent


@route("POST", "/v1/setup_intents/{intent}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    _check(box, account, params)
    if intent["status"] not in OPEN and params.keys() - {"metadata", "description"}:
        raise _unexpected(intent, "update")
    if "metadata" in params:
        merge_metadata(intent, params["metadata"])
    intent |= {name: params[name] for name in ECHOED if name in params}
    _check_types(intent)
    _take_method(box, account, intent, params)
    box.store.save(account, intent)
    return intent


@route("POST", "/v1/setup_intents/{intent}/confirm", publishable=True)
def confirm(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    _check(box, account, params)
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "confirm")
    _check_free(intent)
    confirmation_tokens.spend(box, account, params, intent)
    _take_method(box, account, intent, params)
    try:
        confirmed = _confirm(box, account, intent, params, call)
    except StripeError as error:
        if call.publishable and KIND in error.extra:
            error.extra[KIND] = _for_browser(error.extra[KIND])
        raise
    return _for_browser(confirmed) if call.publishable else confirmed


@route("POST", "/v1/setup_intents/{intent}/cancel")
def cancel(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    if intent["status"] not in OPEN:
        raise _unexpected(intent, "cancel")
    _check_free(intent)
    intent.update(status="canceled", cancellation_reason=params.get("cancellation_reason"), next_action=None)
    box.store.save(account, intent)
    box.emit(account, "setup_intent.canceled", intent)
    return intent


def answer_challenge(box: Box, account: str, intent_id: str, *, authenticated: bool) -> None:
    """Pass or fail the 3-D Secure challenge of one that waits for it; nothing where it doesn't."""
    with box.store.transaction():
        intent = fetch(box, account, KIND, intent_id, "setupintent")
        if intent["status"] != "requires_action":
            return
        if not authenticated:
            _fail(box, account, intent, UNAUTHENTICATED)
            return
        try:
            _succeed(box, account, intent)
        except StripeError as error:
            if not error.keeps_work:
                raise


def _confirm(box: Box, account: str, intent: Obj, params: Params, call: Call) -> Obj:
    urls.check_return(params.get("return_url"))
    automatic = intent["automatic_payment_methods"]
    excused = intent["allowed_payment_method_types"] == ["card"] or "return_url" in params
    if automatic["allow_redirects"] == "always" and not excused and not params.get("use_stripe_sdk"):
        raise errors.invalid(
            "This SetupIntent is configured to accept payment methods enabled in your Dashboard. Because "
            "some of these payment methods might redirect your customer off of your page, you must provide a "
            "`return_url`. If you don't want to accept redirect-based payment methods, set "
            "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` "
            "to `never` when creating Setup Intents and Payment Intents."
        )
    if intent["payment_method"] is None:
        raise errors.invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method. You can either "
            "update the SetupIntent with a payment method and then confirm it again, or confirm it again "
            "directly with a payment method or ConfirmationToken.",
            code="setup_intent_unexpected_state",
            setup_intent=shown(intent),
        )
    intent["_return_url"] = params.get("return_url")
    method = fetch(box, account, payment_methods.KIND, intent["payment_method"])
    if payment_methods.behaviour(method).three_d_secure:
        return _ask(box, account, intent, call.base_url, by_stripe_js=bool(params.get("use_stripe_sdk")))
    return _succeed(box, account, intent)


def attempt(
    box: Box, account: str, intent: Obj, method: Obj, *, authenticated: bool | None, base_url: str
) -> str:
    """Try to save a card by an intent, for a page that asks its buyer itself; the intent's status after it.
    `authenticated` None: nobody has been asked yet. Raises StripeError (402) where the bank says no."""
    intent["payment_method"] = method["id"]
    asks = payment_methods.behaviour(method).three_d_secure
    if asks and authenticated is None:
        _ask(box, account, intent, base_url, by_stripe_js=True)
    elif asks and not authenticated:
        _fail(box, account, intent, UNAUTHENTICATED)
    else:
        _succeed(box, account, intent)
    return str(intent["status"])


def give_to(box: Box, account: str, id: str, customer: str) -> None:
    """Give what an intent has saved to a customer that was made afterwards."""
    intent = fetch(box, account, KIND, id)
    method = fetch(box, account, payment_methods.KIND, intent["payment_method"])
    payment_methods.save_for(box, account, method, customer)
    box.store.save(account, intent | {"customer": customer})


def abandon(box: Box, account: str, id: str) -> None:
    """Cancel one whose Checkout Session is over, unless it has done its work."""
    intent = fetch(box, account, KIND, id)
    if intent["status"] in OPEN:
        intent.update(status="canceled", cancellation_reason="abandoned", next_action=None)
        box.store.save(account, intent)
        box.emit(account, "setup_intent.canceled", intent)


def _ask(box: Box, account: str, intent: Obj, base_url: str, *, by_stripe_js: bool) -> Obj:
    address = f"{base_url}/c/authenticate/{intent['id']}?client_secret={intent['client_secret']}"
    back = intent.get("_return_url")
    if back and not by_stripe_js:
        action: Obj = {"redirect_to_url": {"return_url": back, "url": address}, "type": "redirect_to_url"}
    else:
        sdk = {"stripe_js": address, "type": "three_d_secure_redirect"}
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    intent.update(status="requires_action", next_action=action, last_setup_error=None)
    box.store.save(account, intent)
    box.emit(account, "setup_intent.requires_action", intent)
    return intent


def _succeed(box: Box, account: str, intent: Obj) -> Obj:
    method = fetch(box, account, payment_methods.KIND, intent["payment_method"])
    decline = payment_methods.behaviour(method).setup_decline
    if decline:
        _fail(box, account, intent, decline)
        raise payment_methods.card_refusal(decline, keeps_work=True, setup_intent=shown(intent))
    if intent["customer"] and method["customer"] is None:
        payment_methods.save_for(box, account, method, intent["customer"])
    else:
        box.store.save(account, {**method, "_set_up": True})
    intent.update(status="succeeded", next_action=None, last_setup_error=None)
    box.store.save(account, intent)
    box.emit(account, "setup_intent.succeeded", intent)
    return intent


def _fail(box: Box, account: str, intent: Obj, decline: Decline) -> None:
    method = fetch(box, account, payment_methods.KIND, intent["payment_method"])
    error: dict[str, Any] = {
        "advice_code": decline.advice_code,
        "code": decline.code,
        "decline_code": decline.decline_code,
        "doc_url": DOCS + decline.code.replace("_", "-"),
        "message": decline.message,
        "network_decline_code": decline.network_decline_code,
        "payment_method": shown(method),
        "type": "card_error" if decline.decline_code else "invalid_request_error",
    }
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error={name: value for name, value in error.items() if value is not None},
    )
    box.store.save(account, intent)
    box.emit(account, "setup_intent.setup_failed", intent)


def _check(box: Box, account: str, params: Params) -> None:
    for name in UNSUPPORTED:
        if name in params:
            raise errors.invalid(
                f"The local sandbox does not have {name} of SetupIntents, though Stripe does.",
                code="sandbox_not_supported",
                param=name,
            )
    if params.get("customer"):
        found = box.store.get(account, "customer", params["customer"])
        if found is None:
            raise errors.missing_object("customer", params["customer"], "customer", status=400)


def _check_free(intent: Obj) -> None:
    """One that belongs to a Checkout Session is its session's business."""
    if intent["_session"]:
        raise errors.invalid(
            f"This SetupIntent belongs to the Checkout Session {intent['_session']}; it ends with that.",
            code="setup_intent_unexpected_state",
            setup_intent=shown(intent),
        )


def _check_types(intent: Obj) -> None:
    allowed, excluded = intent["allowed_payment_method_types"], intent["excluded_payment_method_types"] or ()
    if (allowed and "card" not in allowed) or "card" in excluded:
        raise errors.invalid(
            "No valid payment method types for this SetupIntent. (The local sandbox saves cards only.)",
            param="allowed_payment_method_types" if allowed else "excluded_payment_method_types",
        )


def _take_method(box: Box, account: str, intent: Obj, params: Params) -> None:
    method = payment_methods.for_payment(box, account, params, intent["customer"])
    if method is None:
        return
    if method["type"] != "card":
        raise errors.invalid("The local sandbox saves cards only.", param="payment_method")
    intent["payment_method"] = method["id"]
    if intent["status"] == "requires_payment_method":
        intent["status"] = "requires_confirmation"


def _fetch(box: Box, account: str, call: Call, params: Params) -> Obj:
    return fetch_by_secret(box, account, KIND, "setupintent", call, params)


def _for_browser(intent: Obj) -> Obj:
    return {name: intent[name] for name in FOR_BROWSERS if name in intent}


def _unexpected(intent: Obj, verb: str) -> StripeError:
    status = intent["status"]
    if status == "succeeded" and verb != "cancel":
        why = "has already succeeded."
    elif status == "canceled" and verb == "cancel":
        why = "is already canceled."
    else:
        only = "`requires_payment_method`, `requires_confirmation`, or `requires_action`"
        why = (
            f"has a status of {status}. Only a SetupIntent with one of the following statuses may be "
            f"{PAST[verb]}: {only}."
        )
    return errors.invalid(
        f"You cannot {verb} this SetupIntent because it {why}",
        code="setup_intent_unexpected_state",
        setup_intent=shown(intent),
    )
