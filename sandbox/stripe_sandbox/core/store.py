"""What the sandbox remembers: Stripe objects as JSON documents in SQLite, in memory or in a file.

One connection behind one re-entrant lock: a transaction is alone in the world, so a payment and an expiry of
the same session can never both win. What must happen outside the lock (webhooks) waits in `on_commit`.

A stored object is Stripe's JSON plus two sorts of keys of our own: `_name` is never shown (3-D Secure state,
line detail), `+name` is shown as `name` where `expand[]` asks for it (`total_details.breakdown`).
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

Obj = dict[str, Any]
Rows = list[tuple[Any, ...]]
Objs = list[Obj]
Names = list[str]
Values = list[Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (account, kind, id)
);
CREATE INDEX IF NOT EXISTS objects_newest ON objects (account, kind, seq DESC);
CREATE INDEX IF NOT EXISTS objects_anywhere ON objects (kind, id);
CREATE INDEX IF NOT EXISTS objects_by_intent ON objects (account, kind, json_extract(body,
'$.payment_intent')); CREATE INDEX IF NOT EXISTS objects_by_session ON objects (account, kind,
json_extract(body, '$._session')); CREATE INDEX IF NOT EXISTS objects_by_expiry ON objects (json_extract(body,
'$.expires_at'))
    WHERE kind = 'checkout.session' AND json_extract(body, '$.status') = 'open';
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

CREATED_TESTS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class NoSuchCursor(LookupError):
    """`starting_after` or `ending_before` names an object that isn't there; args: the cursor's name and the
    id."""


class Store:
    """Documents by (account, kind, id); kind is Stripe's `object` value. What comes out are copies."""

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._callbacks: list[Callable[[], object]] = []
        if path != ":memory:":
            _keep_private(path)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; re-entrant (an inner one joins the outer). Callbacks run after the outermost
        commit."""
        callbacks: list[Callable[[], object]] = []
        with self._lock:
            outermost = self._depth == 0
            if outermost:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if outermost:
                    self._callbacks.clear()
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if outermost:
                callbacks, self._callbacks = self._callbacks, []
                self._db.execute("COMMIT")
        for callback in callbacks:
            callback()

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call it after the outermost commit, outside the lock; at once where no transaction is open."""
        with self._lock:
            if self._depth:
                self._callbacks.append(callback)
                return
        callback()

    def insert(self, account: str, obj: Obj) -> None:
        """Keep a new object; sqlite3.IntegrityError where that id is taken."""
        self.sql(
            "INSERT INTO objects (account, kind, id, created, body) VALUES (?, ?, ?, ?, ?)",
            (account, obj["object"], obj["id"], obj.get("created", 0), _dump(obj)),
        )

    def save(self, account: str, obj: Obj) -> None:
        """Write a changed object back; KeyError where it isn't there."""
        changed = self.sql(
            "UPDATE objects SET body = ? WHERE account = ? AND kind = ? AND id = ? RETURNING id",
            (_dump(obj), account, obj["object"], obj["id"]),
        )
        if not changed:
            raise KeyError(obj["id"])

    def get(self, account: str, kind: str, id: str) -> Obj | None:
        rows = self.sql(
            "SELECT body FROM objects WHERE account = ? AND kind = ? AND id = ?", (account, kind, id)
        )
        return _load(rows[0][0]) if rows else None

    def find(self, kind: str, id: str) -> tuple[str, Obj] | None:
        """(account, object) whoever owns it: for pages, which carry no key."""
        rows = self.sql("SELECT account, body FROM objects WHERE kind = ? AND id = ? LIMIT 1", (kind, id))
        return (rows[0][0], _load(rows[0][1])) if rows else None

    def delete(self, account: str, kind: str, id: str) -> bool:
        """True if there was one."""
        return bool(
            self.sql(
                "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ? RETURNING id",
                (account, kind, id),
            )
        )

    def accounts(self) -> Names:
        """Every account that has an object."""
        return [row[0] for row in self.sql("SELECT DISTINCT account FROM objects ORDER BY account")]

    def list(
        self,
        account: str,
        kind: str,
        *,
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
        starting_after: str | None = None,
        ending_before: str | None = None,
        created: Mapping[str, int] | None = None,
    ) -> tuple[Objs, bool]:
        """(objects, has_more), newest first. `where` maps a dotted field to the value it must have (a None
        value is no filter); `created` is Stripe's range, `{"gte": 1700000000}`."""
        tests = ["account = ?", "kind = ?"]
        values: Values = [account, kind]
        for field, value in (where or {}).items():
            if value is not None:
                tests.append(f"json_extract(body, '$.{field}') = ?")
                values.append(value)
        for test, moment in (created or {}).items():
            tests.append(f"created {CREATED_TESTS[test]} ?")
            values.append(moment)
        backwards = ending_before is not None
        for cursor, id, sign in (
            ("starting_after", starting_after, "<"),
            ("ending_before", ending_before, ">"),
        ):
            if id is not None:
                tests.append(f"seq {sign} ?")
                values.append(self._seq(account, kind, id, cursor))
        rows = self.sql(
            f"SELECT body FROM objects WHERE {' AND '.join(tests)} "  # noqa: S608 - names are our own
            f"ORDER BY seq {'ASC' if backwards else 'DESC'} LIMIT ?",
            (*values, -1 if limit is None else limit + 1),
        )
        has_more = limit is not None and len(rows) > limit
        objs = [_load(row[0]) for row in rows[:limit]]
        return (objs[::-1] if backwards else objs), has_more

    def _seq(self, account: str, kind: str, id: str, cursor: str) -> int:
        rows = self.sql(
            "SELECT seq FROM objects WHERE account = ? AND kind = ? AND id = ?", (account, kind, id)
        )
        if not rows:
            raise NoSuchCursor(cursor, id)
        return int(rows[0][0])

    def setting(self, name: str, default: Any = None) -> Any:
        rows = self.sql("SELECT value FROM settings WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else default

    def set_setting(self, name: str, value: Any) -> None:
        self.sql(
            "INSERT INTO settings (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )

    def script(self, ddl: str) -> None:
        """Make another module's own tables (CREATE ... IF NOT EXISTS); never inside a transaction."""
        with self._lock:
            self._db.executescript(ddl)

    def sql(self, query: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> Rows:
        """Run one statement under the lock, in the current transaction where there is one; all its rows."""
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def clear(self) -> None:
        """Forget everything, other modules' tables too; the clock's offset and other settings as well."""
        with self.transaction():
            names = self.sql(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            for (name,) in names:
                self.sql(f'DELETE FROM "{name}"')  # noqa: S608 - a table's own name


def _keep_private(path: str) -> None:
    """Keys, webhook secrets and buyers' addresses are in it: a file for its owner alone, whatever the umask.

    What SQLite puts beside it gets its mode. A file that can't be made is SQLite's to tell.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for file in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(OSError):  # there is none, or it is another account's
            os.chmod(file, 0o600)


def _load(body: str) -> Obj:
    obj: Obj = json.loads(body)
    return obj


def _dump(obj: Obj) -> str:
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def shown(value: Any) -> Any:
    """A deep copy without the keys that Stripe doesn't show."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items() if key[:1] not in ("_", "+")}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value
