"""What every request shares: slashes, the visitor's cookie, errors as JSON or a page.

Errors have one shape: `{"error": {"code", "message"}}` for programs, `error.html` for people.
"""

import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.signing import Signer
from django.db import InterfaceError, OperationalError, connection
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
    JsonResponse,
    UnreadablePostError,
)
from django.middleware.common import CommonMiddleware
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.static import serve

from kopeck.bodies import MOST, Body
from kopeck.errors import ShopError

log = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: Whatever begins like one of these; "/order" is every order and the list of one's own.
NOT_FOR_CRAWLERS = ("/buy/", "/intent/", "/order", "/item/by_order/", "/admin", "/api/")
VISITOR_COOKIE = settings.VISITOR_COOKIE_NAME
#: When the visitor was first shown a page: under attack (payments/declines.py) nobody buys without one.
SINCE_COOKIE = "kopeck_since"
_VISITOR_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_ANSWERS_JSON = re.compile(r"/(?:api|webhooks|healthz|readyz)\b")
_GET_ANSWERS_JSON = re.compile(r"/(?:buy|intent)/|/order/[^/]+/(?:buy|intent)/?$")


class Visitor:
    """The browser that asks, known by a random cookie. Orders keep a hash of it, never the cookie itself."""

    def __init__(self, token: str = "", since: str = "") -> None:
        self.token = token if _VISITOR_TOKEN.fullmatch(token) else ""
        self.is_new = False
        self._since = since

    @property
    def age(self) -> float | None:
        """Seconds since this browser was first shown a page, by our own signature; None if it never was."""
        stamp = self._since.partition(".")[0]
        if not self.token or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return None
        if not constant_time_compare(self._since, self.seen_at(int(stamp))):
            return None
        return time.time() - int(stamp)

    def seen_at(self, second: int) -> str:
        """The value of SINCE_COOKIE: a Unix second, signed for this visitor alone."""
        return f"{second}.{Signer(salt='kopeck.since').signature(f'{self.token}.{second}')}"

    @property
    def key(self) -> str:
        """64 hexadecimal digits that own orders; a visitor without a cookie gets one with this answer."""
        self.introduce()
        return self.known_key

    def introduce(self) -> None:
        """Gives a visitor without a cookie one, which comes with this answer."""
        if not self.token:
            self.token, self.is_new = secrets.token_urlsafe(32), True

    @property
    def known_key(self) -> str:
        """As `key`, but "" for a browser without a cookie, which then gets none."""
        return hashlib.sha256(self.token.encode()).hexdigest() if self.token else ""


class ShopRequest(HttpRequest):
    """A request as the shop's views get it, after the middleware below."""

    visitor: Visitor


def either_slash(get_response: GetResponse) -> GetResponse:
    """An address means the same with and without its last slash.

    Answered without a redirect: Stripe counts a 3xx answer to a webhook as a failure.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path.startswith("/admin"):
            if path == "/admin":
                request.path_info = "/admin/"
        elif len(path) > 1 and path.endswith("/"):
            request.path_info = path[:-1]
        return get_response(request)

    return middleware


class KnownHosts(CommonMiddleware):
    """Django's check of Host, save where machines ask by an address that changes: a pod's, a container's.

    Those answers build no address from it. /metrics without a token stays behind the check: a page elsewhere
    whose name was turned to this machine (DNS rebinding) would else read the figures of a shop at play.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        path = request.path_info
        if path in ("/healthz", "/readyz") or (path == "/metrics" and settings.METRICS_TOKEN):
            return None
        return super().process_request(request)


