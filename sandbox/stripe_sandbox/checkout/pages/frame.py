"""What all of the sandbox's pages share: how they are rendered, and the headers that guard them."""

from typing import Any

from babel import Locale
from flask import Response, g, render_template

from stripe_sandbox.checkout.pages.words import words
from stripe_sandbox.rules.money import ENGLISH

# Pictures of goods come from the merchant's own server. A form's redirect may lead to any shop, and browsers
# hold form-action against every hop of it, so that directive can only keep out javascript: and the like.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: http: https:; form-action 'self' http: https:; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Any shop's page may frame what is meant for it: which shops there are the sandbox can't know.
FRAMED = POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")


def allow_framing() -> None:
    """Let the page that this request answers with stand in a frame of a shop's."""
    g.framed = True


def guard(response: Response) -> Response:
    """Headers of every page: nothing inline, nothing kept, nothing framed that is not meant to be."""
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = FRAMED if g.get("framed") else POLICY
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def page(template: str, status: int, *, locale: Locale = ENGLISH, **context: Any) -> Response:
    """A rendered page with its status; `t` says its words in the language of `locale`."""
    say = words(locale)
    spoken = "ru" if locale.language == "ru" else "en"
    return Response(render_template(template, t=say, lang=spoken, **context), status, mimetype="text/html")
