"""What every request goes through: either slash, the check of Host, the methods of a page."""

from collections.abc import Callable

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
)
from django.middleware.common import CommonMiddleware
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

GetResponse = Callable[[HttpRequest], HttpResponseBase]


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


def read_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For pages that are only looked at: any other method is 405, with the methods that there are.

    Exempt from Django's check of forms, which would answer 403 before the view is asked which it takes.
    """
    return csrf_exempt(require_safe(view))
