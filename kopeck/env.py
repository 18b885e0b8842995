"""The environment of a process, before Django reads its settings. No Django here."""

import os
from urllib.parse import urlsplit

#: As the libraries compare them. httpx, which the stripe library can use, falls over "[::1]".
_HERE = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def spare_proxies(*bases: str) -> None:
    """Adds this machine and the hosts of these addresses to NO_PROXY, for every library in this process.

    The proxy leads to the internet. It knows neither the ports of this machine nor the names in a network of
    containers, and Docker gives it to every container.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
        return  # on a Mac a NO_PROXY alone would hide the proxy that the system itself is set to
    spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if spared.strip() == "*":
        return
    names = [*spared.split(","), *_HERE, *(urlsplit(base).hostname or "" for base in bases)]
    # Some libraries read only the one, some only the other.
    text = ",".join(dict.fromkeys(name.strip() for name in names if name.strip()))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = text


def ignore_netrc() -> None:
    """A login of ~/.netrc for the host would be sent in place of the key of every call to Stripe."""
    os.environ["NETRC"] = os.devnull
