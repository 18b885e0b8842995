"""A shop that is years old: orders with all that hangs on them, copied into an empty database.

`make seed ORDERS=1000000`, with DATABASE_URL naming a migrated database. Its shop sold A_DAY orders a day
since long ago, so a larger one is an older one: what is kept for some time only (events, jobs, budgets) is
no more. PostgreSQL makes the rows itself by `seed.sql`: a second connection takes what the first hands out.
"""

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import OutputWrapper

from kopeck.reconcile.management.progress import Bar

#: Orders a day, orders that are copied at once, and orders that can still be paid.
A_DAY, STEP, STILL_OPEN = 100, 20_000, 20
#: Rows that are there at any size.
SAME = {"items": 100, "jobs": 30_000, "budgets": 30_000, "still_open": STILL_OPEN}
#: Days that an event is kept, its payload, and a delivery's address, as by ops/jobs.py.
EVENT_DAYS, PAYLOAD_DAYS, ADDRESS_DAYS = 92, 31, 365
_SECTION = re.compile(r"^-- (\w+)( of orders)?(?:: ((?:.|\n--  )+))?\n((?:(?!-- \w).*\n?)+)", re.MULTILINE)

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table: `select` gives its `columns`, of some orders at a time or all at once."""

    table: str
    of_orders: bool
    columns: str
    select: str

    def steps(self, orders: int) -> Iterator[tuple[int, int]]:
        """The first and the last order of each copy."""
        for first in range(1, orders + 1, STEP) if self.of_orders else (1,):
            yield first, min(first + STEP - 1, orders)


def read() -> list[Rows]:
    """The sections of `seed.sql`, in their order."""
    found = _SECTION.findall(Path(__file__).with_suffix(".sql").read_text())
    placed = next(select for table, _of_orders, _columns, select in found if table == "placed")
    return [
        Rows(
            table,
            bool(of_orders),
            columns.replace("\n--", ""),
            f"WITH placed AS ({placed}) {select}" if of_orders else select,
        )
        for table, of_orders, columns, select in found
        if columns
    ]


def seed(url: str, orders: int, bar: Bar, *, event_days: int = EVENT_DAYS) -> None:
    """Fills the database. SystemExit where it has orders already, or no tables."""
    numbers = {
        **SAME,
        "orders": orders,
        "a_day": A_DAY,
        "event_days": event_days,
        "payload_days": PAYLOAD_DAYS,
        "address_days": ADDRESS_DAYS,
    }
    with psycopg.connect(url, autocommit=True) as into, psycopg.connect(url, autocommit=True) as out:
        _refuse(into)
        if into.execute("SELECT usesuper FROM pg_user WHERE usename = current_user AND usesuper").fetchone():
            into.execute(
                "SET session_replication_role = replica"
            )  # keys of rows that are right need no check
        tables = read()
        steps = [(rows, *step) for rows in tables for step in rows.steps(orders)]
        bar.total = len(steps) + len(tables)
        for rows, first, last in steps:
            bar.step(rows.table)
            _copy(rows, out, into, {**numbers, "first": first, "last": last})
        for rows in tables:
            bar.step(f"VACUUM ANALYZE {rows.table}")
            if rows.columns.startswith("id,"):
                number = f"pg_get_serial_sequence('{rows.table}', 'id')"
                into.execute(f"SELECT setval({number}, (SELECT max(id) FROM {rows.table}))")
            into.execute(f"VACUUM ANALYZE {rows.table}")


def _refuse(connection: Connection) -> None:
    try:
        found = connection.execute("SELECT FROM orders_order LIMIT 1").fetchone()
    except psycopg.errors.UndefinedTable:
        raise SystemExit("seed: this database has no tables yet: run manage.py migrate first.") from None
    if found is not None:
        raise SystemExit("seed: this database has orders already. Name an empty one in DATABASE_URL.")


def _copy(rows: Rows, out: Connection, into: Connection, numbers: dict[str, int]) -> None:
    with (
        psycopg.ClientCursor(out) as source,
        into.cursor() as target,
        source.copy(source.mogrify(f"COPY ({rows.select}) TO STDOUT", numbers)) as made,
        target.copy(f"COPY {rows.table} ({rows.columns}) FROM STDIN") as taken,
    ):
        for block in made:
            taken.write(block)


def main() -> int:
    url, asked = os.environ.get("DATABASE_URL", ""), "".join(sys.argv[1:])
    if not url or not asked.isdecimal() or not STILL_OPEN < int(asked) <= 10**8:
        raise SystemExit(
            f"seed: DATABASE_URL=postgresql://... make seed ORDERS=n, with n above {STILL_OPEN}."
        )
    began = time.monotonic()
    with Bar(OutputWrapper(sys.stderr)) as bar:
        seed(url, int(asked), bar)
    print(f"{int(asked):,} orders in {time.monotonic() - began:.0f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
