"""Events in front of Django: their signature is checked there and they are stored; most need nothing more.

An event that asks for no work, or a copy of one that was processed, is answered here. Any other goes on to
the view (webhooks/views.py) with what is stored of it, and so does whatever is not as it should be.
"""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings

from kopeck.database.slow import spare_database
from kopeck.front.kept import is_asked_rightly
from kopeck.stripe_api.events import BadEvent, read_event
from kopeck.telemetry import logs
from kopeck.web import proxies
from kopeck.webhooks import intake
from kopeck.webhooks.models import StripeEvent

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
PREFIX = "/webhooks/stripe/"
#: Where the view finds the StripeEvent.
KEPT = "kopeck.event"
#: What each answer says anew.
_OWN = ("content-length", "x-request-id")
log = logging.getLogger(__name__)


class Front:
    """Its answers have the headers of Django's first one of the same scheme. Until then Django answers."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application
        self._headers: dict[bool, Headers] = {}

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "POST" or not path.startswith(PREFIX):
            return self.application(environ, start_response)
        is_https = proxies.is_https(environ)
        headers = self._headers.get(is_https)
        if headers is None:
            return self.application(environ, self._learning(is_https, start_response))
        began = time.perf_counter()
        account = path.removeprefix(PREFIX).removesuffix("/")
        event = _keep(account, environ)
        if event is None or not event.is_settled:
            return self.application(environ if event is None else {**environ, KEPT: event}, start_response)
        body = b'{"status": "%s"}' % event.status.encode()
        name = logs.request_name(proxies.request_id(environ))
        own = [("Content-Length", str(len(body))), ("X-Request-ID", name)]
        start_response("200 OK", [*headers, *own])
        spent = time.perf_counter() - began
        logs.answered(name, "POST", path, "webhook", 200, spent, account=account)
        return [body]

    def _learning(self, is_https: bool, start_response: Any) -> Any:
        def start(status: str, headers: Headers, *more: Any) -> Any:
            if status.startswith("200"):
                self._headers[is_https] = [one for one in headers if one[0].lower() not in _OWN]
            return start_response(status, headers, *more)

        return start


def _keep(account_name: str, environ: Environ) -> StripeEvent | None:
    """The event as it is stored; None where Django has to say what is wrong."""
    account, body = settings.STRIPE_ACCOUNTS.get(account_name), environ.get("kopeck.body")
    if account is None or body is None or "kopeck.crowded" in environ or not is_asked_rightly(environ):
        return None
    text = body.whole
    if text is None:
        return None
    try:
        event = read_event(account, text, environ.get("HTTP_STRIPE_SIGNATURE", ""))
        return intake.keep(account_name, event, text, livemode=account.livemode)
    except BadEvent:
        return None
    except Exception as trouble:  # Django tries again, and answers for what comes of it
        log.warning("an event of account %s was not stored at once: %s", account_name, type(trouble).__name__)
        return None
    finally:
        spare_database()
