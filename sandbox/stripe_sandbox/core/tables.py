"""The tables of the store, what its lists are found by, and what its file has to be."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    due INTEGER,
    body TEXT NOT NULL,
    UNIQUE (account, kind, id)
);
CREATE INDEX IF NOT EXISTS objects_newest ON objects (account, kind, created, seq);
CREATE INDEX IF NOT EXISTS objects_anywhere ON objects (kind, id);
CREATE INDEX IF NOT EXISTS objects_due ON objects (kind, due) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS fields (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    field TEXT NOT NULL,
    value NOT NULL,
    created INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (account, kind, field, value, created, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fields_of ON fields (seq);
CREATE TRIGGER IF NOT EXISTS fields_age AFTER UPDATE OF created ON objects BEGIN
    UPDATE fields SET created = NEW.created WHERE seq = NEW.seq;
END;
CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
#: Of the tables above. A file of another one is refused: nothing of an older sandbox is read wrongly.
VERSION = 2

#: What lists can be filtered by, those that leave fewest objects first: the first one asked for is looked
#: up in the table `fields`, the others are held against what that finds.
FILTERS = (
    "_session", "payment_intent", "payment_method", "charge", "source", "_code", "lookup_key", "product",
    "subscription", "payment_link", "transfer_group", "customer", "email", "customer_details.email",
    "fixed_amount.currency", "test_clock", "payout", "promotion.coupon", "url", "_from_command_line",
    "status", "type", "pending_webhooks", "active", "currency", "inclusive", "shippable",
    "recurring.interval", "recurring.usage_type", "recurring.meter",
)  # fmt: skip


def keep_private(path: str) -> None:
    """Keys, webhook secrets and buyers' addresses are in it: a file for its owner alone, whatever the umask.

    What SQLite puts beside it gets its mode. A file that can't be made is SQLite's to tell.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for file in (path, f"{path}-wal", f"{path}-shm"):
        with suppress(OSError):  # there is none, or it is another account's
            os.chmod(file, 0o600)


def check_version(db: sqlite3.Connection) -> None:
    """sqlite3.DatabaseError for a file that another version of the sandbox has made."""
    ((version,),) = db.execute("PRAGMA user_version").fetchall()
    ((objects,),) = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'objects'").fetchall()
    if objects and version != VERSION:
        raise sqlite3.DatabaseError("another version of the sandbox has made it; name another file")
    db.execute(f"PRAGMA user_version = {VERSION}")
