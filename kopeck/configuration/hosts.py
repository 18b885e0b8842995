"""Names of hosts and addresses in settings, read as people write them and kept as browsers send them.

A name in Cyrillic or with an umlaut becomes punycode (IDNA, as in UTS 46): that is what a Host header holds.
Each function raises ValueError with half a sentence.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

import idna

from kopeck.configuration.env import shown

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
#: Those of an address as in [::1], which stay, and any others.
_BRACKETS = re.compile(r"(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\])|[\[\]]")
_QUOTES = "'\"`‘’“”()"
_PORTS = {"http": 80, "https": 443}


def read_host(text: str, *, dialled: bool = False) -> str:
    """The name or address of a host, in small letters. `dialled`: one that we ask, which may have a _."""
    said = f"a name looks like shop.example{shown(text)}"
    if ":" in text:
        try:
            return f"[{IPv6Address(text.removeprefix('[').removesuffix(']'))}]"
        except ValueError:
            raise ValueError(said) from None
    name = text.removesuffix(".").lower()
    try:
        name = name if name.isascii() else idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError(said) from None
    if len(name) > 253 or not _NAME.fullmatch(name.replace("_", "-") if dialled else name):
        raise ValueError(said)
    if name.rpartition(".")[2].isdigit():
        try:
            IPv4Address(name)
        except ValueError:
            raise ValueError(said) from None
    return name


def read_hosts(text: str) -> list[str]:
    """The names that the shop answers to, for ALLOWED_HOSTS: no scheme, no port, no list of Python's."""
    found = [_allowed(part) for part in _parts(text)]
    if not found:
        raise ValueError("it names no host: a name looks like shop.example")
    return list(dict.fromkeys(found))


def read_checkout_hosts(text: str) -> list[str]:
    """Hosts of Stripe's Checkout page, each with its port where it has one."""
    found = []
    for part in _parts(text):
        parts = _split(part)
        found.append(read_host(parts.hostname or "") + (f":{parts.port}" if parts.port else ""))
    if not found:
        raise ValueError("it names no host: a name looks like pay.shop.example")
    return found


def read_domains(text: str) -> list[str]:
    """The names that lead to the server, as Caddy and compose.yaml use them: names alone. [] for none."""
    found = []
    for part in text.replace(",", " ").split():
        if "://" in part or "/" in part or "*" in part or re.search(r":\d*$", part):
            raise ValueError(f"it should be only a name, such as shop.example{shown(text)}")
        found.append(read_host(part))
    return found


def read_site(text: str) -> str:
    """ "https://shop.example", or ""."""
    return read_address(text, "the shop's address looks like https://shop.example") if text else ""


def read_origins(text: str) -> list[str]:
    """The origins of pages, with commas between them: https://app.example. [] for none."""
    said = "the origin of a page looks like https://app.example"
    return [read_address(part.strip(), said) for part in text.split(",")] if text else []


def read_page(text: str) -> str:
    """ "https://shop.example/terms", or ""."""
    return (
        read_address(text, "a page's address looks like https://shop.example/terms", path=True)
        if text
        else ""
    )


def read_base(text: str) -> str:
    """The address of a server that we or browsers ask, without its last slash, or ""."""
    if not text:
        return ""
    return read_address(text, "an address looks like http://127.0.0.1:8420", path=True, dialled=True)


def read_script(text: str) -> str:
    """The address of a script, or ""."""
    if not text:
        return ""
    said = "an address of a script looks like https://js.stripe.com/v3/"
    slash = "/" if text.strip(_QUOTES).endswith("/") else ""
    return read_address(text, said, path=True, dialled=True) + slash


def read_mail_host(text: str) -> str:
    """The mail server's name, or ""."""
    if not text:
        return ""
    if "://" in text or re.fullmatch(r"[^:]*:\d+", text):
        raise ValueError(
            f"it should be only a name, such as smtp.example, and EMAIL_PORT has its port{shown(text)}"
        )
    return read_host(text, dialled=True).strip("[]")


def read_address(text: str, like: str, *, path: bool = False, dialled: bool = False) -> str:
    """Scheme and host in small letters; a port if it is not the scheme's own; a path if `path` allows one."""
    said = f"{like}{shown(text)}"
    try:
        parts = urlsplit(text.strip(_QUOTES).rstrip("/"))
        is_good = parts.scheme in _PORTS and not parts.query and not parts.fragment and parts.port != 0
        host = read_host(parts.hostname or "", dialled=dialled)
    except ValueError:
        raise ValueError(said) from None
    is_plain = parts.path.isascii() and parts.path.isprintable() and not re.search(r"[\s;,'\"]", parts.path)
    if not is_good or "@" in parts.netloc or (parts.path and not (path and is_plain)):
        raise ValueError(said)
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def host_of(address: str) -> str:
    """Of an address that `read_address` made: as it stands in a Host header, without the port."""
    host = urlsplit(address).hostname or ""
    return f"[{host}]" if ":" in host else host


def contradiction(domains: list[str], site: str) -> str:
    """What is wrong between DOMAIN, for whose names Caddy serves https, and SITE_URL; or ""."""
    if not domains or not site:
        return ""
    if host_of(site) not in domains:
        return f"SITE_URL leads to {host_of(site)}, and DOMAIN to {', '.join(domains)}: make them the same."
    if not site.startswith("https://"):
        return (
            "SITE_URL begins with http://, and a shop with a DOMAIN is served by https: take SITE_URL away."
        )
    return ""


def _parts(text: str) -> list[str]:
    """What stands between commas, without quotes and without the brackets of a list."""
    found: list[str] = []
    text = _BRACKETS.sub(lambda bracket: bracket[1] or "", text.translate(dict.fromkeys(map(ord, _QUOTES))))
    for part in re.split(r"[,;]", text):
        words = part.split()
        # With spaces alone between them, "my shop.example" must not become two names.
        if len(words) > 1 and not all("." in word.strip(".") and word[0] != "." for word in words):
            raise ValueError(f"put commas between the names, and no spaces into one{shown(part.strip())}")
        found += words
    return found


def _allowed(part: str) -> str:
    if part == "*":
        return part
    whole = re.fullmatch(r"(?:[a-z]+://)?\*?\.(.*)", part, re.IGNORECASE)  # ".shop.example": and all below it
    parts = _split(whole[1] if whole else part)
    return ("." if whole else "") + read_host(parts.hostname or "")


def _split(part: str) -> SplitResult:
    """A host that may have a scheme, a port and a slash at its end."""
    said = f"a name looks like shop.example{shown(part)}"
    if part.count(":") > 1 and "[" not in part:
        part = f"[{part}]"
    try:
        parts = urlsplit(part if "://" in part else f"//{part}")
        is_good = parts.port != 0 and parts.path in ("", "/") and not parts.query and not parts.fragment
    except ValueError:
        raise ValueError(said) from None
    if not is_good or "@" in parts.netloc:
        raise ValueError(said)
    return parts
