"""PaymentIntents: made, changed, confirmed, captured, cancelled; with a pk_ key and its client secret, by a
browser.

An intent that belongs to a Checkout Session is its session's business: here it can only be read and
annotated.
"""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors, urls
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.store import Obj, shown
from stripe_sandbox.resources import confirmation_tokens, customers, payment_methods
from stripe_sandbox.resources.payment_intents import amount_details, charging, offered, settling
from stripe_sandbox.resources.payment_intents.charging import PayOutcome, card_error
from stripe_sandbox.resources.payment_intents.objects import ECHOED, KIND, build, payment_method_options
from stripe_sandbox.resources.payment_intents.objects import cancel as cancel_intent
from stripe_sandbox.resources.payment_intents.objects import capture as capture_intent
from stripe_sandbox.rules import amounts
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.rules.debits import BankAccount
from stripe_sandbox.server.routes import Call, Params, fetch, fetch_by_secret, listing, merge_metadata, route

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*OPEN[:1], "requires_capture", *OPEN[1:], "processing")
UNSUPPORTED = (
    "application_fee_amount hooks mandate mandate_data managed_payments on_behalf_of "
    "payment_details payment_method_configuration radar_options transfer_data use_stripe_sdk "
    "error_on_requires_action off_session amount_to_confirm"
).split()
# What a browser may send along with the client secret.
HARMLESS = (
    "mandate_data",
    "use_stripe_sdk",
    "radar_options",
    "payment_details",
    "off_session",
    "error_on_requires_action",
)
# All that a pk_ key sees of an intent.
FOR_BROWSERS = (
    "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason "
    "capture_method client_secret confirmation_method created currency description "
    "last_payment_error livemode next_action payment_method payment_method_configuration_details "
    "payment_method_types processing receipt_email setup_future_usage shipping status"
).split()


@route("POST", "/v1/payment_intents")
def create(box: Box, account: str, params: Params, call: Call) -> Obj:
    _check_params(box, account, params)
    amounts.check_charge(params["amount"], params["currency"])
    if not params.get("confirm"):
        for name in (
            "return_url",
            "mandate_data",
            "confirmation_token",
            "off_session",
            "error_on_requires_action",
        ):
            if name in params:
                raise errors.invalid(
                    f"You cannot provide {name} when confirm is not true on a PaymentIntent.", param=name
                )
    details = amount_details.check(params.get("amount_details"), params["amount"])
    intent = build(box, account, params)
    if details is not None:
        intent["amount_details"] = details
    _take_token(box, account, intent, params)
    _take_method(box, account, intent, params)
    box.store.save(account, intent)
    return _confirm(box, account, intent, params, call) if params.get("confirm") else intent


@route("GET", "/v1/payment_intents")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    return listing(box, account, KIND, params, call, where={"customer": params.get("customer")})


@route("GET", "/v1/payment_intents/{intent}", publishable=True)
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    return _for_browser(intent) if call.publishable else intent


