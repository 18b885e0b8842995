"""`/robots.txt`, `/favicon.ico` and uploaded pictures."""

from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
)
from django.views.static import serve

from kopeck.web.context import site_of
from kopeck.web.middleware import read_only

#: Whatever begins like one of these; "/order" is every order and the list of one's own.
NOT_FOR_CRAWLERS = ("/buy/", "/intent/", "/order", "/item/by_order/", "/search", "/cart", "/admin", "/api/")


_ICON = Path(__file__).parent / "static" / "favicon.ico"


@read_only
def robots(request: HttpRequest) -> HttpResponse:
    """GET /robots.txt: no crawler starts a payment, and none looks at what belongs to a buyer."""
    base = site_of(request)
    begins = ("", *(f"/{code}" for code, _name in settings.LANGUAGES))
    rules = (f"Disallow: {begin}{path}" for begin in begins for path in NOT_FOR_CRAWLERS)
    lines = ("User-agent: *", *rules, "", f"Sitemap: {base}/sitemap.xml", "")
    answer = HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "public, max-age=3600"
    return answer


@read_only
def favicon(request: HttpRequest) -> HttpResponse:
    """GET /favicon.ico: for those who look there before they have read the page."""
    answer = HttpResponse(_icon(), content_type="image/x-icon")
    answer["Cache-Control"] = "public, max-age=86400"
    return answer


@cache
def _icon() -> bytes:
    return _ICON.read_bytes()


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
