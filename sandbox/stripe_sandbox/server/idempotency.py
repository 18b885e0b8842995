"""Idempotency keys: one POST, one effect, the same answer again for 24 hours.

As docs.stripe.com/api/idempotent_requests: the first answer is replayed; the same key with other parameters,
or while the first request still runs, is refused; validation failures, 401, 409 and 429 are not kept.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from stripe_sandbox.box import Box
from stripe_sandbox.core.errors import StripeError

KEPT_FOR = 24 * 3600
LONGEST_KEY = 255
SCHEMA = """
CREATE TABLE IF NOT EXISTS idempotency (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    request_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX IF NOT EXISTS idempotency_oldest ON idempotency (created);
"""


@dataclass(frozen=True)
class Kept:
    """An answer to replay: its body as it was sent, and the request that got it first."""

    status: int
    body: str
    request_id: str


class Keys:
    """The keys of one box: those in flight in memory, those answered in the store."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._guard = threading.Lock()
        self._in_flight: set[tuple[str, str]] = set()
        box.store.script(SCHEMA)

    @contextmanager
    def claim(self, account: str, key: str | None) -> Iterator[None]:
        """Hold the key while its request runs; 409 where another request holds it."""
        if key is None:
            yield
            return
        if not key:
            raise StripeError(400, "invalid_request_error", "Idempotency Key must be a non-empty string.")
        if len(key) > LONGEST_KEY:
            raise StripeError(
                400,
                "invalid_request_error",
                f"Idempotency key is too long: it may be at most {LONGEST_KEY} characters.",
            )
        with self._guard:
            if (account, key) in self._in_flight:
                raise StripeError(
                    409,
                    "idempotency_error",
                    "There is currently another in-progress request using this Idempotent Key (that probably "
                    f"means you submitted twice, and the other request is still going through): {key}. "
                    "Please try again later.",
                    code="idempotency_key_in_use",
                )
            self._in_flight.add((account, key))
        try:
            yield
        finally:
            with self._guard:
                self._in_flight.discard((account, key))

    def recall(self, account: str, key: str, fingerprint: str) -> Kept | None:
        """The answer that this key already got; 400 where it was used elsewhere or with other parameters."""
        rows = self._box.store.sql(
            "SELECT fingerprint, status, body, request_id FROM idempotency "
            "WHERE account = ? AND key = ? AND created > ?",
            (account, key, self._box.clock.now() - KEPT_FOR),
        )
        if not rows:
            return None
        known, status, body, request_id = rows[0]
        if known != fingerprint:
            here, there = fingerprint.rpartition(" ")[0], known.rpartition(" ")[0]
            only = (
                "with the same parameters they were first used with"
                if here == there
                else f"for the same endpoint they were first used for ('{here}' vs '{there}')"
            )
            raise StripeError(
                400,
                "idempotency_error",
                f"Keys for idempotent requests can only be used {only}. Try using a key other than '{key}' "
                "if you meant to execute a different request.",
                stored=False,
            )
        return Kept(status, body, request_id)

    def keep(self, account: str, key: str, fingerprint: str, kept: Kept) -> None:
        """Remember an answer, in the transaction that did the work where there is one."""
        now = self._box.clock.now()
        with self._box.store.transaction():
            self._box.store.sql("DELETE FROM idempotency WHERE created <= ?", (now - KEPT_FOR,))
            self._box.store.sql(
                "INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)",
                (account, key, fingerprint, kept.request_id, kept.status, kept.body, now),
            )


def fingerprint(path: str, pairs: list[tuple[str, str]]) -> str:
    """What makes two POSTs the same: the path, and the parameters in whatever order they came."""
    whole = json.dumps(sorted(pairs), ensure_ascii=False)
    return f"{path} {hashlib.sha256(whole.encode()).hexdigest()}"
