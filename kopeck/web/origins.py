"""Where a request comes from: our own page, another site, a typed address, a program, a browser's first time.

A browser says it itself, in headers that no page can set. So no form needs a token: a page is the same for
everybody, and a program without cookies is asked for none.
"""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from kopeck.errors import ShopError
from kopeck.web.visitors import STAMP, ShopRequest, is_stamp

#: In the query of a request that was sent round for its cookie: it is not sent round again.
SENT_ROUND = "round"


def asked_here(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Refuses, whatever the method, what another site makes a browser send, and what is only prefetched.

    For every address that makes or changes something, by GET too. What rightly comes from other sites (the
    way back from Checkout, links in mails) only reads, or asks Stripe what is true.
    """

    @wraps(view)
    def checked(request: ShopRequest, **address: int) -> HttpResponse:
        refuse_foreign(request)
        if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
            raise ShopError("prefetch", _("Buying is never prefetched."), status=403)
        return view(request, **address)

    return csrf_exempt(checked)


def posted_from(
    page: Callable[..., HttpResponse],
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """For the address that a form posts to: a GET, as of a reload, is led back to the form by `page`.

    Only a POST of our own page reaches the view.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        posted = asked_here(view)

        @wraps(view)
        def either(request: ShopRequest, **address: int) -> HttpResponse:
            return (page if request.method in ("GET", "HEAD") else posted)(request, **address)

        return csrf_exempt(require_http_methods(["GET", "HEAD", "POST"])(either))

    return decorate


def known_first(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For what makes something: a browser without our cookie gets it first, and only its next request counts.

    The answer is 307 to the same address, which keeps method and body. Two presses on a slow line are two
    requests without a cookie, and each gets another one; but the browser goes on with one of the two, or
    drops the first request altogether, so what is made belongs to one visitor.
    """

    @wraps(view)
    def known(request: ShopRequest, **address: int) -> HttpResponse:
        asked = request.POST if request.method == "POST" else request.GET
        request.visitor.is_shown_now = is_stamp(asked.get(STAMP, ""))
        if request.visitor.known_key or SENT_ROUND in request.GET or not _is_browser(request):
            return view(request, **address)
        request.visitor.introduce()
        query = request.GET.copy()
        query[SENT_ROUND] = "1"
        answer = HttpResponse(status=307, headers={"Location": f"{request.path}?{query.urlencode()}"})
        answer["Cache-Control"] = "no-store"
        return answer

    return known


def keeps_no_cookies(request: ShopRequest) -> bool:
    """Whether this browser was given its cookie and came back without: its orders open by link alone."""
    return SENT_ROUND in request.GET and (request.visitor.is_new or not request.visitor.known_key)


def _is_browser(request: HttpRequest) -> bool:
    """By what forms and scripts of pages always say, and programs do not unless they are told to."""
    return "Sec-Fetch-Mode" in request.headers or "text/html" in request.headers.get("Accept", "")


def refuse_foreign(request: HttpRequest) -> None:
    """ShopError 403 for what another site made a browser send."""
    if is_foreign(request):
        message = _(
            "Another site asked for this, so nothing was done. Please open the shop itself and try again."
        )
        raise ShopError("foreign_request", message, status=403)


def is_foreign(request: HttpRequest) -> bool:
    """Whether another site made a browser send this: no typed address, no program, no page of ours."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("cross-site", "same-site")
    return _page_host(request) not in (None, request.get_host())


def is_from_our_page(request: HttpRequest) -> bool:
    """Whether a page of the shop made a browser send this: its form or its script, with cookies or without.

    A program can say so too, so this tells only who did not even try to look like a buyer.
    """
    site = request.headers.get("Sec-Fetch-Site")
    return site == "same-origin" if site is not None else _page_host(request) == request.get_host()


def _page_host(request: HttpRequest) -> str | None:
    """The host of the page that asked: all there is over plain HTTP and from browsers of before 2023."""
    page = request.headers.get("Origin", request.headers.get("Referer") or None)
    return page if page is None else page.partition("://")[2].partition("/")[0]