def visitors(get_response: GetResponse) -> GetResponse:
    """Gives every request its `visitor`, and the visitor its cookie once a view has asked for the key."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        visitor = Visitor(request.COOKIES.get(VISITOR_COOKIE, ""), request.COOKIES.get(SINCE_COOKIE, ""))
        request.visitor = visitor  # type: ignore[attr-defined]
        response = get_response(request)
        if visitor.is_new:
            _give(response, VISITOR_COOKIE, visitor.token)
        if visitor.token and _is_page(request, response) and visitor.age is None:
            _give(response, SINCE_COOKIE, visitor.seen_at(int(time.time())))
        return response

    return middleware


def _is_page(request: HttpRequest, response: HttpResponseBase) -> bool:
    shown = request.method == "GET" and response.status_code == 200
    return shown and response.get("Content-Type", "").startswith("text/html")


def _give(response: HttpResponseBase, name: str, value: str) -> None:
    # Lax: sent when Stripe's page leads the buyer back here, not with another site's requests.
    secure = settings.VISITOR_COOKIE_SECURE
    response.set_cookie(name, value, max_age=365 * 86400, httponly=True, samesite="Lax", secure=secure)


def read_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For pages that are only looked at: any other method is 405, with the methods that there are.

    Exempt from Django's check of forms, which would answer 403 before the view is asked which it takes.
    """
    return csrf_exempt(require_safe(view))


class ErrorPages:
    """Turns a ShopError, a 405, a useless body and a database that is away into their answers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        body = request.META.get("kopeck.body")  # kopeck/bodies.py
        if body is not None and body.refused:
            return error_response(request, _refused_body(body))
        if "kopeck.charset" in request.META:  # kopeck/wsgi.py
            message = _("A form has to be sent as UTF-8.")
            return error_response(request, ShopError("charset_unknown", message, status=400))
        response = self.get_response(request)
        if response.status_code == 405 and not request.path_info.startswith("/admin/"):
            refusal = ShopError(
                "method_not_allowed", _("This address does not take that method."), status=405
            )
            allowed, response = response.headers.get("Allow", ""), error_response(request, refusal)
            response["Allow"] = allowed
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, ShopError):
            return error_response(request, exception)
        if isinstance(exception, RequestDataTooBig):
            return error_response(request, body_too_large())
        if isinstance(exception, UnreadablePostError):
            message = _("Your request broke off on its way, so nothing was done. Please try again.")
            return error_response(request, ShopError("body_broke_off", message, status=400))
        if isinstance(exception, OperationalError | InterfaceError):
            log.error("the database does not answer: %s", exception)
            mend_database()
            message = _("The shop is catching its breath. Please try again in a moment.")
            return error_response(request, ShopError("database_unavailable", message, status=503))
        return None


def _refused_body(body: Body) -> ShopError:
    if body.refused == "too_large":
        return body_too_large(body.most)
    if body.refused == "length_required":
        message = _("A form has to say how long it is: please send a Content-Length.")
        return ShopError("length_required", message, status=411)
    if body.refused == "too_slow":
        message = _("Your request came too slowly, so nothing was done. Please try again.")
        return ShopError("body_too_slow", message, status=408)
    message = _("Very many requests arrive slowly at the moment. Please try again in a few seconds.")
    return ShopError("busy", message, status=503)


def mend_database() -> None:
    """Drops the pool's dead connections all at once: after a restart of PostgreSQL each costs an answer."""
    connection.close()
    pool = getattr(connection, "pool", None)
    if pool is not None:
        pool.check()


def wants_json(request: HttpRequest) -> bool:
    """Whether errors at this address are for a program."""
    if _ANSWERS_JSON.match(request.path_info):
        return True
    if request.method in ("GET", "HEAD") and _GET_ANSWERS_JSON.match(request.path_info):
        return True
    accept = request.headers.get("Accept", "")
    return "application/json" in accept and "text/html" not in accept


def error_response(request: HttpRequest, error: ShopError) -> HttpResponse:
    """The error as JSON or as a page, never cached."""
    response: HttpResponse
    if wants_json(request):
        body = {"error": {"code": error.code, "message": error.message}}
        response = JsonResponse(body, status=error.status)
    else:
        context = {
            "status": error.status,
            "title": _title(error),
            "message": error.message,
            "action_url": "/",
            "action_label": _("Back to the shop"),
        }
        response = render(request, "error.html", context, status=error.status)
    response["Cache-Control"] = "no-store"
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    return response


