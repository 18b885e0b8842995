"""How Stripe's library reaches Stripe: connections that are kept and shared by all threads.

By urllib3 itself. The library's own choice is requests, which stands on it, keeps connections for each thread
apart, and costs as much processor time again.
"""

from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import stripe
import urllib3
from django.conf import settings
from urllib3.exceptions import HTTPError, ProtocolError, ProxyError, TimeoutError
from urllib3.util import make_headers, parse_url

from kopeck import stopping
from kopeck.stripe_api import calls

#: Seconds until there is a connection.
CONNECT = 3
#: It is not quoted, for it may hold a password.
BAD_PROXY = "the proxy that the environment names for Stripe is no http:// or https:// address"


class Wire(stripe.HTTPClient):
    """Logs and counts every try of every call, its repetitions by the library too.

    `seconds`: how long Stripe may be silent within an answer.
    """

    name = "urllib3"

    def __init__(self, account: str, base: str, seconds: int) -> None:
        super().__init__()
        self.account = account
        self._pool = _pool(base, urllib3.Timeout(connect=CONNECT, read=seconds))

    def request(  # type: ignore[override] # as the library's own clients have it, not their base
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Raises APIConnectionError where no answer came. The library reads headers by small letters."""
        stopping.check()  # no more tries: what was asked may have been done, as when no answer comes
        with calls.watch(self.account, method, url) as call:
            answer = self._answer(method, url, {**(headers or {}), "Accept-Encoding": "gzip"}, post_data)
            call.status, call.request_id = answer.status, answer.headers.get("Request-Id", "")
        return answer.data, answer.status, answer.headers

    def _answer(self, method: str, url: str, headers: dict[str, str], data: Any) -> Any:
        if self._pool is None:
            raise stripe.APIConnectionError(BAD_PROXY, should_retry=False)  # type: ignore[no-untyped-call]
        try:
            # The library repeats, with the same idempotency key. Without retries no redirect is followed.
            return self._pool.request(method.upper(), url, body=data, headers=headers, retries=False)
        except (HTTPError, HTTPException, OSError, ValueError) as trouble:
            again = isinstance(trouble, TimeoutError | ProtocolError | ProxyError | OSError)
            message = f"{type(trouble).__name__}: {trouble}"
            raise stripe.APIConnectionError(message, should_retry=again) from trouble  # type: ignore

    def close(self) -> None:
        if self._pool is not None:
            self._pool.clear()


def _pool(base: str, timeout: urllib3.Timeout) -> urllib3.PoolManager | None:
    """Connections to Stripe at `base`, by the proxy that the environment names for it; None for BAD_PROXY."""
    asked, proxies = urlsplit(base), getproxies()
    proxy = proxies.get(asked.scheme) or proxies.get("all", "")
    kept: dict[str, Any] = {
        "maxsize": settings.WEB_THREADS,
        "timeout": timeout,
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": stripe.ca_bundle_path,
    }
    # NO_PROXY names a host with its port or without, and of IPv6 without its brackets.
    if not proxy or proxy_bypass(asked.netloc.rpartition("@")[2]) or proxy_bypass(asked.hostname or ""):
        return urllib3.PoolManager(**kept)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        login = parse_url(proxy).auth
        headers = make_headers(proxy_basic_auth=unquote(login)) if login else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **kept)
    except ValueError:
        return None
