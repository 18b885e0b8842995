"""The hosted Checkout page: what is paid for, the form, the 3-D Secure step, and how it ends, in words.

It works as plain forms and redirects; static/checkout.js asks the same addresses for JSON instead of HTML.
It holds no key: a session's unguessable id in the address is all there is, as with Stripe's own page.
Embedded Checkout is the same page in a frame of the shop's; how it ends is told to that (static/embedded.js).
"""

from __future__ import annotations

import re
from contextlib import suppress
from urllib.parse import urlencode

from flask import Blueprint, Flask, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import automatic_tax, sessions
from stripe_sandbox.checkout.buyer import countries, needs_card, place
from stripe_sandbox.checkout.completing import way_back
from stripe_sandbox.checkout.pages import view
from stripe_sandbox.checkout.pages.challenges import Challenge, Challenges
from stripe_sandbox.checkout.pages.chips import prefill
from stripe_sandbox.checkout.pages.form import PayForm, asked_by, check_own
from stripe_sandbox.checkout.pages.form import read as read_form
from stripe_sandbox.checkout.pages.frame import allow_framing, guard, page
from stripe_sandbox.checkout.pages.words import words
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.core.store import Obj
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.rules.money import format_amount

# Stripe waits up to 10 s for the endpoint's answer to checkout.session.completed before it lets the buyer go.
WEBHOOK_PATIENCE = 5.0
#: The query of the page that says what was wrong about an input of a small form's.
WRONG = {"promotionCode": "wrong", "quantity": "wrongQuantity"}
QUANTITY = re.compile(r"[0-9]{1,6}")
#: What a buyer can change before he pays, each a form of the page's.
CHANGES = ("place", "promotion", "quantity", "shipping")


def register(app: Flask, box: Box) -> None:
    """Put the hosted page on `app`."""
    app.register_blueprint(blueprint(box))


def blueprint(box: Box) -> Blueprint:
    """The pages of one box, and the static files that all of the sandbox's pages share."""
    pages = Blueprint(
        "pages",
        __name__,
        template_folder="../../templates",
        static_folder="../../static",
        static_url_path="/assets",
    )
    hosted = HostedPage(box)
    pages.add_url_rule("/c/pay/<session_id>", "checkout", hosted.show, methods=["GET"])
    pages.add_url_rule("/c/pay/<session_id>", "pay", hosted.pay, methods=["POST"])
    for name in CHANGES:
        pages.add_url_rule(f"/c/pay/<session_id>/{name}", name, getattr(hosted, name), methods=["POST"])
    path = "/c/pay/<session_id>/challenge/<token>"
    pages.add_url_rule(path, "challenge", hosted.challenge, methods=["GET"])
    pages.add_url_rule(path, "answer", hosted.answer, methods=["POST"])
    pages.after_request(guard)
    return pages


