"""Who asks, when a proxy stands before the shop: the outermost middleware.

Only the proxies of TRUSTED_PROXIES are believed. What anybody else writes into a forwarding header is gone
before another middleware reads it, so behind this one REMOTE_ADDR and the scheme are facts.
"""

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

log = logging.getLogger(__name__)
Address = IPv4Address | IPv6Address

#: What proxies say of the client, by any of their habits. The host is taken from Host alone.
_SAID = ("FOR", "PROTO", "HOST", "PORT", "SERVER", "SSL", "SCHEME", "PREFIX")
HEADERS = (*(f"HTTP_X_FORWARDED_{name}" for name in _SAID), "HTTP_FORWARDED", "HTTP_X_REAL_IP")
#: A longer chain is an attack on our time; the right end is the part that our own proxies wrote.
LONGEST = 4_000


def proxies(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Sets REMOTE_ADDR and the scheme to the client's, and takes the forwarding headers away."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        said = {name: request.META.pop(name, "") for name in HEADERS}
        client = peer = _read_peer(request.META.get("REMOTE_ADDR", ""))
        trusted = peer is not None and is_trusted(peer)
        if not trusted:
            request.META.pop("HTTP_X_REQUEST_ID", None)
        if peer is not None and trusted:
            client = client_of(peer, said["HTTP_X_FORWARDED_FOR"])
            if said["HTTP_X_FORWARDED_PROTO"].rpartition(",")[2].strip().lower() == "https":
                request.META["wsgi.url_scheme"] = "https"
        elif said["HTTP_X_FORWARDED_FOR"] and peer is not None and not peer.is_global:
            _warn_once(str(peer))
        if client is not None:
            request.META["REMOTE_ADDR"] = str(client)
        return get_response(request)

    return middleware


def client_of(peer: Address, forwarded_for: str) -> Address:
    """The right-most address that is no trusted proxy: what stands left of it anybody may have written."""
    client = peer
    for said in reversed(forwarded_for[-LONGEST:].split(",")):
        address = read_address(said)
        if address is None:
            break
        client = address
        if not is_trusted(address):
            break
    return client


def read_address(text: str) -> Address | None:
    """Of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, quoted or not; None for others."""
    text = text.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A listener for both families shows IPv4 as ::ffff:192.0.2.1.
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


#: What the web server itself says, of few peers again and again.
_read_peer = lru_cache(maxsize=1000)(read_address)


def is_https(environ: Mapping[str, Any]) -> bool:
    """Whether the client speaks https, as the middleware will find; for what answers in front of it."""
    if environ.get("wsgi.url_scheme") == "https":
        return True
    said = environ.get("HTTP_X_FORWARDED_PROTO", "")
    return said.rpartition(",")[2].strip().lower() == "https" and _is_from_proxy(environ)


def request_id(environ: Mapping[str, Any]) -> str:
    """The X-Request-ID of a trusted proxy, else ""."""
    said: str = environ.get("HTTP_X_REQUEST_ID", "")
    return said if said and _is_from_proxy(environ) else ""


def _is_from_proxy(environ: Mapping[str, Any]) -> bool:
    peer = _read_peer(environ.get("REMOTE_ADDR", ""))
    return peer is not None and is_trusted(peer)


def network_of(text: str) -> str:
    """The address that is counted: of IPv6 its /64, which one household or rented server has; "" for none."""
    address = read_address(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address or "")


def is_trusted(address: Address) -> bool:
    return any(address in network for network in settings.TRUSTED_PROXIES)


@lru_cache(maxsize=100)
def _warn_once(peer: str) -> None:
    log.warning(
        "%s forwards requests but is not one of TRUSTED_PROXIES: all of its visitors count as one.", peer
    )