@route("POST", "/v1/payment_intents/{intent}")
def update(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    _check_params(box, account, params)
    if intent["_session"] and params.keys() - {"metadata", "description"}:
        raise _belongs_to_session(intent, "update")
    if intent["status"] not in OPEN and params.keys() - {
        "metadata",
        "description",
        "receipt_email",
        "shipping",
    }:
        raise _unexpected(
            intent,
            f"This PaymentIntent's {min(params)} could not be updated because it has a status of "
            f"{intent['status']}. You may only update a PaymentIntent with one of the following statuses: "
            f"{', '.join(OPEN)}.",
        )
    if "amount" in params or "currency" in params:
        amount: int = params["amount"] if "amount" in params else intent["amount"]
        currency: str = params["currency"] if "currency" in params else intent["currency"]
        amounts.check_charge(amount, currency)
        intent.update(amount=amount, currency=currency)
    if "amount_details" in params:
        intent["amount_details"] = amount_details.check(params["amount_details"], intent["amount"]) or {
            "tip": {}
        }
    if "metadata" in params:
        merge_metadata(intent, params["metadata"])
    if "payment_method_options" in params:
        intent["payment_method_options"] = payment_method_options(params["payment_method_options"])
    for name in (*ECHOED, "capture_method"):
        if name in params:
            intent[name] = params[name]
    intent["payment_method_types"] = offered.types(box, intent, intent["capture_method"], "PaymentIntent")
    _take_method(box, account, intent, params)
    box.store.save(account, intent)
    return intent


@route("POST", "/v1/payment_intents/{intent}/confirm", publishable=True)
def confirm(box: Box, account: str, params: Params, call: Call) -> Obj:
    if not call.publishable:
        return _confirm_anew(box, account, params, call)
    try:
        return _for_browser(_confirm_anew(box, account, params, call))
    except StripeError as error:
        if "payment_intent" in error.extra:
            error.extra["payment_intent"] = _for_browser(error.extra["payment_intent"])
        raise


def _confirm_anew(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    if intent["_session"]:
        raise _belongs_to_session(intent, "confirm")
    _check_params(box, account, params)
    if intent["status"] in ("succeeded", "requires_capture"):
        raise _unexpected(
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously "
            "confirmed.",
        )
    if intent["status"] not in OPEN:
        raise _unexpected(
            intent,
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be confirmed: {', '.join(OPEN)}.",
        )
    _take_token(box, account, intent, params)
    _take_method(box, account, intent, params)
    for name in ("receipt_email", "setup_future_usage", "shipping", "capture_method"):
        if name in params:
            intent[name] = params[name]
    return _confirm(box, account, intent, params, call)


@route("POST", "/v1/payment_intents/{intent}/cancel")
def cancel(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    if intent["_session"] and intent["status"] in OPEN:
        raise _belongs_to_session(intent, "cancel")
    # Money on its way can't be called back; what else is processing can be.
    underway = settling.pending_charge(box, account, intent) is not None
    cancelable = [status for status in CANCELABLE if status != "processing" or not underway]
    if intent["status"] not in cancelable:
        raise _unexpected(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be canceled: {', '.join(cancelable)}.",
        )
    return cancel_intent(box, account, intent, params.get("cancellation_reason"))


@route("POST", "/v1/payment_intents/{intent}/capture")
def capture(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    if intent["status"] != "requires_capture":
        raise _unexpected(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be captured: requires_capture.",
        )
    unsupported = params.keys() - {"amount_to_capture", "metadata", "statement_descriptor_suffix"}
    if unsupported:
        raise errors.invalid(
            f"The local sandbox does not have {min(unsupported)} of captures.", param=min(unsupported)
        )
    held: int = intent["amount_capturable"]
    amount: int = params.get("amount_to_capture", held)
    if not 1 <= amount <= held:
        raise errors.invalid(
            f"The amount to capture must be between 1 and {held}.",
            code="amount_too_large" if amount > 1 else "parameter_invalid_integer",
            param="amount_to_capture",
        )
    if "metadata" in params:
        merge_metadata(intent, params["metadata"])
    return capture_intent(box, account, intent, amount)


@route("GET", "/v1/payment_intents/{intent}/amount_details_line_items")
def amount_details_line_items(box: Box, account: str, params: Params, call: Call) -> Obj:
    intent = _fetch(box, account, call, params)
    return amount_details.page(intent, params, call)


def pay_intent(
    box: Box,
    account: str,
    intent_id: str,
    card: Card | BankAccount,
    *,
    email: str | None = None,
    name: str | None = None,
    authenticated: bool | None = None,
    base_url: str = "",
) -> PayOutcome:
    """Try to pay an intent as its buyer's browser would; the outcome as of `checkout.pay_session`."""
    with box.store.transaction():
        intent = box.store.get(account, KIND, intent_id)
        if intent is None:
            return PayOutcome("closed", f"No such payment_intent: '{intent_id}'", "resource_missing")
        if intent["_session"] or intent["status"] not in OPEN:
            message = f"This PaymentIntent cannot be paid: its status is {intent['status']}."
            return PayOutcome("closed", message, "payment_intent_unexpected_state")
        try:
            method = payment_methods.make(box, account, card, billing={"email": email, "name": name})
        except StripeError as error:
            return PayOutcome("declined", error.message, error.code)
        return charging.attempt(
            box,
            account,
            intent,
            method,
            authenticated=authenticated,
            base_url=base_url,
            url=intent.get("_return_url", ""),
        )


def answer_challenge(
    box: Box, account: str, intent_id: str, *, authenticated: bool, base_url: str
) -> PayOutcome:
    """Pass or fail the 3-D Secure challenge of an intent that waits for it; `closed` where it doesn't."""
    with box.store.transaction():
        intent = fetch(box, account, KIND, intent_id, "payment_intent")
        if intent["status"] != "requires_action":
            return PayOutcome("closed", code="payment_intent_unexpected_state")
        method = fetch(box, account, payment_methods.KIND, intent["payment_method"])
        return charging.attempt(box, account, intent, method, authenticated=authenticated, base_url=base_url)


def _confirm(box: Box, account: str, intent: Obj, params: Params, call: Call) -> Obj:
    _check_return_url(intent, params)
    if "return_url" in params:
        intent["_return_url"] = params["return_url"]
    if intent["payment_method"] is None:
        raise errors.invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the PaymentIntent with a payment method and then confirm it again, or confirm it again "
            "directly with a payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
            payment_intent=shown(intent),
        )
    method = fetch(box, account, payment_methods.KIND, intent["payment_method"])
    outcome = charging.attempt(
        box,
        account,
        intent,
        method,
        authenticated=None,
        base_url=call.base_url,
        # Stripe.js shows a challenge on the shop's own page; other clients are led away and back.
        url="" if params.get("use_stripe_sdk") else params.get("return_url", ""),
        off_session=bool(params.get("off_session")),
        asking_fails=bool(params.get("error_on_requires_action")),
    )
    if outcome.kind == "declined":
        raise card_error(intent, outcome)
    return intent


def _check_return_url(intent: Obj, params: Params) -> None:
    urls.check_return(params.get("return_url"))
    automatic = intent["automatic_payment_methods"]
    only_cards = intent["allowed_payment_method_types"] == ["card"]
    # Stripe.js shows what the buyer is to do on the shop's own page.
    by_stripe_js = params.get("use_stripe_sdk")
    excused = only_cards or by_stripe_js or params.get("off_session") or "return_url" in params
    if automatic["allow_redirects"] == "always" and not excused:
        raise errors.invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because "
            "some of these payment methods might redirect your customer off of your page, you must provide a "
            "`return_url`. If you don't want to accept redirect-based payment methods, set "
            "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` "
            "to `never` when creating Setup Intents and Payment Intents."
        )


def _check_params(box: Box, account: str, params: Params) -> None:
    for name in UNSUPPORTED:
        if name in params and name not in HARMLESS:
            raise errors.invalid(
                f"The local sandbox does not have {name} of PaymentIntents, though Stripe does.",
                code="sandbox_not_supported",
                param=name,
            )
    offered.check(params)
    if params.get("customer"):
        customers.find(box, account, params["customer"], "customer", status=400)
    if "statement_descriptor" in params:
        raise errors.invalid(
            "The statement_descriptor parameter is not supported for card charges; use "
            "statement_descriptor_suffix.",
            param="statement_descriptor",
        )


def _take_token(box: Box, account: str, intent: Obj, params: Params) -> None:
    """What a ConfirmationToken holds counts as if it had been sent."""
    if "confirmation_token" in params:
        confirmation_tokens.spend(box, account, params, intent)
        intent |= {name: params[name] for name in ("setup_future_usage", "shipping") if name in params}


def _take_method(box: Box, account: str, intent: Obj, params: Params) -> None:
    """Put the payment method that was given on the intent, if one was."""
    method = payment_methods.for_payment(box, account, params, intent["customer"])
    if method and method["type"] not in intent["payment_method_types"]:
        raise errors.invalid(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Please "
            "attach a valid PaymentMethod to this PaymentIntent and confirm it again, or update its allowed "
            f"payment method types (currently: {', '.join(intent['payment_method_types'])}).",
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    if method:
        intent["payment_method"] = method["id"]
        if intent["status"] == "requires_payment_method":
            intent["status"] = "requires_confirmation"


def _fetch(box: Box, account: str, call: Call, params: Params) -> Obj:
    return fetch_by_secret(box, account, KIND, "payment_intent", call, params)


def _for_browser(intent: Obj) -> Obj:
    return {name: intent[name] for name in FOR_BROWSERS if name in intent}


def _unexpected(intent: Obj, message: str) -> StripeError:
    return errors.invalid(message, code="payment_intent_unexpected_state", payment_intent=shown(intent))


def _belongs_to_session(intent: Obj, verb: str) -> StripeError:
    return _unexpected(
        intent,
        f"You cannot {verb} this PaymentIntent because it was created by a Checkout Session "
        f"({intent['_session']}). Expire the Checkout Session instead.",
    )
