"""What single settings may be: each function reads a text and raises ValueError with half a sentence.

Names of hosts are in kopeck/configuration/hosts.py. No sentence repeats a value that may hold a password.
"""

from email.utils import formataddr
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import psycopg.conninfo
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import EmailValidator

from kopeck.configuration.env import read_folder, shown
from kopeck.configuration.hosts import read_host
from kopeck.typed import is_blank

Network = IPv4Network | IPv6Network
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LONGEST_NAME = 100
LONGEST_SELLER = 250
SHORTEST_TOKEN = 16
_ZONES = Path("/usr/share/zoneinfo")
#: What PostgreSQL would refuse only when the shop connects.
_DATABASE_WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}


def read_name(text: str) -> str:
    """A name with something to see, in one line."""
    if is_blank(text):
        raise ValueError("this name has no visible letter")
    if len(text) > LONGEST_NAME:
        raise ValueError(f"a name has {LONGEST_NAME} letters at most")
    return " ".join(text.split())


def read_seller(text: str) -> str:
    """Who sells, where, or under which tax number, in one line; or nothing."""
    if len(text) > LONGEST_SELLER:
        raise ValueError(f"this has {LONGEST_SELLER} letters at most")
    if text and is_blank(text):
        raise ValueError("this has no visible letter")
    return " ".join(text.split())


def read_contact(text: str) -> str:
    """ "shop@shop.example", its host as mail servers know it, or ""."""
    address = read_sender(text) if text else ""
    if "<" in address:
        raise ValueError("it should be an address alone, such as shop@shop.example")
    return address


def read_level(text: str) -> str:
    """A level of the log in capitals, however it was written."""
    level = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(text.upper(), text.upper())
    if level not in LEVELS:
        raise ValueError(f"the levels are {', '.join(LEVELS)}{shown(text)}")
    return level


def read_zone(text: str) -> str:
    said = f"a time zone is called Europe/Berlin or UTC{shown(text)}"
    try:
        key = ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        raise ValueError(said) from None
    # Django looks there itself and ends in a traceback, even where Python has the zone from elsewhere.
    if _ZONES.exists() and not _ZONES.joinpath(*key.split("/")).exists():
        raise ValueError(said)
    return key


def read_share(text: str) -> float:
    """A share from 0 to 1."""
    said = f"a share is a number from 0 to 1, such as 0.1{shown(text)}"
    try:
        share = float(text)
    except ValueError:
        raise ValueError(said) from None
    if not 0 <= share <= 1:
        raise ValueError(said)
    return share


def read_static_target(text: str) -> str | None:
    """Where `collectstatic` shall put the static files; None: they are served from where they lie."""
    return str(read_folder(text)) if text else None


def read_static_root(text: str) -> str | None:
    """As `read_static_target`, where it has put them already: without them every page would be a 500."""
    folder = read_static_target(text)
    if folder and not Path(folder, "staticfiles.json").is_file():
        raise ValueError(f"there are no files of `manage.py collectstatic` in {folder}")
    return folder


def read_token(text: str) -> str:
    """What is sent in an HTTP header and must not be guessed; or ""."""
    if text and (not text.isascii() or " " in text or len(text) < SHORTEST_TOKEN):
        raise ValueError(f"it should be at least {SHORTEST_TOKEN} letters and digits, without spaces")
    return text


def read_anymail(text: str) -> str:
    """A key, a token or another word of a mail service, which goes into HTTP headers."""
    if not text.isascii():
        raise ValueError("it should be letters, digits and signs of ASCII")
    return text


def read_networks(text: str) -> list[Network]:
    """Addresses and networks between commas."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def read_database(text: str) -> dict[str, Any]:
    """Django's settings of a PostgreSQL database, read as PostgreSQL's own programs read an address.

    Several hosts are taken: `postgresql://one:5432,two:5432/name?target_session_attrs=read-write`.
    """
    try:
        found = psycopg.conninfo.conninfo_to_dict(text)
    except psycopg.ProgrammingError as problem:
        if "query parameter" in str(problem):
            raise ValueError("PostgreSQL does not know the options after the ?") from None
        found = {}
    host, ports = found.pop("host", ""), str(found.pop("port", ""))
    are_ports = all(0 < int(port) < 65536 if port.isdecimal() else not port for port in ports.split(","))
    name = found.pop("dbname", "")
    is_address = text.startswith(("postgresql://", "postgres://")) and are_ports
    if not is_address or not (name or found.get("service")) or {" ", "\n"} & {*f"{host}{name}"}:
        raise ValueError(
            "a PostgreSQL database is named by postgresql://user:password@host:5432/name,"
            " with what is no letter or digit in the password written as %XX"
        )
    for option, known in _DATABASE_WORDS.items():
        if found.get(option, known[0]) not in known:
            raise ValueError(f"{option} is one of {', '.join(known)}")
    place = {"NAME": name, "HOST": host, "PORT": ports}
    login = {"USER": found.pop("user", ""), "PASSWORD": found.pop("password", "")}
    return {"ENGINE": "django.db.backends.postgresql", **place, **login, "OPTIONS": found}


def read_dsn(text: str) -> str:
    """Sentry's address of a project, or ""."""
    if not text:
        return ""
    said = "the address that Sentry shows for a project looks like https://key@host/1"
    try:
        parts = urlsplit(text)
        is_dsn = parts.scheme in ("http", "https") and parts.username and parts.port != 0
        read_host(parts.hostname or "", dialled=True)
    except ValueError:
        raise ValueError(said) from None
    if not is_dsn or not parts.path.rpartition("/")[2].isdecimal():
        raise ValueError(said)
    return text


def read_sender(text: str) -> str:
    """Whom mails are from: "Your shop <shop@shop.example>", the name's host as mail servers know it."""
    said = "it should be one address, such as Your shop <shop@shop.example>"
    name, _, bracketed = text.rpartition("<")
    address = bracketed.removesuffix(">") if name or text.startswith("<") else text
    local, _, host = address.strip().rpartition("@")
    if not EmailValidator.user_regex.match(local) or (bracketed != text and not text.endswith(">")):
        raise ValueError(said)
    try:
        host = read_host(host)
    except ValueError:
        raise ValueError(said) from None
    return formataddr((name.strip().strip('"').strip(), f"{local}@{host}"))


def read_login(text: str) -> str:
    """A name or a password at the mail server, which Python's smtplib can send only in ASCII."""
    if not text.isascii():
        raise ValueError("mail servers accept only ASCII here, and it has another letter")
    return text


def read_backend(text: str) -> str:
    """The path of one of Django's mail backends, or of another's."""
    said = f"it should name a mail backend{shown(text)}"
    module, _, name = text.rpartition(".")
    try:
        backend = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as problem:
        raise ValueError(f"{said} ({problem})") from None
    if not (isinstance(backend, type) and issubclass(backend, BaseEmailBackend)):
        raise ValueError(said)
    return text
