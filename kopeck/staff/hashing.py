"""Passwords are hashed by the one hasher of this shop: without a database connection, and few at a time.

A hash costs a third of a second of a processor, and anybody can ask for one on the log-in page. Whatever
hashes passes here: a log-in of a name that exists or not, a password that is changed, a user who is added.
"""

from functools import cache

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from kopeck.database.slow import Few


@cache
def _hashers() -> Few:
    return Few(at_once=2, patience=5)


class Hasher(PBKDF2PasswordHasher):
    """Django's usual one, and the same hashes. Raises ShopError 429 where too many passwords wait."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with _hashers().turn():
            return super().encode(password, salt, iterations)
