"""Stripe.js as the sandbox serves it: one script at the address of every release train, and its one question.

The script works out from its own address which train it is (static/stripe.js); `/c/lookup/{session}` is what
`redirectToCheckout` and embedded Checkout ask before they show it. Trains: github.com/stripe/stripe-js,
README "Stripe.js versions".
"""

from pathlib import Path

from flask import Flask, Response, jsonify, request

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import sessions
from stripe_sandbox.core import errors
from stripe_sandbox.server.keys import read_key

TRAINS = ("acacia", "basil", "clover", "dahlia", "endive")
STATIC = Path(__file__).parents[1] / "static"
# One answer at one address, as Stripe's: `Stripe(...).elements` must be there as soon as `Stripe` is.
PARTS = ("stripe.js", "elements.js", "payments.js", "embedded_checkout.js")


def register(app: Flask, box: Box) -> None:
    """Put Stripe.js on `app` at /v3/ and at every train's address."""

    def script() -> Response:
        parts = (STATIC.joinpath(name).read_bytes() for name in PARTS)
        return open_to_all(Response(b"\n".join(parts), mimetype="text/javascript"))

    def lookup(session_id: str) -> Response:
        try:
            account = read_key(f"Bearer {request.args.get('key', '')}").account
            found = sessions.find_session(box, session_id)
            # Another account's session is as unknown to this key as one that never was.
            if found is None or found[0] != account:
                raise errors.missing_object("checkout.session", session_id, "session")
            secret = request.args.get("secret")
            if secret is not None and secret != found[1].get("client_secret"):
                raise errors.invalid(
                    "The client secret is not of this Checkout Session.", param="client_secret"
                )
        except errors.StripeError as refusal:
            answer = jsonify(refusal.body())
            answer.status_code = refusal.status
            return open_to_all(answer)
        return open_to_all(jsonify({"id": session_id}))

    for address in ("/v3/", *(f"/{train}/stripe.js" for train in TRAINS)):
        app.add_url_rule(address, f"stripe_js {address}", script, methods=["GET"], strict_slashes=False)
    app.add_url_rule("/c/lookup/<session_id>", "stripe_js lookup", lookup, methods=["GET"])


def open_to_all(response: Response) -> Response:
    """Any shop's page may load the script and ask; neither may be answered from a cache."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
