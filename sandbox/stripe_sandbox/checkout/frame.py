"""What all of the sandbox's pages share: how they are rendered, and the headers that guard them."""

from typing import Any

from flask import Response, render_template

# Pictures of goods come from the merchant's own server. A form's redirect may lead to any shop, and browsers
# hold form-action against every hop of it, so that directive can only keep out javascript: and the like.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: http: https:; form-action 'self' http: https:; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def guard(response: Response) -> Response:
    """Headers of every page: nothing inline, nothing framed, nothing kept."""
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
        response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def page(template: str, status: int, **context: Any) -> Response:
    """A rendered page with its status."""
    return Response(render_template(template, **context), status, mimetype="text/html")
