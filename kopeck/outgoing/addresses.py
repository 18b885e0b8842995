"""Where webhooks may go: the internet, and no network of the shop's own unless a setting allows it.

Staff who enter an address could otherwise make the shop knock at what only the shop can reach: a database,
a cloud's metadata. A name is looked up when something is sent, and the connection goes to the very address
that was checked: a name may mean another one by then.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

#: Addresses of IPv4 behind a translator: the last 32 bits are where it leads to.
_TRANSLATED = IPv6Network("64:ff9b::/96")
#: What of IPv6 is given out. Python's own list is as old as Python: it lacks translators of networks' own.
_GIVEN_OUT = IPv6Network("2000::/3")


class Refused(Exception):
    """A sentence that says why nothing is sent to this address."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an address says: whom to connect to, and what to ask for."""

    is_https: bool
    host: str
    port: int
    path: str


def read_target(url: str) -> Target:
    """Raises Refused for what is no address of the web, or one that is private by its letters."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        ascii_host = host.encode("idna").decode() if not host.isascii() else host
    except (ValueError, UnicodeError):
        raise Refused(_("This is no address of the web.")) from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise Refused(_("An address begins with https:// and a name."))
    if parts.username is not None or parts.password is not None:
        raise Refused(_("An address with a password in it is not taken: the signature says who sends."))
    if parts.scheme == "http" and not settings.WEBHOOKS_TO_PRIVATE_NETWORKS:
        raise Refused(_("The address has to begin with https://."))
    is_https = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise Refused(_("An address has letters of ASCII behind its name: write others as %XX."))
    target = Target(is_https, ascii_host, port or (443 if is_https else 80), path)
    if (literal := _as_address(ascii_host)) is not None:
        _refuse_private(literal)
    return target


def resolve(target: Target) -> str:
    """An address of the target's host, as text. Refused where any of its addresses is private."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        message = _("There is no host with the name %(host)s.") % {"host": target.host}
        raise Refused(message) from None
    addresses = [str(info[4][0]) for info in found]
    for text in addresses:
        address = _as_address(text.partition("%")[0])
        if address is not None:
            _refuse_private(address)
    return addresses[0]


def _as_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _refuse_private(address: IPv4Address | IPv6Address) -> None:
    if settings.WEBHOOKS_TO_PRIVATE_NETWORKS:
        return
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        address = inner or address
    is_given_out = isinstance(address, IPv4Address) or address in _GIVEN_OUT
    if not address.is_global or address.is_multicast or not is_given_out:
        message = _(
            "%(address)s is not on the internet. Set WEBHOOKS_TO_PRIVATE_NETWORKS=1 to send to networks of "
            "your own."
        )
        raise Refused(message % {"address": address})
