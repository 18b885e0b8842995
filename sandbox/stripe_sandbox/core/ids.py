"""Object ids in Stripe's shapes: a prefix and enough random letters and digits never to clash."""

import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ALPHABET = string.digits + string.ascii_letters

# Those not named here have 24 characters after the prefix.
_LENGTHS = {"cs_test": 60, "req": 14, "cus": 14, "prod": 14}


_given: ContextVar[tuple[str, str] | None] = ContextVar("given", default=None)


@contextmanager
def given(prefix: str, id: str | None) -> Iterator[None]:
    """Let the first new id of that prefix inside be this one."""
    token = _given.set((prefix, id) if id else None)
    try:
        yield
    finally:
        _given.reset(token)


def new(prefix: str) -> str:
    """A new id, as `pi_3Qd...`; `prefix` is without the underscore."""
    wanted = _given.get()
    if wanted and wanted[0] == prefix:
        _given.set(None)
        return wanted[1]
    return f"{prefix}_{letters(_LENGTHS.get(prefix, 24))}"


def letters(count: int) -> str:
    """So many, each as likely as any other: bytes that would favour some are passed over."""
    found = ""
    while len(found) < count:
        found += "".join([ALPHABET[one % 62] for one in secrets.token_bytes(count + 8) if one < 248])
    return found[:count]