def _title(error: ShopError) -> str:
    if error.code == "stripe_unavailable":
        return _("The payment service does not answer")
    return _ERROR_TITLES.get(error.status, _ERROR_TITLES[500])()


_ERROR_TITLES: dict[int, Callable[[], str]] = {
    400: lambda: _("That request makes no sense to us"),
    403: lambda: _("That is not yours to open"),
    404: lambda: _("There is nothing here"),
    405: lambda: _("Not that way"),
    408: lambda: _("That took too long"),
    409: lambda: _("That cannot be changed any more"),
    411: lambda: _("How much is that?"),
    413: lambda: _("That is too large"),
    422: lambda: _("That does not fit"),
    429: lambda: _("A little slower, please"),
    500: lambda: _("Something broke on our side"),
    502: lambda: _("The payment could not be started"),
    503: lambda: _("Just a moment, please"),
}


def bad_request(request: HttpRequest, exception: BadRequest | SuspiciousOperation) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return error_response(request, body_too_large())
    return error_response(request, ShopError("bad_request", _("We could not read that request."), status=400))


def body_too_large(most: int = MOST) -> ShopError:
    message = _("That is too much at once: %(most)s kB is the most.") % {"most": most // 1024}
    return ShopError("body_too_large", message, status=413)


def forbidden(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    return error_response(request, ShopError("forbidden", _("You may not open this page."), status=403))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    message = _("This form was open for too long or came from another site. Please go back and try again.")
    return error_response(request, ShopError("form_expired", message, status=403))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    message = _("The page may have moved, or it was never here.")
    return error_response(request, ShopError("not_found", message, status=404))


def server_error(request: HttpRequest) -> HttpResponse:
    """Our own failure. Renders with nothing that could fail again: no database, no session."""
    message = _("It is noted. If you were paying, look at your orders first: nothing is charged twice.")
    if wants_json(request):
        return JsonResponse({"error": {"code": "server_error", "message": message}}, status=500)
    return render(None, "500.html", {"title": _ERROR_TITLES[500](), "message": message}, status=500)


def shop_context(request: HttpRequest) -> dict[str, Any]:
    """What every page shows."""
    return {
        "shop_name": settings.SHOP_NAME,
        "sandbox": settings.STRIPE_SANDBOX,
        "sandbox_url": f"{settings.SANDBOX_URL}/" if settings.SANDBOX_URL else "",
        "stripe_js_url": settings.STRIPE_JS_URL,
        "payment_flow": settings.PAYMENT_FLOW,
        "test_mode": not any(account.livemode for account in settings.STRIPE_ACCOUNTS.values()),
    }


def money_locale(request: HttpRequest | None) -> Locale:
    """How this visitor writes money: by the browser's languages, else by the page's language."""
    header = request.headers.get("Accept-Language", "") if request is not None else ""
    return _locale(header[:200], get_language() or "en")


@lru_cache(maxsize=1000)
def _locale(header: str, page_language: str) -> Locale:
    for language, quality in parse_accept_lang_header(header):
        try:
            if quality and language != "*":
                return Locale.parse(language, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(page_language, sep="-")


@read_only
def robots(request: HttpRequest) -> HttpResponse:
    """GET /robots.txt: no crawler starts a payment, and none looks at what belongs to a buyer."""
    lines = ("User-agent: *", *(f"Disallow: {path}" for path in NOT_FOR_CRAWLERS), "")
    answer = HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "public, max-age=3600"
    return answer


@read_only
def media(request: HttpRequest, path: str) -> HttpResponseBase:
    """A picture that was uploaded. Its name never gets another meaning: browsers may keep it for ever."""
    if not path.endswith(".webp"):  # we write no others
        raise Http404
    response = serve(request, path, document_root=str(settings.MEDIA_ROOT))
    # Whatever lies there is shown as a picture, or not at all.
    response["Content-Type"] = "image/webp"
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
