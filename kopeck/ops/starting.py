"""What every way to start the shop shares: secrets that are made once, sentences for what fails, pauses."""

import errno
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from kopeck.configuration.env import env as value_of
from kopeck.private import close

ADMIN = "admin"
ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to
#: The sandbox's accounts out of the box: what their variables end in, and where each webhook secret is kept.
SANDBOX_ACCOUNTS = {"": "webhook-secret", "_EUR": "webhook-secret-eur"}
#: Before what ended by itself is started again: a moment, then longer and longer. In seconds.
FIRST, LONGEST = 1.0, 30.0
#: What lived this long has recovered: its next end is a new trouble. In seconds.
STEADY = 60.0


class Refused(Exception):
    """The shop cannot start, or had to stop; `str()` is the sentence to show."""


def require_free(host: str, name: str, port: int) -> None:
    """Raises Refused, in a sentence, where this port cannot be listened on."""
    deadline = time.monotonic() + 1.0  # a run that was killed a moment ago still lets go of its ports
    while True:
        try:
            with socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
            ):
                return
        except PermissionError:
            raise Refused(
                f"Port {port} may not be used by this account: set {name} to a port above 1023."
            ) from None
        except UnicodeError:  # two dots in a row, or a part that is too long for a name
            raise Refused(f"HOST should be an address of this machine, not {host!r}.") from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = (error.strerror or str(error)).partition(" (while")[0]
                raise Refused(f"HOST should be an address of this machine, not {host!r} ({why}).") from None
            if time.monotonic() > deadline:
                raise Refused(
                    f"Port {port} is taken by another program: stop that one, "
                    f"or set {name} to a free port ({name}={port + 1} make run)."
                ) from None
        time.sleep(0.1)


def given_database(env: Mapping[str, str]) -> str:
    """The owner's own DATABASE_URL, if any."""
    return value_of("DATABASE_URL", of=env)


def refuse_endless_redirects(env: Mapping[str, str]) -> None:
    """Raises Refused for https that no proxy takes off: our web server itself speaks plain HTTP."""
    is_https = value_of("SITE_URL", of=env).lower().startswith("https:")
    if is_https and not value_of("TRUSTED_PROXIES", of=env):
        raise Refused(
            "SITE_URL begins with https://, but TRUSTED_PROXIES names no proxy that terminates https: "
            "every page would redirect to itself."
        )


def keep(path: Path, make: Callable[[], str]) -> str:
    """The secret in this file, made once."""
    with suppress(FileNotFoundError):
        if kept := path.read_text().strip():
            close(path)
            return kept
    write_secret(path, made := make())
    return made


def write_secret(path: Path, value: str) -> None:
    """Write a file that only its owner can read: whole, or not at all."""
    half = path.with_name(f"{path.name}.new")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(f"{value}\n")
    half.replace(path)


class Pauses:
    """1, 2, 4 ... 30 seconds, and 1 again after a quiet minute: `begin` at each start, `next` at each end.

    The worker waits so for PostgreSQL (`manage.py worker`), and `make run` for its children.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = FIRST
        self.begin()

    def begin(self) -> None:
        self._began = self._clock()

    def next(self) -> float:
        """Seconds to wait now."""
        if self._clock() - self._began >= STEADY:
            self._pause = FIRST
        pause = self._pause
        self._pause = min(2 * pause, LONGEST)
        return pause
