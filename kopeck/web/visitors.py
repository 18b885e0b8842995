"""The visitor: a browser that is known by a random cookie."""

import hashlib
import re
import secrets
import time

from django.conf import settings
from django.core.signing import Signer
from django.http import (
    HttpRequest,
    HttpResponseBase,
)
from django.utils.crypto import constant_time_compare

from kopeck.typed import whole_number
from kopeck.web.middleware import GetResponse, is_for_machines

VISITOR_COOKIE = settings.VISITOR_COOKIE_NAME
#: When the visitor was first shown a page: under attack (abuse/declines.py) nobody buys without one.
SINCE_COOKIE = "kopeck_since"
#: Says to the script of a kept page that this browser may have an order of its own. It says nothing else.
HINT_COOKIE = "kopeck_hint"
#: The field of a form that proves that its page was shown: a Unix second, signed.
STAMP = "stamp"
#: Seconds for which all processes give the same stamp, and for which one is good after that: tabs stay open.
STAMPED_FOR, GOOD_FOR = 600, 86_400
_VISITOR_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Visitor:
    """The browser that asks, known by a random cookie. Orders keep a hash of it, never the cookie itself."""

    def __init__(self, token: str = "", since: str = "") -> None:
        self.token = token if _VISITOR_TOKEN.fullmatch(token) else ""
        self.is_new = self.is_shown_now = False
        self._since = since

    @property
    def age(self) -> float | None:
        """Seconds since this browser was first shown a page, by our own signature; None if it never was."""
        second = whole_number(self._since.partition(".")[0], 12)
        if not self.token or second is None:
            return None
        if not constant_time_compare(self._since, self.seen_at(second)):
            return None
        return time.time() - second

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


def stamp() -> str:
    """The stamp of a page that is made now."""
    return _stamp_of(int(time.time()) // STAMPED_FOR * STAMPED_FOR)


def _stamp_of(second: int) -> str:
    return f"{second}.{Signer(salt='kopeck.stamp').signature(str(second))}"


def is_stamp(text: str) -> bool:
    """Whether a page of ours, of the last day, has shown this."""
    second = whole_number(text.partition(".")[0], 12)
    if second is None or not constant_time_compare(text, _stamp_of(second)):
        return False
    return 0 <= time.time() - second <= STAMPED_FOR + GOOD_FOR


class ShopRequest(HttpRequest):
    """A request as the shop's views get it, after the middleware below."""

    visitor: Visitor


def visitors(get_response: GetResponse) -> GetResponse:
    """Gives every request its `visitor`, and the visitor its cookie once a view has asked for the key."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if is_for_machines(request):
            return get_response(request)
        visitor = Visitor(request.COOKIES.get(VISITOR_COOKIE, ""), request.COOKIES.get(SINCE_COOKIE, ""))
        request.visitor = visitor  # type: ignore[attr-defined]
        response = get_response(request)
        # Whatever says nothing of caches may be this visitor's alone.
        response.headers.setdefault("Cache-Control", "private, no-store")
        if visitor.is_new:
            _give(response, VISITOR_COOKIE, visitor.token)
            _give(response, HINT_COOKIE, "1", httponly=False)
        shown = visitor.is_shown_now or _is_page(request, response)
        if visitor.token and shown and visitor.age is None:
            _give(response, SINCE_COOKIE, visitor.seen_at(int(time.time())))
        return response

    return middleware


def _is_page(request: HttpRequest, response: HttpResponseBase) -> bool:
    shown = request.method == "GET" and response.status_code == 200
    return shown and response.get("Content-Type", "").startswith("text/html")


def _give(response: HttpResponseBase, name: str, value: str, *, httponly: bool = True) -> None:
    # Lax: sent when Stripe's page leads the buyer back here, not with another site's requests.
    secure = settings.VISITOR_COOKIE_SECURE
    response.set_cookie(name, value, max_age=365 * 86400, httponly=httponly, samesite="Lax", secure=secure)
