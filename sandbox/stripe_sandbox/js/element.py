"""The Payment Element's own page: a form that a shop's page shows in a frame, and that alone sees the card.

`static/element.js` talks to the shop's Stripe.js by messages and to the API with the shop's pk_ key. What may
be framed anywhere (this page, and a 3-D Secure challenge) says so here.
"""

from flask import Blueprint, Flask, Response

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.chips import CHIPS, DEBIT_CHIPS, EXPIRY
from stripe_sandbox.checkout.frame import POLICY, guard, page

# Any shop's page may frame it: which shops there are the sandbox can't know.
FRAMED = POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")


def register(app: Flask, box: Box) -> None:
    """Put the page on `app`."""
    pages = Blueprint("element_page", __name__)

    def payment() -> Response:
        return page(
            "element.html",
            200,
            now=box.clock.now(),
            chips=CHIPS,
            debit_chips=DEBIT_CHIPS,
            expiry=EXPIRY,
        )

    pages.add_url_rule("/c/elements/payment", "payment", payment, methods=["GET"])
    pages.after_request(framed)
    app.register_blueprint(pages)


def framed(response: Response) -> Response:
    """The headers of a page that lives in a frame of the shop's."""
    guard(response)
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = FRAMED
    return response
