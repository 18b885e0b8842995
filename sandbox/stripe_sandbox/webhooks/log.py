"""The record of webhook deliveries and of every attempt, in tables of their own in the sandbox's SQLite
file.

A delivery is one event for one endpoint: pending, succeeded, failed (tries used up), dropped (by a fault)
or canceled (its endpoint is gone or disabled). Times are real Unix seconds, for retries follow the real
clock.
"""

from __future__ import annotations

import json
import time
from typing import Any

from stripe_sandbox.core import ids
from stripe_sandbox.core.store import Store
from stripe_sandbox.webhooks.wire import Answer

Delivery = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    event TEXT NOT NULL,
    event_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    endpoint_account TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    url TEXT NOT NULL,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    next_attempt REAL
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_event ON webhook_deliveries (event);
CREATE INDEX IF NOT EXISTS webhook_deliveries_pending ON webhook_deliveries (seq) WHERE status = 'pending';
CREATE TABLE IF NOT EXISTS webhook_attempts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery TEXT NOT NULL,
    at REAL NOT NULL,
    status INTEGER,
    body TEXT NOT NULL,
    error TEXT,
    duration_ms INTEGER NOT NULL,
    by_hand INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS webhook_attempts_delivery ON webhook_attempts (delivery);
CREATE TABLE IF NOT EXISTS webhook_events (event TEXT PRIMARY KEY) WITHOUT ROWID;
"""

FIELDS = (
    "id",
    "account",
    "event",
    "event_type",
    "object_id",
    "endpoint_account",
    "endpoint",
    "url",
    "status",
    "created",
    "next_attempt",
)
FILTERS = ("account", "event", "endpoint", "status", "object_id", "event_type")


class Log:
    """Reads and writes of the delivery tables; the caller opens transactions where several must hold
    together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.script(SCHEMA)

    def add(
        self,
        account: str,
        event: dict[str, Any],
        owner: str,
        endpoint: dict[str, Any],
        next_attempt: float | None,
    ) -> Delivery:
        """A new delivery, due at `next_attempt`; dropped where that is None."""
        delivery = {
            "id": ids.new("dlv"),
            "account": account,
            "event": event["id"],
            "event_type": event["type"],
            "object_id": event["data"]["object"].get("id") or "",
            "endpoint_account": owner,
            "endpoint": endpoint["id"],
            "url": endpoint["url"],
            "status": "dropped" if next_attempt is None else "pending",
            "created": time.time(),
            "next_attempt": next_attempt,
        }
        self._store.sql(
            f"INSERT INTO webhook_deliveries ({', '.join(FIELDS)}) "  # noqa: S608 - our own names
            f"VALUES ({', '.join('?' * len(FIELDS))})",
            tuple(delivery[field] for field in FIELDS),
        )
        return delivery

    def mark_enqueued(self, event: str) -> None:
        """The deliveries of this event are made: never again, whatever endpoints come later."""
        self._store.sql("INSERT OR IGNORE INTO webhook_events VALUES (?)", (event,))

    def unqueued_events(self) -> list[tuple[str, dict[str, Any]]]:
        """(account, event), oldest first, of those committed by a process that died before it made their
        deliveries."""
        rows = self._store.sql(
            "SELECT account, body FROM objects WHERE kind = 'event' "
            "AND id NOT IN (SELECT event FROM webhook_events) ORDER BY seq"
        )
        return [(account, json.loads(body)) for account, body in rows]

    def get(self, id: str) -> Delivery | None:
        return next(iter(self._select("WHERE id = ?", (id,))), None)

    def pending(self) -> list[Delivery]:
        """Oldest first."""
        return self._select("WHERE status = 'pending' ORDER BY seq")

    def page(self, filters: dict[str, Any] | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """The newest deliveries, each with its `attempts` (oldest first); `filters` on the fields of
        FILTERS."""
        tests = {field: value for field, value in (filters or {}).items() if value is not None}
        where = " AND ".join(f"{field} = ?" for field in tests)
        found = self._select(
            (f"WHERE {where} " if where else "") + "ORDER BY seq DESC LIMIT ?", (*tests.values(), limit)
        )
        return [{**delivery, "attempts": self.attempts(delivery["id"])} for delivery in found]

    def attempts(self, delivery: str) -> list[dict[str, Any]]:
        rows = self._store.sql(
            "SELECT at, status, body, error, duration_ms, by_hand FROM webhook_attempts "
            "WHERE delivery = ? ORDER BY seq",
            (delivery,),
        )
        names = ("at", "status", "body", "error", "duration_ms", "by_hand")
        return [{**dict(zip(names, row, strict=True)), "by_hand": bool(row[-1])} for row in rows]

    def record(self, delivery: Delivery, answer: Answer, by_hand: bool, schedule: list[float]) -> Delivery:
        """Keep an attempt and what follows from it; the delivery as it is now."""
        self._store.sql(
            "INSERT INTO webhook_attempts (delivery, at, status, body, error, duration_ms, by_hand) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                delivery["id"],
                time.time(),
                answer.status,
                answer.body,
                answer.error,
                answer.duration_ms,
                by_hand,
            ),
        )
        status, next_attempt = delivery["status"], delivery["next_attempt"]
        if answer.ok:
            status, next_attempt = "succeeded", None
        elif status == "pending" and not by_hand:
            query = "SELECT count(*) FROM webhook_attempts WHERE delivery = ? AND NOT by_hand"
            tries = self._store.sql(query, (delivery["id"],))[0][0]
            if tries <= len(schedule):
                next_attempt = time.time() + schedule[tries - 1]
            else:
                status, next_attempt = "failed", None
        return self.set_status(delivery, status, next_attempt)

    def set_status(self, delivery: Delivery, status: str, next_attempt: float | None = None) -> Delivery:
        self._store.sql(
            "UPDATE webhook_deliveries SET status = ?, next_attempt = ? WHERE id = ?",
            (status, next_attempt, delivery["id"]),
        )
        return {**delivery, "status": status, "next_attempt": next_attempt}

    def unsettled(self, event: str) -> int:
        """How many endpoints have yet to take this event with a 2xx: its `pending_webhooks`."""
        rows = self._store.sql(
            "SELECT count(*) FROM (SELECT endpoint FROM webhook_deliveries "
            "WHERE event = ? AND status != 'canceled' "
            "GROUP BY endpoint HAVING sum(status = 'succeeded') = 0)",
            (event,),
        )
        return int(rows[0][0])

    def _select(self, rest: str, values: tuple[Any, ...] = ()) -> list[Delivery]:
        rows = self._store.sql(f"SELECT {', '.join(FIELDS)} FROM webhook_deliveries {rest}", values)  # noqa: S608
        return [dict(zip(FIELDS, row, strict=True)) for row in rows]
