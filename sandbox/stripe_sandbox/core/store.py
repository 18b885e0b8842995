"""What the sandbox remembers: Stripe objects as JSON documents in SQLite, in memory or in a file.

One connection behind one re-entrant lock: a transaction is alone in the world, so a payment and an expiry of
the same session can never both win. What must happen outside the lock (webhooks) waits in `on_commit`.

A stored object is Stripe's JSON plus two sorts of keys of our own: `_name` is never shown (3-D Secure state,
line detail), `+name` is shown as `name` where `expand[]` asks for it (`total_details.breakdown`). `_due` is
when something happens to it by itself, in Unix seconds (`due()` finds those).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from stripe_sandbox.core.tables import FILTERS, SCHEMA, check_version, keep_private

Obj = dict[str, Any]
Rows = list[tuple[Any, ...]]
Objs = list[Obj]
Names = list[str]
Values = list[Any]

CREATED_TESTS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class NoSuchCursor(LookupError):
    """`starting_after` or `ending_before` names an object that isn't there; args: the cursor's name and the
    id."""


class Store:
    """Documents by (account, kind, id); kind is Stripe's `object` value. What comes out are copies."""

    def __init__(self, path: str = ":memory:") -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._alone = 0
        self._callbacks: list[Callable[[], object]] = []
        #: JSON by name, None where there is no such setting: every request asks for several.
        self._settings: dict[str, str | None] = {}
        if path != ":memory:":
            keep_private(path)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.create_function("fold", 1, str.casefold, deterministic=True)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        check_version(self._db)
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
            before = len(self._callbacks)
            if outermost:
                self._db.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if outermost:
                    del self._callbacks[before:]
                    self._settings.clear()
                    self._db.execute("ROLLBACK")
                raise
            self._depth -= 1
            if outermost:
                self._db.execute("COMMIT")
                if not self._alone:
                    callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For reading several things: nobody else is let in between, and the disk is not asked for a
        transaction. What is written inside is in transactions of its own."""
        callbacks: list[Callable[[], object]] = []
        with self._lock:
            self._alone += 1
            try:
                yield
            finally:
                self._alone -= 1
                if not self._alone and not self._depth:
                    callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_commit(self, callback: Callable[[], object]) -> None:
        """Call it after the outermost commit, outside the lock; at once where no transaction is open."""
        with self._lock:
            if self._depth or self._alone:
                self._callbacks.append(callback)
                return
        callback()

    def insert(self, account: str, obj: Obj) -> None:
        """Keep a new object; sqlite3.IntegrityError where that id is taken."""
        created = obj.get("created", 0)
        with self.transaction():
            ((seq,),) = self.sql(
                "INSERT INTO objects (account, kind, id, created, due, body) VALUES (?, ?, ?, ?, ?, ?) "
                "RETURNING seq",
                (account, obj["object"], obj["id"], created, obj.get("_due"), _dump(obj)),
            )
            self._note(account, obj["object"], created, seq, obj)
            self.sql("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (account, created))

    def save(self, account: str, obj: Obj) -> None:
        """Write a changed object back; KeyError where it isn't there."""
        with self.transaction():
            changed = self.sql(
                "UPDATE objects SET body = ?, due = ? WHERE account = ? AND kind = ? AND id = ? "
                "RETURNING seq, created",
                (_dump(obj), obj.get("_due"), account, obj["object"], obj["id"]),
            )
            if not changed:
                raise KeyError(obj["id"])
            ((seq, created),) = changed
            self._note(account, obj["object"], created, seq, obj)

    def _note(self, account: str, kind: str, created: int, seq: int, obj: Obj) -> None:
        """Let the object be found by what it says now; nothing is written where that hasn't changed."""
        now = {(field, value) for field in FILTERS if (value := _plain(obj, field)) is not None}
        was = {
            (field, value)
            for field, value in self.sql("SELECT field, value FROM fields WHERE seq = ?", (seq,))
        }
        for field, value in was - now:
            self.sql(
                "DELETE FROM fields WHERE account = ? AND kind = ? AND field = ? AND value = ? "
                "AND created = ? AND seq = ?",
                (account, kind, field, value, created, seq),
            )
        for field, value in now - was:
            self.sql(
                "INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?)", (account, kind, field, value, created, seq)
            )

    def get(self, account: str, kind: str, id: str) -> Obj | None:
        rows = self.sql(
            "SELECT body FROM objects WHERE account = ? AND kind = ? AND id = ?", (account, kind, id)
        )
        return _load(rows[0][0]) if rows else None

    def find(self, kind: str, id: str) -> tuple[str, Obj] | None:
        """(account, object), of any account: for pages, which carry no key."""
        rows = self.sql("SELECT account, body FROM objects WHERE kind = ? AND id = ? LIMIT 1", (kind, id))
        return (rows[0][0], _load(rows[0][1])) if rows else None

    def delete(self, account: str, kind: str, id: str) -> bool:
        """True if there was one."""
        with self.transaction():
            gone = self.sql(
                "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ? RETURNING seq",
                (account, kind, id),
            )
            for (seq,) in gone:
                self.sql("DELETE FROM fields WHERE seq = ?", (seq,))
        return bool(gone)

    def accounts(self) -> Names:
        """Every account that ever had an object."""
        return [row[0] for row in self.sql("SELECT name FROM accounts ORDER BY name")]

    def since(self, account: str) -> int | None:
        """When the account's first object was made."""
        rows = self.sql("SELECT created FROM accounts WHERE name = ?", (account,))
        return int(rows[0][0]) if rows else None

    def due(self, kind: str, now: int) -> Rows:
        """(account, id) of the objects of `kind` whose `_due` has come, of all accounts."""
        return self.sql("SELECT account, id FROM objects WHERE kind = ? AND due <= ?", (kind, now))

    def values(self, account: str, kind: str, field: str) -> Values:
        """The different values that a filter's field has among the objects of `kind`, each looked up once."""
        rows = self.sql(
            "WITH RECURSIVE each(value) AS ("
            "SELECT min(value) FROM fields WHERE account = :account AND kind = :kind AND field = :field "
            "UNION ALL SELECT (SELECT min(value) FROM fields WHERE account = :account AND kind = :kind "
            "AND field = :field AND value > each.value) FROM each WHERE each.value IS NOT NULL"
            ") SELECT value FROM each WHERE value IS NOT NULL",
            {"account": account, "kind": kind, "field": field},
        )
        return [value for (value,) in rows]

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
        """(objects, has_more), newest first. `where` maps a field of FILTERS to the value it must have, or to
        a list of which it must have one (a None value is no filter); `created` is Stripe's range,
        `{"gte": 1700000000}`."""
        backwards = ending_before is not None
        tests, values = self._range(account, kind, starting_after, ending_before, created)
        most = -1 if limit is None else limit + 1
        wanted = sorted(
            (
                (FILTERS.index(field), field, value)
                for field, value in (where or {}).items()
                if value is not None
            ),
            key=lambda one: one[0],
        )
        order = (
            f"ORDER BY created {'ASC' if backwards else 'DESC'}, seq {'ASC' if backwards else 'DESC'} LIMIT ?"
        )
        if not wanted:
            query = f"SELECT created, seq, body FROM objects WHERE {' AND '.join(tests)} {order}"  # noqa: S608
            rows = self.sql(query, (*values, most))
        else:
            rows = self._filtered(wanted, tests, values, order, most, backwards)
        has_more = limit is not None and len(rows) > limit
        objs = [_load(row[2]) for row in rows[:limit]]
        return (objs[::-1] if backwards else objs), has_more

    def _range(
        self,
        account: str,
        kind: str,
        starting_after: str | None,
        ending_before: str | None,
        created: Mapping[str, int] | None,
    ) -> tuple[Names, Values]:
        """The tests, and their values, that a page's place in the list makes."""
        tests: Names = ["account = ?", "kind = ?"]
        values: Values = [account, kind]
        for test, moment in (created or {}).items():
            tests.append(f"created {CREATED_TESTS[test]} ?")
            values.append(moment)
        for cursor, id, sign in (
            ("starting_after", starting_after, "<"),
            ("ending_before", ending_before, ">"),
        ):
            if id is not None:
                tests.append(f"(created, seq) {sign} (?, ?)")
                values += self._place(account, kind, id, cursor)
        return tests, values

    def _filtered(
        self,
        wanted: Values,
        tests: Names,
        values: Values,
        order: str,
        most: int,
        backwards: bool,
    ) -> Rows:
        """The first filter finds them, each of its values by a look-up in order; the others are held against
        these."""
        (_, field, given), *others = wanted
        tests, values = [*tests, "field = ?", "value = ?"], list(values)
        held, inside = [], []
        for _, other, one in others:
            any_of = one if isinstance(one, list) else [one]
            held.append(
                "EXISTS (SELECT 1 FROM fields AS other WHERE other.seq = found.seq "  # noqa: S608
                f"AND other.field = ? AND other.value IN ({', '.join('?' * len(any_of))}))"
            )
            inside += [other, *any_of]
        query = (
            "SELECT found.created, found.seq, (SELECT body FROM objects WHERE objects.seq = found.seq) "  # noqa: S608
            f"FROM fields AS found WHERE {' AND '.join([*tests, *held])} {order}"
        )
        rows: Rows = []
        for value in given if isinstance(given, list) else [given]:
            rows += self.sql(query, (*values, field, value, *inside, most))
        if isinstance(given, list):
            rows.sort(key=lambda row: row[:2], reverse=not backwards)
        return rows if most < 0 else rows[:most]

    def _place(self, account: str, kind: str, id: str, cursor: str) -> tuple[int, int]:
        """Where in a list an object stands: (created, seq)."""
        rows = self.sql(
            "SELECT created, seq FROM objects WHERE account = ? AND kind = ? AND id = ?", (account, kind, id)
        )
        if not rows:
            raise NoSuchCursor(cursor, id)
        return rows[0][0], rows[0][1]

    def setting(self, name: str, default: Any = None) -> Any:
        with self._lock:
            if name not in self._settings:
                rows = self.sql("SELECT value FROM settings WHERE name = ?", (name,))
                self._settings[name] = rows[0][0] if rows else None
            kept = self._settings[name]
        return default if kept is None else json.loads(kept)

    def set_setting(self, name: str, value: Any) -> None:
        with self._lock:
            self._settings.pop(name, None)
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
            self._settings.clear()
            names = self.sql(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            for (name,) in names:
                self.sql(f'DELETE FROM "{name}"')  # noqa: S608 - a table's own name


def _plain(obj: Obj, field: str) -> Any:
    """The value of a dotted field where it is one that can be looked up."""
    value: Any = obj
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str | int) else None


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
