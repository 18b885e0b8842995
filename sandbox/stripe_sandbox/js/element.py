"""The Elements' own pages: forms that a shop's page shows in frames, and that alone see the card.

`static/element_frame.js` talks to the shop's Stripe.js by messages and to the API with the shop's pk_ key.
What may be framed anywhere (these pages, and a 3-D Secure challenge) says so here.
"""

from flask import Blueprint, Flask, Response, abort, request

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.pages.chips import CHIPS, DEBIT_CHIPS, EXPIRY
from stripe_sandbox.checkout.pages.frame import allow_framing, guard, page
from stripe_sandbox.checkout.pages.view import named_countries
from stripe_sandbox.checkout.pages.words import translations
from stripe_sandbox.rules.countries import COUNTRIES
from stripe_sandbox.rules.money import choose_locale

CARD = ("element_card.html", "element_card.js")
CONTACT = ("element_contact.html", "element_contact.js")
#: By the name that `elements.create()` has for it: the template and the script of its page.
KINDS = {
    "payment": ("element.html", "element.js"),
    **dict.fromkeys(("card", "cardNumber", "cardExpiry", "cardCvc"), CARD),
    **dict.fromkeys(("linkAuthentication", "address", "expressCheckout"), CONTACT),
}


def register(app: Flask, box: Box) -> None:
    """Put the page on `app`."""
    pages = Blueprint("element_page", __name__)

    def element(kind: str) -> Response:
        if kind not in KINDS:
            abort(404)
        template, script = KINDS[kind]
        locale = choose_locale(request.args.get("locale"), request.accept_languages.values())
        return page(
            template,
            200,
            locale=locale,
            kind=kind,
            script=script,
            now=box.clock.now(),
            chips=CHIPS,
            debit_chips=DEBIT_CHIPS,
            expiry=EXPIRY,
            places=named_countries(COUNTRIES, locale) if kind == "address" else (),
            words=translations(locale),
        )

    pages.add_url_rule("/c/elements/<kind>", "element", element, methods=["GET"])
    pages.after_request(framed)
    app.register_blueprint(pages)


def framed(response: Response) -> Response:
    """The headers of a page that lives in a frame of the shop's."""
    allow_framing()
    return guard(response)
