"""The hosted Checkout page: what is paid for, the form, the 3-D Secure step, and how it ends, in words.

It works as plain forms and redirects; static/checkout.js asks the same addresses for JSON instead of HTML.
It holds no key: a session's unguessable id in the address is all there is, as with Stripe's own page.
"""

import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from babel import Locale
from flask import Blueprint, Flask, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import sessions, shipping
from stripe_sandbox.checkout.buyer import EMAIL, NAME, PHONE, Buyer, complete, countries
from stripe_sandbox.checkout.challenges import Challenge, Challenges
from stripe_sandbox.checkout.chips import CHIPS, DEBIT_CHIPS, EXPIRY, prefill
from stripe_sandbox.checkout.form import PARTS, PayForm, asked_by
from stripe_sandbox.checkout.form import read as read_form
from stripe_sandbox.checkout.frame import guard, page
from stripe_sandbox.checkout.summary import summarize
from stripe_sandbox.checkout.words import Say, words
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.account import NAME as MERCHANT
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.rules.countries import COUNTRIES
from stripe_sandbox.rules.money import choose_locale, format_amount

# Stripe waits up to 10 s for the endpoint's answer to checkout.session.completed before it lets the buyer go.
WEBHOOK_PATIENCE = 5.0
SESSION_ID = re.compile(r"\{CHECKOUT_SESSION_ID\}|%7BCHECKOUT_SESSION_ID%7D", re.IGNORECASE)
VERBS = {"book": "Book", "donate": "Donate", "subscribe": "Subscribe"}


def register(app: Flask, box: Box) -> None:
    """Put the hosted page on `app`."""
    app.register_blueprint(blueprint(box))


def blueprint(box: Box) -> Blueprint:
    """The pages of one box, and the static files that all of the sandbox's pages share."""
    pages = Blueprint(
        "pages",
        __name__,
        template_folder="../templates",
        static_folder="../static",
        static_url_path="/assets",
    )
    hosted = HostedPage(box)
    pages.add_url_rule("/c/pay/<session_id>", "checkout", hosted.show, methods=["GET"])
    pages.add_url_rule("/c/pay/<session_id>", "pay", hosted.pay, methods=["POST"])
    pages.add_url_rule("/c/pay/<session_id>/shipping", "shipping", hosted.shipping, methods=["POST"])
    pages.add_url_rule("/c/pay/<session_id>/promotion", "promotion", hosted.promotion, methods=["POST"])
    path = "/c/pay/<session_id>/challenge/<token>"
    pages.add_url_rule(path, "challenge", hosted.challenge, methods=["GET"])
    pages.add_url_rule(path, "answer", hosted.answer, methods=["POST"])
    pages.after_request(guard)
    return pages


def with_session_id(url: str, session_id: str) -> str:
    """A success_url or cancel_url with Stripe's placeholder replaced, url-encoded braces too."""
    return SESSION_ID.sub(session_id, url)


def submit_text(session: dict[str, Any], total: str, say: Say) -> str:
    """What the button says: the session's submit_type, and the sum where one is due."""
    if session["amount_total"] == 0:
        return say("Complete order")
    return f"{say(VERBS.get(session.get('submit_type') or 'pay', 'Pay'))} {total}"


