"""What browsers are told to refuse, on every answer: pages, JSON, static files, pictures, errors.

The Content-Security-Policy names Stripe's hosts (https://docs.stripe.com/security/guide) or the sandbox's
origin, and only where pages of the shop need them: the admin and the API's page get by without.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from csp.constants import HEADER, NONCE, NONE, SELF, UNSAFE_INLINE
from csp.middleware import CheckableLazyObject, CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from kopeck.web.middleware import MACHINES, GetResponse

Directives = dict[str, list[Any]]  # sources, and the place of the nonce

STRIPE_JS = ["https://js.stripe.com", "https://*.js.stripe.com"]
CHECKOUT = "https://checkout.stripe.com"
HOOKS = "https://hooks.stripe.com"  # 3-D Secure, and the way to a bank and back
JOBS = "/admin/procrastinate/procrastinatejob/"
LINK = ["https://link.com", "https://*.link.com"]  # the Payment Element offers it by default

_NOTHING: Directives = {
    "default-src": [NONE],
    "base-uri": [NONE],
    "object-src": [NONE],
    "frame-ancestors": [NONE],
    "form-action": [NONE],
}
_OWN_PAGE: Directives = _NOTHING | {
    "script-src": [SELF, NONCE],
    "style-src": [SELF, NONCE],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
}
#: The lists and pages of jobs are the library's own, and it dresses a dozen elements a row by `style=`.
_JOBS_PAGE: Directives = _OWN_PAGE | {"style-src-attr": [UNSAFE_INLINE]}
#: A file that is opened by itself: an SVG may dress itself, and do nothing else.
_FILE: Directives = _NOTHING | {"style-src": [UNSAFE_INLINE], "sandbox": [""]}
#: What no page of ours and nothing in its frames asks for.
_NEVER = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "serial",
    "usb",
    "xr-spatial-tracking",
)


def origin(url: str) -> str:
    """ "https://host:port" of an address; "" of none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


@lru_cache(maxsize=20)
def shop_page(js_url: str, sandbox_url: str, checkout_hosts: tuple[str, ...]) -> Directives:
    """The policy of the shop's own pages: Stripe's hosts, or the sandbox's origin and none of Stripe's."""
    script_host = origin(js_url)
    if sandbox_url:
        hosts = list(dict.fromkeys([origin(sandbox_url), script_host]))
        return _OWN_PAGE | {
            "script-src": [SELF, NONCE, *hosts],
            "frame-src": hosts,
            "connect-src": [SELF, *hosts],
            "img-src": [SELF, *hosts],
            "form-action": [SELF, *hosts],
        }
    scripts = list(dict.fromkeys([*STRIPE_JS, script_host]))
    return _OWN_PAGE | {
        "script-src": [SELF, NONCE, *scripts, CHECKOUT],
        "frame-src": [*scripts, HOOKS, CHECKOUT, *LINK],
        "connect-src": [SELF, "https://api.stripe.com", CHECKOUT, *LINK],
        "img-src": [SELF, "https://*.stripe.com", "https://*.link.com"],
        # Browsers hold the answer's redirect against it too: POST /buy leads to Checkout by 303.
        "form-action": [SELF, *(f"https://{host}" for host in checkout_hosts)],
        # Stripe.js dresses the frames that it makes by their style attribute. No <style> of anybody's.
        "style-src-attr": [UNSAFE_INLINE],
    }


def policy_for(path: str, status: int = 200) -> Directives:
    """The policy of the answer at this path."""
    if path.startswith((settings.STATIC_URL, settings.MEDIA_URL)) and status < 400:
        return _FILE
    if path.startswith(MACHINES):
        return _NOTHING
    if path.startswith("/admin"):
        return _JOBS_PAGE if path.startswith(JOBS) else _OWN_PAGE
    if path.startswith("/api/"):
        return _OWN_PAGE
    return shop_page(settings.STRIPE_JS_URL, settings.SANDBOX_URL, tuple(settings.CHECKOUT_HOSTS))


#: Stands for the nonce in a kept text. No host and no keyword of a policy holds such a word.
_NONCE_HERE = "kopeck-nonce"


class _Texts:
    """A policy as the header's text, with a nonce and without: written once, for it is 100 us of work."""

    def __init__(self, directives: Directives) -> None:
        self.directives = directives  # kept: its id must not get another meaning
        self.plain = build_policy(config=directives)
        self.with_nonce = build_policy(config=directives, nonce=_NONCE_HERE)


#: By the id of the directives; as many as there are policies. One assignment each: threads need no lock.
_texts: dict[int, _Texts] = {}


def text_of(directives: Directives, nonce: str | None) -> str:
    texts = _texts.get(id(directives))
    if texts is None or texts.directives is not directives:
        texts = _texts[id(directives)] = _Texts(directives)
    return texts.with_nonce.replace(_NONCE_HERE, nonce) if nonce else texts.plain


class Policies(CSPMiddleware):
    """django-csp with the policy of each part of the shop; its decorators and `request.csp_nonce` work.

    And the Permissions-Policy, which is the same everywhere.
    """

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self._too_late = CheckableLazyObject(self._csp_nonce_post_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        self.process_request(request)
        response = self.process_response(request, self.get_response(request))  # type: ignore[arg-type]
        policy = permissions_policy(settings.STRIPE_JS_URL, settings.SANDBOX_URL)
        response.headers.setdefault("Permissions-Policy", policy)
        return response

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        decorated = any(name.startswith("_csp_") for name in vars(response))
        if settings.DEBUG or decorated or HEADER in response.headers:
            return super().process_response(request, response)
        nonce = getattr(request, "_csp_nonce", None)
        response.headers[HEADER] = text_of(policy_for(request.path_info, response.status_code), nonce)
        if nonce is None:  # as the library does: one that is asked for now would be in no header
            request.csp_nonce = self._too_late  # type: ignore[attr-defined]
        return response

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and parts.config is None:
            parts.config = policy_for(request.path_info, response.status_code)
        return parts


@lru_cache(maxsize=20)
def permissions_policy(js_url: str, sandbox_url: str) -> str:
    """Paying and passkeys for ourselves and Stripe's frames, the rest of the list for nobody."""
    hosts = [origin(sandbox_url), origin(js_url)] if sandbox_url else [*STRIPE_JS, HOOKS, CHECKOUT]
    allowed = " ".join(["self", *(f'"{host}"' for host in dict.fromkeys(hosts))])
    rules = [f"payment=({allowed})", f"publickey-credentials-get=({allowed})"]
    return ", ".join([*rules, *(f"{name}=()" for name in _NEVER)])
