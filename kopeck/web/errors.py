"""Errors have one shape: `{"error": {"code", "message"}}` for programs, `error.html` for people."""

import logging
import re
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import connection
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    UnreadablePostError,
)
from django.shortcuts import render
from django.utils.translation import gettext as _

from kopeck.database.retries import AWAY
from kopeck.errors import ShopError
from kopeck.web.middleware import GetResponse

log = logging.getLogger(__name__)
_ANSWERS_JSON = re.compile(r"/(?:api|webhooks|healthz|readyz)\b")
_GET_ANSWERS_JSON = re.compile(r"/(?:buy|intent)/|/order/[^/]+/(?:buy|intent)/?$")


class ErrorPages:
    """Turns a ShopError, a 405, a useless body and a database that is away into their answers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        body = request.META.get("kopeck.body")  # kopeck/front/bodies.py
        if body is not None and body.refused:
            return error_response(request, _refused_body(body.refused, body.most))
        if "kopeck.crowded" in request.META:  # kopeck/front/crowd.py
            message = _("Many ask for this at the moment. Please try again in a few seconds.")
            return error_response(request, ShopError("busy", message, status=503, retry_after=2))
        if "kopeck.charset" in request.META:  # kopeck/front/charset.py
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
            return error_response(request, body_too_large(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
        if isinstance(exception, UnreadablePostError):
            message = _("Your request broke off on its way, so nothing was done. Please try again.")
            return error_response(request, ShopError("body_broke_off", message, status=400))
        if isinstance(exception, AWAY):
            log.error("the database does not answer: %s", exception)
            drop_dead_connections()
            message = _("The shop does not answer at the moment. Please try again in a minute.")
            return error_response(request, ShopError("database_unavailable", message, status=503))
        return None


def _refused_body(why: str, most: int) -> ShopError:
    if why == "too_large":
        return body_too_large(most)
    if why == "length_required":
        message = _("A form has to say how long it is: please send a Content-Length.")
        return ShopError("length_required", message, status=411)
    if why == "too_slow":
        message = _("Your request came too slowly, so nothing was done. Please try again.")
        return ShopError("body_too_slow", message, status=408)
    message = _("Very many requests arrive slowly at the moment. Please try again in a few seconds.")
    return ShopError("busy", message, status=503)


def drop_dead_connections() -> None:
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
            **_way_on(request),
        }
        response = render(request, "error.html", context, status=error.status)
    response["Cache-Control"] = "no-store"
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    return response


def _way_on(request: HttpRequest) -> dict[str, str]:
    """Where the page's button leads: staff go on working."""
    if request.path_info.startswith("/admin/"):
        return {"action_url": "/admin/", "action_label": _("To the desk")}
    return {"action_url": "/", "action_label": _("Back to the shop")}


def _title(error: ShopError) -> str:
    said = _TITLES_OF_CODES.get(error.code) or _ERROR_TITLES.get(error.status, _ERROR_TITLES[500])
    return said()


_TITLES_OF_CODES: dict[str, Callable[[], str]] = {
    "stripe_unavailable": lambda: _("The payment service does not answer"),
    "form_expired": lambda: _("Please send that once more"),
    "foreign_request": lambda: _("Nothing was done"),
    "demo": lambda: _("Nothing was changed"),
    "sold_out": lambda: _("Sold out"),
    "not_enough_stock": lambda: _("There are not so many left"),
    "item_gone": lambda: _("Not for sale any more"),
    "try_again": lambda: _("Please look once more"),
}
_ERROR_TITLES: dict[int, Callable[[], str]] = {
    400: lambda: _("We could not read that"),
    403: lambda: _("That is not open to you"),
    404: lambda: _("There is nothing here"),
    405: lambda: _("This address works another way"),
    408: lambda: _("That took too long"),
    409: lambda: _("That is not possible any more"),
    411: lambda: _("The form has no length"),
    413: lambda: _("That is too large"),
    422: lambda: _("Please check what you chose"),
    429: lambda: _("A little slower, please"),
    500: lambda: _("Something broke on our side"),
    502: lambda: _("The payment could not be started"),
    503: lambda: _("Just a moment, please"),
}


def bad_request(request: HttpRequest, exception: BadRequest | SuspiciousOperation) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return error_response(request, body_too_large(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
    return error_response(request, ShopError("bad_request", _("We could not read that request."), status=400))


def body_too_large(most: int) -> ShopError:
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
