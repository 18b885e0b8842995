"""What single settings may be: each function reads a text and raises ValueError with half a sentence.

No sentence repeats a value that may hold a password.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import dj_database_url

from kopeck.typed import is_blank

Network = IPv4Network | IPv6Network
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def read_name(text: str) -> str:
    """A name with something to see."""
    if is_blank(text):
        raise ValueError("there is nothing to see in this name")
    return text


def read_level(text: str) -> str:
    """A level of the log in capitals, however it was written."""
    level = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(text.upper(), text.upper())
    if level not in LEVELS:
        raise ValueError(f"the levels are {', '.join(LEVELS)}, not {text!r}")
    return level


def read_zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        raise ValueError(f"a time zone is called Europe/Berlin or UTC, not {text!r}") from None


def read_site(text: str) -> str:
    """ "https://shop.example", in small letters and without its last slash, or ""."""
    if not text:
        return ""
    said = f"the shop's address looks like https://shop.example, not {text!r}"
    try:
        parts = urlsplit(text.rstrip("/"))
        is_site = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        raise ValueError(said) from None
    if not is_site or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        raise ValueError(said)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def read_networks(text: str) -> list[Network]:
    """Addresses and networks between commas."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def read_database(text: str) -> dj_database_url.DBConfig:
    """Django's settings of a PostgreSQL database."""
    try:
        found = dj_database_url.parse(text)
    except ValueError:
        found = dj_database_url.DBConfig()
    if found.get("ENGINE") != "django.db.backends.postgresql":
        raise ValueError(
            "a PostgreSQL database is named by postgresql://user:password@host:5432/name,"
            " with what is no letter or digit in the password written as %XX"
        )
    return found


def read_dsn(text: str) -> str:
    """Sentry's address of a project, or ""."""
    if not text:
        return ""
    said = "the address that Sentry shows for a project looks like https://key@host/1"
    try:
        parts = urlsplit(text)
        is_dsn = parts.scheme in ("http", "https") and parts.username and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(said) from None
    if not is_dsn or not parts.path.rpartition("/")[2].isdecimal():
        raise ValueError(said)
    return text
