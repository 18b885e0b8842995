"""The settings as texts: what the environment of a process says, before Django reads it. No Django here.

What cannot work ends the process with one sentence that names the setting. `of` is another environment than
the process's own.
"""

import os
import sys
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from kopeck.typed import whole_number

T = TypeVar("T")
#: As the libraries compare them. httpx, which the stripe library can use, falls over "[::1]".
_HERE = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_OF_KEYS = ("@", "_live_", "_test_", "whsec_")


def env(name: str, default: str = "", *, of: Mapping[str, str] | None = None) -> str:
    """Its value, or what the file named by NAME_FILE holds, or the default; no spaces around it."""
    given = os.environ if of is None else of
    file = given.get(f"{name}_FILE")
    try:
        text = Path(file).read_text() if file else given.get(name) or given.get(name.lower()) or ""
    except (OSError, UnicodeDecodeError, ValueError) as problem:
        sys.exit(f"kopeck: {name}_FILE can't be read: {problem}.")
    text = text.strip()
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        sys.exit(
            f"kopeck: {name} holds a line break or a byte that is no letter: write it in one line of UTF-8."
        )
    return text or default


def env_bool(name: str, default: bool = False, *, of: Mapping[str, str] | None = None) -> bool:
    value = env(name, of=of).lower()
    if value not in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
        sys.exit(f"kopeck: {name} should be 1 or 0{shown(value)}.")
    return value in ("1", "true", "yes", "on") if value else default


def env_int(
    name: str,
    default: int,
    least: int = 0,
    most: int = 999_999_999,
    *,
    of: Mapping[str, str] | None = None,
) -> int:
    value = env(name, str(default), of=of)
    number = whole_number(value, 9)
    if number is None or not least <= number <= most:
        to = f" to {most}" if most < 999_999_999 else ""
        sys.exit(f"kopeck: {name} should be a whole number from {least}{to}{shown(value)}.")
    return number


def env_choice(name: str, choices: tuple[str, ...], default: str) -> str:
    value = env(name, default).lower()
    if value not in choices:
        sys.exit(f"kopeck: {name} should be {' or '.join(choices)}{shown(value)}.")
    return value


def read_or_exit(
    name: str, read: Callable[[str], T], default: str = "", *, of: Mapping[str, str] | None = None
) -> T:
    """What `read` makes of the value. It raises ValueError with half a sentence."""
    try:
        return read(env(name, default, of=of))
    except ValueError as problem:
        sys.exit(f"kopeck: {name}: {problem}.")


def read_folder(text: str) -> Path:
    """A folder that is there or could be made, with ~ for the home of the user."""
    path = Path(text)
    try:
        path = path.expanduser().resolve()
        there = next(each for each in (path, *path.parents) if each.exists())
    except (OSError, RuntimeError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise ValueError(f"no folder can have this name ({why})") from None
    if not there.is_dir():
        raise ValueError(f"{there} is no folder")
    return path


def made_folder(name: str) -> Path | None:
    """The folder of this setting, made where it is not there yet; None where it is not set."""
    if not env(name):
        return None
    folder = read_or_exit(name, read_folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        sys.exit(f"kopeck: {name} can't be made: {problem.strerror or problem}.")
    return folder


def shown(text: str) -> str:
    """ ", not 'text'", the end of a sentence; "" for what may hold a password or a key."""
    return "" if any(sign in text for sign in _OF_KEYS) else f", not {text[:60]!r}"


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
