"""Object ids in Stripe's shapes: a prefix and enough random letters and digits never to clash."""

import secrets
import string

ALPHABET = string.digits + string.ascii_letters

# Those not named here have 24 characters after the prefix.
_LENGTHS = {"cs_test": 60, "req": 14, "cus": 14, "prod": 14}


def new(prefix: str) -> str:
    """A new id, as `pi_3Qd...`; `prefix` is without the underscore."""
    return f"{prefix}_{letters(_LENGTHS.get(prefix, 24))}"


def letters(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))
