"""Two small pages of payments: the 3-D Secure step of a PaymentIntent's `next_action`, and a charge's
receipt."""

from __future__ import annotations

from secrets import compare_digest
from urllib.parse import urlencode, urlsplit

from babel import Locale
from flask import Blueprint, Flask, redirect, request
from werkzeug.wrappers import Response

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.pages.frame import guard, page
from stripe_sandbox.checkout.pages.words import words
from stripe_sandbox.core.store import Obj
from stripe_sandbox.js.element import framed
from stripe_sandbox.resources import payment_methods, setup_intents
from stripe_sandbox.resources.account import NAME as MERCHANT
from stripe_sandbox.resources.charges import KIND as CHARGE
from stripe_sandbox.resources.payment_intents import intents
from stripe_sandbox.resources.payment_intents.objects import KIND as INTENT
from stripe_sandbox.rules.money import choose_locale, format_amount

REDIRECT_STATUS = {"succeeded": "succeeded", "requires_capture": "succeeded", "processing": "pending"}


def register(app: Flask, box: Box) -> None:
    """Put the pages on `app`."""
    pages = Blueprint("intent_pages", __name__)
    views = IntentPages(box)
    path = "/c/authenticate/<intent_id>"
    pages.add_url_rule(path, "ask", views.ask, methods=["GET"])
    pages.add_url_rule(path, "answer", views.answer, methods=["POST"])
    pages.add_url_rule("/c/receipt/<charge_id>", "receipt", views.receipt, methods=["GET"])
    pages.after_request(lambda response: framed(response) if _in_a_frame() else guard(response))
    app.register_blueprint(pages)


class IntentPages:
    """The views. An intent's client secret is enough to answer its challenge, as in a browser."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def ask(self, intent_id: str) -> Response:
        found = self._find(intent_id)
        if found is None:
            return _nothing()
        account, intent = found
        if intent["status"] != "requires_action":
            return _left(intent)
        method = self._box.store.get(account, payment_methods.KIND, intent["payment_method"])
        saves = intent["object"] == setup_intents.KIND
        return page(
            "challenge.html",
            200,
            locale=_locale(),
            merchant=MERCHANT,
            total="" if saves else _amount(intent["amount"], intent["currency"]),
            last4=method["card"]["last4"] if method else "",
            action=request.script_root + request.full_path,
            framed=_in_a_frame(),
        )

    def answer(self, intent_id: str) -> Response:
        found = self._find(intent_id)
        if found is None:
            return _nothing()
        account, intent = found
        authenticated = request.form.get("result") == "authorize"
        if intent["object"] == setup_intents.KIND:
            setup_intents.answer_challenge(self._box, account, intent["id"], authenticated=authenticated)
        else:
            intents.answer_challenge(
                self._box,
                account,
                intent["id"],
                authenticated=authenticated,
                base_url=self._box.public_url or request.url_root.rstrip("/"),
            )
        return _left(self._box.store.get(account, intent["object"], intent["id"]) or intent)

    def receipt(self, charge_id: str) -> Response:
        found = self._box.store.find(CHARGE, charge_id)
        if found is None:
            return _nothing()
        charge = found[1]
        say, currency = words(_locale()), charge["currency"]
        sentence = say(
            "With {source}. Payment {payment}.", source=_source(charge), payment=charge["payment_intent"]
        )
        if charge["amount_refunded"]:
            given_back = _amount(charge["amount_refunded"], currency)
            sentence += " " + say("{total} of it was refunded.", total=given_back)
        total = _amount(charge["amount_captured"], currency)
        title = (
            say("{total} on the way to {merchant}", total=total, merchant=MERCHANT)
            if charge["status"] == "pending"
            else say("{total} paid to {merchant}", total=total, merchant=MERCHANT)
        )
        return _state(200, "good", charge["status"], title, sentence)

    def _find(self, intent_id: str) -> tuple[str, Obj] | None:
        found = self._box.store.find(INTENT, intent_id) or self._box.store.find(setup_intents.KIND, intent_id)
        secret = request.args.get("client_secret", "")
        return found if found and compare_digest(secret, found[1]["client_secret"]) else None


def _source(charge: Obj) -> str:
    details = charge["payment_method_details"]
    used = details[details["type"]]
    named = used.get("brand") or words(_locale())("bank account")
    return f"{named} ···· {used['last4']}"


def _in_a_frame() -> bool:
    """Stripe.js shows the challenge over the shop's page, and goes on there by itself."""
    return request.args.get("frame") == "1"


def _left(intent: Obj) -> Response:
    if not _in_a_frame():
        return _leave(intent)
    refused = intent.get("last_payment_error") or intent.get("last_setup_error") or {}
    said = words(_locale())(refused.get("message", ""))
    return page("challenge_done.html", 200, locale=_locale(), said=said)


def _leave(intent: Obj) -> Response:
    """Back to the shop's return_url with what Stripe adds to it; in words where there is none."""
    paid = intent["status"] in REDIRECT_STATUS
    back = intent.get("_return_url")
    if not back:
        say = words(_locale())
        title = say("Authentication complete") if paid else say("Authentication failed")
        sentence = say("You can go back to the shop.")
        return _state(200, "good" if paid else "bad", intent["status"], title, sentence)
    kind = intent["object"]
    facts = {
        kind: intent["id"],
        f"{kind}_client_secret": intent["client_secret"],
        "redirect_status": "pending"
        if intent["status"] == "processing"
        else "succeeded"
        if paid
        else "failed",
    }
    mark = "&" if urlsplit(back).query else "?"
    return redirect(f"{back}{mark}{urlencode(facts)}", 303)


def _locale() -> Locale:
    """That of the shop's Stripe.js where it shows the page, else the browser's."""
    return choose_locale(request.args.get("locale"), request.accept_languages.values())


def _amount(amount: int, currency: str) -> str:
    return format_amount(amount, currency, _locale())


def _nothing() -> Response:
    say = words(_locale())
    sentence = say("The sandbox doesn't know this address.")
    return _state(404, "bad", "unknown", say("There is no such payment"), sentence)


def _state(code: int, tone: str, status: str, title: str, sentence: str) -> Response:
    return page(
        "state.html",
        code,
        locale=_locale(),
        tone=tone,
        session_status=status,
        title=title,
        sentence=sentence,
        link="",
        link_text="",
    )
