"""`/_sandbox/`: what Stripe does not have, for tests, chaos runs and the dashboard. No key; JSON in and out.

`HELP`, served by `GET /_sandbox/`, lists every address. Lists are `{"object": "list", "data",
"has_more"}`, newest first, with `?limit=` (50, at most 500). A refusal is `{"error": {"code",
"message"}}`; a declined card answers 402 with Stripe's own error body.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import sessions
from stripe_sandbox.checkout.buyer import NAME, Buyer, address, needs_card
from stripe_sandbox.control import ledger, payments
from stripe_sandbox.control.body import Json, Refused, body, field, limit, listed, only
from stripe_sandbox.control.sweep import sweep
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.faults import SPEC, BadFault
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import payment_methods
from stripe_sandbox.resources.payment_intents import charging
from stripe_sandbox.resources.payment_intents import objects as intent_objects
from stripe_sandbox.resources.payment_intents.charging import PayOutcome
from stripe_sandbox.rules import debits
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.rules.debits import BankAccount
from stripe_sandbox.server.forms import is_version
from stripe_sandbox.server.hosts import is_foreign
from stripe_sandbox.webhooks import endpoints
from stripe_sandbox.webhooks.delivery import NoSuchEvent
from stripe_sandbox.webhooks.log import FILTERS

HELP = {
    "GET accounts": "the accounts (key tails) that have anything",
    "PUT accounts/{account}": "its API version: {api_version: 2022-11-15}",
    "GET ledger": "every charge and refund by account, with totals; ?account=",
    "GET objects": "newest objects as {account, object}; ?account= ?type= ?id=; with no filter, counts",
    "GET events": "newest events, each with account and deliveries; ?account= ?type= ?id=",
    "GET deliveries": "webhook deliveries with attempts; ?account= ?event= ?endpoint= ?status= ?event_type=",
    "GET webhook_endpoints": "who gets events, of every account; no secrets",
    "PUT webhook_endpoints/{id}": "a secret of your own: {secret: whsec_...}",
    "POST webhook_endpoints/{id}/roll": "a new secret; the old one signs along for {expires_in: 86400} s",
    "POST webhooks/deliver": "send all pending deliveries now, in order; {event: id} sends that event again",
    "POST sessions/{id}/pay": "as a buyer: {card, or delayed: succeeds|fails, email, name, authenticate, "
    "phone, address, shipping: {name, address}, shipping_rate, promotion_code, custom_fields: {key: text}, "
    "promotions, quantities: {line item: n}}",
    "POST intents/{id}/pay": "the same for a PaymentIntent",
    **payments.HELP,
    "GET faults": "every fault setting",
    "PUT faults": "change some of them",
    "GET faults/help": "what each fault setting means",
    "GET faults/counts": "how often each fault has struck",
    "GET clock": "{now, offset}: Unix seconds, and how far ahead of real time",
    "POST clock/advance": "{seconds: n}; what is over by then expires, with its events",
    "POST reset": "forget every object, event, delivery and fault; command-line webhooks stay",
}
CARD = ("card", "delayed", "email", "name", "authenticate", "exp_month", "exp_year", "cvc")
BUYER = ("phone", "address", "shipping", "shipping_rate", "promotion_code", "custom_fields", "promotions")
#: A year.
LONGEST_ROLL = 365 * 86400
PAYABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def register(app: Flask, box: Box) -> None:
    """Put `/_sandbox/` on `app`."""
    control = Control(box)
    blueprint = Blueprint("control", __name__, url_prefix="/_sandbox")
    views: dict[tuple[str, str], Callable[..., Any]] = {
        ("GET", "/"): lambda: HELP,
        ("GET", "/accounts"): lambda: listed(ledger.accounts(box)),
        ("PUT", "/accounts/<account>"): control.set_version,
        ("GET", "/ledger"): lambda: ledger.ledger(box, request.args.get("account")),
        ("GET", "/objects"): control.objects,
        ("GET", "/events"): control.events,
        ("GET", "/deliveries"): control.deliveries,
        ("GET", "/webhook_endpoints"): control.webhook_endpoints,
        ("PUT", "/webhook_endpoints/<id>"): control.set_secret,
        ("POST", "/webhook_endpoints/<id>/roll"): control.roll,
        ("POST", "/webhooks/deliver"): control.deliver,
        ("POST", "/sessions/<id>/pay"): control.pay_session,
        ("POST", "/intents/<id>/pay"): control.pay_intent,
        **payments.views(box),
        ("GET", "/faults"): box.faults.settings,
        ("PUT", "/faults"): lambda: box.faults.update(body()),
        ("GET", "/faults/help"): lambda: {name: meaning for name, (_, _, meaning) in SPEC.items()},
        ("GET", "/faults/counts"): lambda: dict(box.faults.counts),
        ("GET", "/clock"): control.clock,
        ("POST", "/clock/advance"): control.advance,
        ("POST", "/reset"): control.reset,
    }
    for (method, path), view in views.items():
        blueprint.add_url_rule(path, f"{method} {path}", view, methods=[method])
    blueprint.before_request(_not_from_elsewhere)
    blueprint.register_error_handler(Refused, lambda error: _refusal(error.status, error.code, error.message))
    blueprint.register_error_handler(BadFault, lambda error: _refusal(400, "bad_fault", str(error)))
    blueprint.register_error_handler(StripeError, _stripe_refusal)
    app.register_blueprint(blueprint)


def _not_from_elsewhere() -> None:
    """A page of another site in the same browser must not be able to reset the sandbox or to pay."""
    if request.method != "GET" and is_foreign(request):
        raise Refused(403, "cross_site", "Pages of other sites cannot control the sandbox.")


def _refusal(status: int, code: str, message: str) -> tuple[Response, int]:
    return jsonify({"error": {"code": code, "message": message}}), status


def _stripe_refusal(error: StripeError) -> tuple[Response, int]:
    return jsonify(error.body()), error.status


def _told(outcome: PayOutcome) -> Json:
    """The outcome as JSON; 402 with Stripe's error for a declined card, 409 where there is nothing to pay."""
    if outcome.kind == "declined":
        raise StripeError(
            402, "card_error", outcome.message or "", code=outcome.code, decline_code=outcome.decline_code
        )
    if outcome.kind == "closed":
        raise Refused(409, "closed", outcome.message or "There is nothing to pay any more.")
    return {"outcome": outcome.kind, "redirect_url": outcome.redirect_url}