class HostedPage:
    """The views of `/c/pay/{session}`."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.challenges = Challenges()

    def show(self, session_id: str) -> AnyResponse:
        found = sessions.find_session(self.box, session_id)
        if found is None:
            return self._unknown()
        account, session = found
        if session["status"] != "open":
            return self._over(session)
        form = PayForm(values={"email": known_email(session)})
        if session["shipping_cost"]:
            form.values["shippingRate"] = session["shipping_cost"]["shipping_rate"]
        chosen = prefill(request.args.get("card", ""), request.args.get("iban", ""))
        if chosen:
            form.values = {**samples(session), **chosen} | {k: v for k, v in form.values.items() if v}
        return self._page(account, session, form, 200)

    def promotion(self, session_id: str) -> AnyResponse:
        """Take the code that the buyer typed, or give one back; then the page again, with the new sums."""
        found = sessions.find_session(self.box, session_id)
        if found is None:
            return self._unknown()
        account, _ = found
        back = url_for("pages.checkout", session_id=session_id)
        try:
            sessions.use_code(self.box, account, session_id, request.form.get("promotionCode", ""))
        except StripeError as error:
            if wants_json():
                answer = jsonify({"errors": {"promotionCode": error.message}})
                answer.status_code = 422
                return answer
            return redirect(f"{back}?{urlencode({'wrong': error.message})}", 303)
        return go(back)

    def shipping(self, session_id: str) -> AnyResponse:
        """Let another way of shipping count; then the page again, with the new sums."""
        found = sessions.find_session(self.box, session_id)
        if found is None:
            return self._unknown()
        with suppress(StripeError):  # over meanwhile, or not offered: the page shows what counts
            sessions.ship(self.box, found[0], session_id, request.form.get("shippingRate", ""))
        return go(url_for("pages.checkout", session_id=session_id))

    def _ships_anew(self, account: str, session: Obj, form: PayForm) -> bool:
        """Another way of shipping than the page has shown the total of (without JavaScript): it counts from
        now on, and nobody pays before he has seen what it comes to."""
        rate = form.values.get("shippingRate")
        if not rate or rate == session["shipping_cost"]["shipping_rate"]:
            return False
        with suppress(StripeError):
            sessions.ship(self.box, account, session["id"], rate)
        form.errors["shippingRate"] = "The total has changed. Look at it, then pay."
        return True

    def challenge(self, session_id: str, token: str) -> AnyResponse:
        found = sessions.find_session(self.box, session_id)
        challenge = self.challenges.peek(session_id, token)
        if found is None or challenge is None or found[1]["status"] != "open":
            return redirect(url_for("pages.checkout", session_id=session_id), 303)
        _, session = found
        locale = locale_of(session)
        return page(
            "challenge.html",
            200,
            locale=locale,
            merchant=merchant(session),
            total=format_amount(session["amount_total"], session["currency"], locale),
            last4=challenge.card.number[-4:],
            action=url_for("pages.answer", session_id=session_id, token=token),
        )

    def pay(self, session_id: str) -> AnyResponse:
        found = sessions.find_session(self.box, session_id)
        if found is None:
            return self._unknown()
        account, session = found
        if session["status"] != "open":
            return self._leave(session)
        methods = session["payment_method_types"] if session["amount_total"] > 0 else []
        asked = asked_by(session)
        form = read_form(request.form, methods=methods, fixed_email=known_email(session), asked=asked)
        places = countries(session)
        if places and form.values["shippingCountry"] not in ("", *places):
            form.errors["shippingCountry"] = "It cannot be sent there."
        if form.errors:
            return self._refused(account, session, form, 422)
        if self._ships_anew(account, session, form):
            _, session = sessions.find_session(self.box, session_id) or found
            return self._refused(account, session, form, 409)
        source = form.source
        outcome = sessions.pay_session(self.box, account, session_id, source, buyer=form.buyer)
        if outcome.kind == "requires_action" and isinstance(source, Card):
            said = {
                name: form.values[name] for name in ("email", "billingName", *asked) if name in form.values
            }
            token = self.challenges.begin(session_id, source, form.buyer, said)
            return go(url_for("pages.challenge", session_id=session_id, token=token))
        return self._finish(account, session_id, outcome, form)

    def answer(self, session_id: str, token: str) -> AnyResponse:
        found = sessions.find_session(self.box, session_id)
        challenge = self.challenges.take(session_id, token)
        if found is None or challenge is None:
            return self._leave_or_ask_again(found, session_id)
        account, _ = found
        outcome = sessions.pay_session(
            self.box,
            account,
            session_id,
            challenge.card,
            buyer=challenge.buyer,
            authenticated=request.form.get("result") == "authorize",
        )
        return self._finish(account, session_id, outcome, form_of(challenge))

    def _finish(
        self, account: str, session_id: str, outcome: sessions.PayOutcome, form: PayForm
    ) -> AnyResponse:
        found = sessions.find_session(self.box, session_id)
        if found is None:  # reset under the buyer's hands
            return self._unknown()
        session = found[1]
        if outcome.kind in ("paid", "processing", "closed"):
            return self._leave(session)
        form.refuse(outcome.code, outcome.message or "Your card was declined.")
        return self._refused(account, session, form, 402)

    def _leave(self, session: dict[str, Any]) -> AnyResponse:
        """To the shop if it is paid (for the slower of two submits too); else to the page that says why."""
        if session["status"] != "complete" or not session.get("success_url"):
            return go(url_for("pages.checkout", session_id=session["id"]))
        if not self.box.faults["webhooks_paused"]:
            self.box.webhooks.wait_delivered(
                session["id"], WEBHOOK_PATIENCE, type="checkout.session.completed"
            )
        return go(with_session_id(session["success_url"], session["id"]), paid=True)

    def _leave_or_ask_again(self, found: tuple[str, dict[str, Any]] | None, session_id: str) -> AnyResponse:
        """A challenge that is gone: answered already (the session tells), or forgotten by a restart."""
        if found is not None and found[1]["status"] == "complete":
            return self._leave(found[1])
        return go(url_for("pages.checkout", session_id=session_id))

    def _refused(self, account: str, session: dict[str, Any], form: PayForm, status: int) -> AnyResponse:
        say = words(locale_of(session))
        form.errors = {name: say(text) for name, text in form.errors.items()}
        if wants_json():
            answer = jsonify({"errors": form.errors})
            answer.status_code = status
            return answer
        return self._page(account, session, form, status)

    def _page(self, account: str, session: dict[str, Any], form: PayForm, status: int) -> AnyResponse:
        locale = locale_of(session)
        summary = summarize(session, locale, lambda kind, id: self.box.store.get(account, kind, id))
        return page(
            "checkout.html",
            status,
            locale=locale,
            merchant=merchant(session),
            cancel_url=with_session_id(session.get("cancel_url") or "", session["id"]),
            summary=summary,
            form=form,
            email_fixed=bool(known_email(session)),
            chips=CHIPS,
            debit_chips=DEBIT_CHIPS,
            expiry=EXPIRY,
            methods=session["payment_method_types"],
            asked=asked_by(session),
            samples=samples(session),
            places={"shipping": countries(session), "billing": sorted(COUNTRIES)},
            rates=self._rates(account, session, locale),
            texts=session["custom_text"],
            ship=url_for("pages.shipping", session_id=session["id"]),
            promotion=url_for("pages.promotion", session_id=session["id"]),
            takes_codes=bool(session["allow_promotion_codes"]),
            wrong_code=request.args.get("wrong", ""),
            action=url_for("pages.pay", session_id=session["id"]),
            submit_text=submit_text(session, summary.total, words(locale)),
        )

    def _rates(self, account: str, session: Obj, locale: Locale) -> list[tuple[str, str, str]]:
        """(id, name, price) of the ways of shipping that can be chosen."""
        if len(session["shipping_options"]) < 2:
            return []
        return [
            (
                rate["id"],
                rate["display_name"],
                format_amount(rate["fixed_amount"]["amount"], session["currency"], locale),
            )
            for rate in shipping.offered(self.box, account, session)
        ]

    def _over(self, session: dict[str, Any]) -> AnyResponse:
        """A session that is complete or expired: what happened, and the way back to the shop."""
        name = merchant(session)
        locale = locale_of(session)
        say = words(locale)
        paid = session["status"] == "complete"
        if paid and session["payment_status"] == "unpaid":
            title, sentence = "Your payment is being processed", "{name} will hear as soon as it is through."
        elif paid:
            title, sentence = "You have paid", "This payment is done. It can't be paid twice."
        else:
            title = "This page has expired"
            sentence = "The time to pay is over and nothing was charged. Go back to {name} and start again."
        link = session.get("success_url") if paid else session.get("cancel_url")
        return page(
            "state.html",
            200,
            tone="good" if paid else "wait",
            locale=locale,
            session_status=session["status"],
            title=say(title),
            sentence=say(sentence, name=name),
            link=with_session_id(link or "", session["id"]),
            link_text=say("Back to {name}", name=name),
        )

    def _unknown(self) -> AnyResponse:
        if wants_json():
            return go(request.path)
        return page(
            "state.html",
            404,
            tone="bad",
            session_status="unknown",
            title="There is no such payment",
            sentence="The sandbox doesn't know this address. Go back to the shop and start again.",
            link="",
            link_text="",
        )


def locale_of(session: Obj) -> Locale:
    """The session's own, or what the visitor's browser asks for."""
    return choose_locale(session.get("locale"), request.accept_languages.values())


def samples(session: Obj) -> dict[str, str]:
    """What a test chip fills in besides the card: an example for every input that the form has."""
    example = {"email": EMAIL, "billingName": NAME, "phoneNumber": PHONE, "shippingName": NAME}
    home = complete(session, Buyer())
    for whose, found in (("shipping", (home.shipping or {}).get("address")), ("billing", home.address)):
        example |= {f"{whose}{end}": (found or {}).get(part) or "" for end, part in PARTS.items()}
    return example


def known_email(session: dict[str, Any]) -> str:
    """The e-mail the merchant has given, which the buyer can't change: customer_email, or the Customer's."""
    details = session.get("customer_details") or {}
    return str(session.get("customer_email") or details.get("email") or "")


def form_of(challenge: Challenge) -> PayForm:
    """The form as it was before the challenge, for the page to show again after a refusal."""
    return PayForm(values=dict(challenge.values))


def go(address: str, *, paid: bool = False) -> AnyResponse:
    """Send the buyer on: a 303 for a form; JSON for the script, which can't see where a 303 leads."""
    if wants_json():
        return jsonify({"redirect": address, "paid": paid})
    return redirect(address, 303)


def wants_json() -> bool:
    """Is it static/checkout.js that asks?"""
    return request.accept_mimetypes.best == "application/json"


def merchant(session: dict[str, Any]) -> str:
    """The shop's name: the session's own `branding_settings[display_name]`, else that of the account."""
    branding = session.get("branding_settings") or {}
    return str(branding.get("display_name") or MERCHANT)
