"""Which names the sandbox answers at, and which web pages may use it.

A page anywhere can have its own name lead to 127.0.0.1 (DNS rebinding). The browser then takes whatever
listens here for that page's own server, and lets it read and control all of it. Only the name in Host tells.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Request

SETTING = "SANDBOX_ALLOWED_HOSTS"
LOOPBACK = ("localhost", ".localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?", re.IGNORECASE | re.ASCII)


def read_names(text: str) -> tuple[str, ...]:
    """Names separated by commas; one that begins with a dot stands for all below it. Raises ValueError."""
    return tuple(_read_name(name) for name in text.split(",") if name.strip())


def _read_name(text: str) -> str:
    text = text.strip()
    try:
        bare = urlsplit(text).netloc if "://" in text else text
        name = hostname(bare.encode("ascii" if bare.isascii() else "idna").decode())
    except (ValueError, UnicodeError):
        name = ""
    if not name.strip(".") or ".." in name:
        raise ValueError(f"{SETTING} is a list of names like sandbox or 192.168.1.5, not {text!r}.")
    return name


def hostname(host: str) -> str:
    """The name or address in a Host header, without its port, in lower case; "" where there is none."""
    found = _HOST.fullmatch(host)
    return (found[1] or found[2]).lower().rstrip(".") if found else ""


@lru_cache(maxsize=64)
def is_answered(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a Host header names this machine, or one of the allowed names."""
    name = hostname(host)
    return any(
        name == one or (one.startswith(".") and name.endswith(one)) for one in (*LOOPBACK, *allowed) if name
    )


def is_foreign(request: Request) -> bool:
    """Whether a page of another origin made the browser send this. Programs say nothing of the kind."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("cross-site", "same-site")
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host
