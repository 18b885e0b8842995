"""Sessions and who is logged in, for staff alone: no buyer and no machine has either, or pays for them.

Until the second factor is given, a log-in opens nothing: not the admin, not an order's page, not the API.
Elsewhere the half logged in are nobody; in the admin they are led to the page that is missing. So no view
has to ask, and a view that is added later is shut by itself.
"""

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import get_script_prefix, reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django_otp.middleware import OTPMiddleware

from kopeck.database.slow import spare_database
from kopeck.errors import ShopError
from kopeck.staff.second_factor import Missing, missing
from kopeck.web.errors import error_response

GetResponse = Callable[[HttpRequest], HttpResponseBase]

SESSION_COOKIE = settings.SESSION_COOKIE_NAME
#: What the half logged in may open as themselves, and where each lack leads.
OPEN = ("admin:login", "admin:logout", "admin:jsi18n", "second-factor", "second-factor-token")
LEADS_TO = {Missing.TOKEN: "second-factor-token", Missing.DEVICE: "second-factor"}


def may_be_staff(request: HttpRequest) -> bool:
    """Whether the request is for the admin, or brings a session's cookie."""
    return request.path_info.startswith("/admin") or SESSION_COOKIE in request.META.get("HTTP_COOKIE", "")


class ForStaff:
    """Makes a middleware one that other requests go past."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        passed = super().__call__ if may_be_staff(request) else self.get_response  # type: ignore[misc,attr-defined]
        return passed(request)  # type: ignore[no-any-return]


class Sessions(ForStaff, SessionMiddleware):
    pass


class Users(ForStaff, AuthenticationMiddleware):
    """Everybody else is nobody, which needs no session to be known."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.user = AnonymousUser()
        return super().__call__(request)


class Tokens(ForStaff, OTPMiddleware):  # type: ignore[misc]
    pass


class Messages(ForStaff, MessageMiddleware):
    pass


class SecondFactors(ForStaff, MiddlewareMixin):
    """After django-otp's middleware, which knows what the session has verified."""

    def process_request(self, request: HttpRequest) -> HttpResponseBase | None:
        user = request.user
        if not request.path_info.startswith("/admin/"):
            # Looked at only where a view asks.
            request.user = SimpleLazyObject(lambda: _logged_in(user))  # type: ignore[assignment]
        elif request.path_info not in _open():
            lack = missing(user)
            if lack is not Missing.NOTHING:
                query = urlencode({"next": request.get_full_path()})
                return HttpResponseRedirect(f"{reverse(LEADS_TO[lack])}?{query}")
        return None


def _open() -> set[str]:
    """Without the language that addresses may begin with (web.middleware.languages)."""
    begin = get_script_prefix().rstrip("/")
    return {reverse(name).removeprefix(begin) for name in OPEN}


def _logged_in(user: User | AnonymousUser) -> User | AnonymousUser:
    return user if missing(user) is Missing.NOTHING else AnonymousUser()


def uploads(get_response: GetResponse) -> GetResponse:
    """A large body is read of staff alone, and no connection is held while it arrives."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        body = request.META.get("kopeck.body")  # kopeck/front/bodies.py
        if body is not None and not body.fetched:
            if not (request.user.is_active and request.user.is_staff):
                message = _("Files are taken of staff only. Please log in, and send it again.")
                return error_response(request, ShopError("log_in_first", message, status=403))
            spare_database()
            body.fetch()
        return get_response(request)

    return middleware