class HostedPage:
    """The views of `/c/pay/{session}`."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.challenges = Challenges()

    def _find(self, session_id: str) -> tuple[str, Obj] | None:
        found = sessions.find_session(self.box, session_id)
        if found and found[1]["ui_mode"] != "hosted_page":
            allow_framing()
        return found

    def show(self, session_id: str) -> AnyResponse:
        found = self._find(session_id)
        if found is None:
            return _unknown()
        account, session = found
        if session["status"] != "open":
            return view.over(session, way_back(session) if session["status"] == "complete" else None)
        form = PayForm(values=view.defaults(session))
        chosen = prefill(request.args.get("card", ""), request.args.get("iban", ""))
        if chosen:
            form.values = {**view.samples(session), **chosen} | {k: v for k, v in form.values.items() if v}
        return view.show(self.box, account, session, form, 200)

    def promotion(self, session_id: str) -> AnyResponse:
        """Take the code that the buyer typed, or give one back; then the page again, with the new sums."""
        found = self._find(session_id)
        if found is None:
            return _unknown()
        try:
            sessions.use_code(self.box, found[0], session_id, request.form.get("promotionCode", ""))
        except StripeError as error:
            return _wrong(session_id, "promotionCode", error.message)
        return _again(session_id)

    def quantity(self, session_id: str) -> AnyResponse:
        """Have more or fewer of a line; then the page again, with the new sums."""
        found = self._find(session_id)
        if found is None:
            return _unknown()
        typed, step = request.form.get("quantity", ""), request.form.get("step", "")
        wanted = int(typed) if QUANTITY.fullmatch(typed) else -1
        wanted += {"-1": -1, "1": 1}.get(step, 0)
        try:
            sessions.set_quantity(self.box, found[0], session_id, request.form.get("line", ""), wanted)
        except StripeError as error:
            return _wrong(session_id, "quantity", error.message)
        return _again(session_id)

    def shipping(self, session_id: str) -> AnyResponse:
        """Let another way of shipping count; then the page again, with the new sums."""
        found = self._find(session_id)
        if found is None:
            return _unknown()
        with suppress(StripeError):  # over meanwhile, or not offered: the page shows what counts
            sessions.ship(self.box, found[0], session_id, request.form.get("shippingRate", ""))
        return _again(session_id)

    def place(self, session_id: str) -> AnyResponse:
        """The buyer's country is known, so his tax is; then the page again, with the new sums."""
        found = self._find(session_id)
        if found is None:
            return _unknown()
        if request.form.get("country"):
            with suppress(StripeError):  # over meanwhile
                sessions.locate(self.box, found[0], session_id)
        return _again(session_id)

    def _counts_anew(self, account: str, session: Obj, form: PayForm) -> bool:
        """What the form says beside the card changes the total that the page has shown (without JavaScript):
        it counts from now on, and nobody pays before he has seen what it comes to."""
        rate = form.values.get("shippingRate")
        if rate and rate != session["shipping_cost"]["shipping_rate"]:
            with suppress(StripeError):
                sessions.ship(self.box, account, session["id"], rate)
            form.errors["shippingRate"] = "The total has changed. Look at it, then pay."
        if automatic_tax.waits(session) and place(form.buyer).get("country"):
            sessions.locate(self.box, account, session["id"])
            _, counted = self._find(session["id"]) or (account, session)
            if counted["amount_total"] != session["amount_total"]:
                where = "shippingCountry" if form.buyer.shipping else "billingCountry"
                form.errors[where] = "The total has changed. Look at it, then pay."
        return bool(form.errors)

    def challenge(self, session_id: str, token: str) -> AnyResponse:
        found = self._find(session_id)
        challenge = self.challenges.peek(session_id, token)
        if found is None or challenge is None or found[1]["status"] != "open":
            return redirect(url_for("pages.checkout", session_id=session_id), 303)
        _, session = found
        locale = view.locale_of(session)
        total = session["amount_total"]
        return page(
            "challenge.html",
            200,
            locale=locale,
            merchant=view.merchant(session),
            total=format_amount(total, session["currency"], locale) if total else "",
            last4=challenge.card.number[-4:],
            action=url_for("pages.answer", session_id=session_id, token=token),
        )

    def pay(self, session_id: str) -> AnyResponse:
        found = self._find(session_id)
        if found is None:
            return _unknown()
        account, session = found
        if session["status"] != "open":
            return self._leave(session)
        form = _read(session)
        if form.errors:
            return self._refused(account, session, form, 422)
        if self._counts_anew(account, session, form):
            _, session = self._find(session_id) or found
            return self._refused(account, session, form, 409)
        source = form.source
        outcome = sessions.pay_session(self.box, account, session_id, source, buyer=form.buyer)
        if outcome.kind == "requires_action" and isinstance(source, Card):
            asked = asked_by(session)
            said = {
                name: form.values[name] for name in ("email", "billingName", *asked) if name in form.values
            }
            token = self.challenges.begin(session_id, source, form.buyer, said)
            return _go(url_for("pages.challenge", session_id=session_id, token=token))
        return self._finish(account, session_id, outcome, form)

    def answer(self, session_id: str, token: str) -> AnyResponse:
        found = self._find(session_id)
        challenge = self.challenges.take(session_id, token)
        if found is None or challenge is None:
            # Answered already (the session tells), or forgotten by a restart.
            if found is not None and found[1]["status"] == "complete":
                return self._leave(found[1])
            return _again(session_id)
        account, _ = found
        outcome = sessions.pay_session(
            self.box,
            account,
            session_id,
            challenge.card,
            buyer=challenge.buyer,
            authenticated=request.form.get("result") == "authorize",
        )
        return self._finish(account, session_id, outcome, _form_of(challenge))

    def _finish(
        self, account: str, session_id: str, outcome: sessions.PayOutcome, form: PayForm
    ) -> AnyResponse:
        found = self._find(session_id)
        if found is None:  # reset under the buyer's hands
            return _unknown()
        session = found[1]
        if outcome.kind in ("paid", "processing", "closed"):
            return self._leave(session)
        form.refuse(outcome.code, outcome.message or "Your card was declined.")
        return self._refused(account, session, form, 402)

    def _leave(self, session: Obj) -> AnyResponse:
        """To the shop if it is paid (for the slower of two submits too); else to the page that says why. A
        frame stays where it is: its page tells the shop's."""
        back = way_back(session) if session["status"] == "complete" else None
        if session["status"] == "complete" and not self.box.faults["webhooks_paused"]:
            self.box.webhooks.wait_delivered(
                session["id"], WEBHOOK_PATIENCE, type="checkout.session.completed"
            )
        if back is None or session["ui_mode"] != "hosted_page":
            return _again(session["id"], paid=session["status"] == "complete")
        return _go(back, paid=True)

    def _refused(self, account: str, session: Obj, form: PayForm, status: int) -> AnyResponse:
        say = words(view.locale_of(session))
        form.errors = {name: say(text) for name, text in form.errors.items()}
        if _wants_json():
            answer = jsonify({"errors": form.errors})
            answer.status_code = status
            return answer
        return view.show(self.box, account, session, form, status)


