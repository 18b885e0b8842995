"""What every request goes through: either slash, the language, the check of Host, the methods of a page.

In place of Django's own, which decide anew at each request what the same few texts say again and again.
"""

from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import set_script_prefix
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import get_languages, parse_accept_lang_header
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

GetResponse = Callable[[HttpRequest], HttpResponseBase]
#: Where machines alone ask. No browser of a person's comes here: no session, visitor, form or language.
MACHINES = ("/webhooks/", "/healthz", "/readyz", "/metrics")


def is_for_machines(request: HttpRequest) -> bool:
    return request.path_info.startswith(MACHINES)


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


def languages(get_response: GetResponse) -> GetResponse:
    """The language that the address begins with ("/ru/item/7"), else the browser's. Machines get ours.

    Below a language lies the whole shop: its addresses, and those that an answer leads to, begin so too.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        set_script_prefix("/")
        if is_for_machines(request):
            translation.activate(settings.LANGUAGE_CODE)  # the thread still has that of the last request
            return get_response(request)
        chosen, request.path_info = split_language(request.path_info)
        language = language_of(chosen, request.META.get("HTTP_ACCEPT_LANGUAGE", ""))
        translation.activate(language)
        request.LANGUAGE_CODE = language
        if not chosen:
            response = get_response(request)
        else:
            set_script_prefix(f"/{chosen}/")
            try:
                response = get_response(request)
            finally:
                set_script_prefix("/")
            _stay_in(chosen, response)
        patch_vary_headers(response, ["Accept-Language"])
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def split_language(path: str) -> tuple[str, str]:
    """The language that the address begins with, and the rest: "/ru/item/7" is ("ru", "/item/7")."""
    code, _slash, rest = path[1:].partition("/")
    if code in get_languages() and not f"/{rest}".startswith(MACHINES):
        return code, f"/{rest}"
    return "", path


def _stay_in(language: str, response: HttpResponseBase) -> None:
    """Views name addresses of the shop; what they lead to is in the language of the address too."""
    leads_to = response.headers.get("Location", "")
    is_ours = leads_to.startswith("/") and not leads_to.startswith("//")
    if is_ours and split_language(leads_to.partition("?")[0])[0] != language:
        response.headers["Location"] = f"/{language}{leads_to}"


def language_of(chosen: str, accepted: str) -> str:
    """The page's language: the one that was `chosen`, else the first that the browser accepts and we have."""
    return _language_of(chosen[:20], accepted[:200], settings.LANGUAGE_CODE)


@lru_cache(maxsize=1000)
def _language_of(chosen: str, accepted: str, usual: str) -> str:
    for wanted in (chosen, *(language for language, _quality in parse_accept_lang_header(accepted)), usual):
        try:
            if wanted and wanted != "*":
                return translation.get_supported_language_variant(wanted)
        except LookupError:
            continue
    return usual


def known_hosts(get_response: GetResponse) -> GetResponse:
    """Django's check of Host, save where machines ask by an address that changes: a pod's, a container's.

    Those answers build no address from it. /metrics without a token stays behind the check: a page elsewhere
    whose name was turned to this machine (DNS rebinding) would else read the metrics of a shop at play.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        if path not in ("/healthz", "/readyz") and not (path == "/metrics" and settings.METRICS_TOKEN):
            request.get_host()  # raises what becomes 400
        response = get_response(request)
        if not response.streaming and "Content-Length" not in response.headers:
            response.headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]
        return response

    return middleware


def read_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For pages that are only looked at: any other method is 405, with the methods that there are.

    Exempt from Django's check of forms, which would answer 403 before the view is asked which it takes.
    """
    return csrf_exempt(require_safe(view))