def _buyer(sent: Json) -> Buyer:
    """Who pays: what is said; what the session asks for besides is made up."""
    shipping = field(sent, "shipping", dict)
    if shipping is not None:
        only(shipping, "name", "address")
        shipping = {"name": shipping.get("name") or NAME, "address": address(shipping.get("address") or {})}
    given = field(sent, "address", dict)
    custom = field(sent, "custom_fields", dict) or {}
    for key in custom:
        field(custom, key, str, "")
    return Buyer(
        email=field(sent, "email", str),
        name=field(sent, "name", str),
        phone=field(sent, "phone", str),
        address=None if given is None else address(given),
        shipping=shipping,
        shipping_rate=field(sent, "shipping_rate", str),
        custom=custom,
        promotions=bool(field(sent, "promotions", bool)),
    )


class Control:
    """The views of `/_sandbox/` over one box."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def set_version(self, account: str) -> Json:
        """For requests that name no version, and for events; else the account's first request sets it."""
        sent = body()
        only(sent, "api_version")
        version = field(sent, "api_version", str) or ""
        if not is_version(version):
            raise Refused(
                400, "bad_version", "api_version is one of Stripe's, such as 2022-11-15 or 2025-03-31.basil."
            )
        self._box.set_version(account, version)
        return {"account": account, "api_version": self._box.version_of(account)}

    def objects(self) -> Json:
        filters = {name: request.args.get(name) for name in ("account", "type", "id")}
        if not any(filters.values()):
            return listed(ledger.counts(self._box))
        return listed(*ledger.objects(self._box, filters, limit()))

    def events(self) -> Json:
        args = request.args
        filters = {"account": args.get("account"), "id": args.get("id"), "event_type": args.get("type")}
        return listed(*ledger.events(self._box, filters, limit()))

    def deliveries(self) -> Json:
        most = limit()
        filters = {name: request.args.get(name) for name in FILTERS}
        found = self._box.webhooks.log.page(filters, most + 1)
        return listed(found[:most], len(found) > most)

    def webhook_endpoints(self) -> Json:
        return listed(*ledger.objects(self._box, {"type": endpoints.KIND}, limit()))

    def set_secret(self, id: str) -> Json:
        sent = body()
        only(sent, "secret")
        secret = field(sent, "secret", str) or ""
        if not secret.startswith("whsec_"):
            raise Refused(400, "bad_field", "secret is a text that begins with whsec_.")
        with self._box.store.transaction():
            account, endpoint = self._endpoint(id)
            kept = {**endpoint, "_secrets": [{"secret": secret, "until": None}]}
            self._box.store.save(account, kept)
        return {"id": id, "secret": secret}

    def _endpoint(self, id: str) -> tuple[str, Obj]:
        found = self._box.store.find(endpoints.KIND, id)
        if found is None:
            raise Refused(404, "no_such_endpoint", f"No such webhook endpoint: {id}.")
        return found

    def roll(self, id: str) -> Json:
        sent = body()
        only(sent, "expires_in")
        seconds = field(sent, "expires_in", int, 86400)
        if seconds is None or not 0 <= seconds <= LONGEST_ROLL:
            raise Refused(400, "bad_field", f"expires_in is a whole number from 0 to {LONGEST_ROLL}.")
        with self._box.store.transaction():
            secret = endpoints.roll(self._box.store, *self._endpoint(id), self._box.clock.now(), seconds)
        return {"id": id, "secret": secret}

    def deliver(self) -> Json:
        sent = body()
        only(sent, "event")
        event = field(sent, "event", str)
        try:
            return listed(self._box.webhooks.deliver(event)[::-1])
        except NoSuchEvent as error:
            raise Refused(404, "no_such_event", f"No such event: {event}.") from error

    def pay_session(self, id: str) -> Json:
        sent = body()
        only(sent, *CARD, *BUYER, "quantities")
        found = sessions.find_session(self._box, id)
        if found is None:
            raise Refused(404, "no_such_session", f"No such Checkout Session: {id}.")
        account, session = found
        # A session with nothing to pay asks for no card.
        buyer = _buyer(sent)
        if "promotion_code" in sent:
            sessions.use_code(self._box, account, id, field(sent, "promotion_code", str) or "")
        quantities = field(sent, "quantities", dict) or {}
        for item in quantities:
            sessions.set_quantity(self._box, account, id, item, field(quantities, item, int) or 0)
        _, session = sessions.find_session(self._box, id) or found
        card = (
            self._card({name: sent[name] for name in CARD if name in sent})
            if needs_card(session) or sent.keys() & {"card", "delayed"}
            else None
        )
        outcome = sessions.pay_session(
            self._box,
            account,
            id,
            card,
            buyer=buyer,
            authenticated=field(sent, "authenticate", bool),
        )
        return {"session": id, **_told(outcome)}

    def pay_intent(self, id: str) -> Json:
        sent = body()
        card = self._card(sent)
        billing = {"email": field(sent, "email", str), "name": field(sent, "name", str)}
        authenticated = field(sent, "authenticate", bool)
        with self._box.store.transaction():
            found = self._box.store.find(intent_objects.KIND, id)
            if found is None:
                raise Refused(404, "no_such_intent", f"No such PaymentIntent: {id}.")
            account, intent = found
            if intent["_session"]:
                raise Refused(
                    409, "of_a_session", f"This belongs to a Checkout Session: pay {intent['_session']}."
                )
            if intent["status"] not in PAYABLE:
                outcome = PayOutcome("closed", f"This PaymentIntent is {intent['status']}.")
            else:
                method = payment_methods.make(self._box, account, card, billing=billing)
                base_url = self._box.public_url or request.url_root.rstrip("/")
                outcome = charging.attempt(
                    self._box, account, intent, method, authenticated=authenticated, base_url=base_url
                )
        return {"payment_intent": id, **_told(outcome)}

    def _card(self, sent: Json) -> Card | BankAccount:
        only(sent, *CARD)
        delayed = field(sent, "delayed", str)
        if delayed is not None:
            return self._bank_account(delayed)
        number = field(sent, "card", str)
        if not number:
            raise Refused(400, "card_missing", "card is the number of a test card, such as 4242424242424242.")
        year = field(sent, "exp_year", int, time.gmtime(self._box.clock.now()).tm_year + 3)
        cvc = field(sent, "cvc", str, "1234" if number.startswith(("34", "37")) else "123")
        return Card(number, field(sent, "exp_month", int, 12), year, cvc)

    def _bank_account(self, delayed: str) -> BankAccount:
        if delayed not in debits.BY_OUTCOME:
            raise Refused(400, "bad_field", f"delayed is one of {', '.join(debits.BY_OUTCOME)}.")
        return BankAccount(debits.BY_OUTCOME[delayed].iban)

    def clock(self) -> Json:
        return {"now": self._box.clock.now(), "offset": self._box.store.setting("clock_offset", 0)}

    def advance(self) -> Json:
        sent = body()
        only(sent, "seconds")
        seconds = field(sent, "seconds", int)
        if seconds is None or seconds < 0:
            raise Refused(
                400, "bad_seconds", "seconds is a whole number of at least 0: time only moves forward."
            )
        try:
            self._box.clock.advance(seconds)
        except ValueError as error:
            raise Refused(400, "bad_seconds", f"{seconds} seconds are too many: {error}") from error
        sweep(self._box)
        return self.clock()

    def reset(self) -> Json:
        self._box.reset()
        self._box.faults.reset()
        self._box.webhooks.restore()
        return {"reset": True}
