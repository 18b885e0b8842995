"""The shop and the local Stripe at one address: what lies below /stripe/ is the sandbox's.

For places that lead to one port only: a container to try, an editor in the browser.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.wrappers import Response

from kopeck.wsgi import application as shop
from kopeck_local.place import FOLDER

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]


def from_this_machine(application: Wsgi) -> Wsgi:
    """The sandbox's events come past the proxy that takes https off, and are not led to https."""

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        is_ours = environ.get("REMOTE_ADDR") == "127.0.0.1" and "HTTP_X_FORWARDED_FOR" not in environ
        if settings.HTTPS and is_ours and environ["PATH_INFO"].startswith("/webhooks/"):
            environ["wsgi.url_scheme"] = "https"
        return application(environ, start_response)

    return answer


def only_looked_at(application: Wsgi) -> Wsgi:
    """In a demo the sandbox is used by browsers as Stripe is: nobody turns its clock or spends its keys."""

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        path, key = environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION", "")
        changes = environ["REQUEST_METHOD"] not in ("GET", "HEAD") and path.startswith(f"{FOLDER}/_sandbox/")
        if changes or (path.startswith(f"{FOLDER}/v1/") and not key.startswith("Bearer pk_")):
            error = {"code": "demo", "message": "This is a demo: its Stripe can be looked at and paid with."}
            refusal = Response(json.dumps({"error": error}), 403, mimetype="application/json")
            return refusal(environ, start_response)
        return application(environ, start_response)

    return answer


#: The Host stays the browser's: the sandbox refuses pages of other names.
application: Wsgi = ProxyMiddleware(
    from_this_machine(shop), {FOLDER: {"target": settings.STRIPE_API_BASE, "host": None}}
)
if settings.DEMO:
    application = only_looked_at(application)