def _read(session: Obj) -> PayForm:
    """The form that was sent, with what is wrong in it."""
    methods = session["payment_method_types"] if needs_card(session) else []
    form = read_form(
        request.form, methods=methods, fixed_email=view.known_email(session), asked=asked_by(session)
    )
    places = countries(session)
    if places and form.values["shippingCountry"] not in ("", *places):
        form.errors["shippingCountry"] = "It cannot be sent there."
    check_own(session, form)
    return form


def _form_of(challenge: Challenge) -> PayForm:
    """The form as it was before the challenge, for the page to show again after a refusal."""
    return PayForm(values=dict(challenge.values))


def _go(address: str, *, paid: bool = False) -> AnyResponse:
    """Send the buyer on: a 303 for a form; JSON for the script, which can't see where a 303 leads."""
    if _wants_json():
        return jsonify({"redirect": address, "paid": paid})
    return redirect(address, 303)


def _again(session_id: str, *, paid: bool = False) -> AnyResponse:
    return _go(url_for("pages.checkout", session_id=session_id), paid=paid)


def _wrong(session_id: str, name: str, message: str) -> AnyResponse:
    """The page again, with what was wrong about one of its small forms."""
    if _wants_json():
        answer = jsonify({"errors": {name: message}})
        answer.status_code = 422
        return answer
    query = urlencode({WRONG[name]: message})
    return redirect(f"{url_for('pages.checkout', session_id=session_id)}?{query}", 303)


def _unknown() -> AnyResponse:
    return _go(request.script_root + request.path) if _wants_json() else view.unknown()


def _wants_json() -> bool:
    """Is it static/checkout.js that asks?"""
    return request.accept_mimetypes.best == "application/json"
