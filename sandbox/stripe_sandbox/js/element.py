"""The Payment Element's own page: a form that a shop's page shows in a frame, and that alone sees the card.

`static/element.js` talks to the shop's Stripe.js by messages and to the API with the shop's pk_ key. What may
be framed anywhere (this page, and a 3-D Secure challenge) says so here.
"""

from flask import Blueprint, Flask, Response

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.pages.chips import CHIPS, DEBIT_CHIPS, EXPIRY
from stripe_sandbox.checkout.pages.frame import allow_framing, guard, page


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
    allow_framing()
    return guard(response)
