"""What one page, one buy and one paid order cost: CPU by program, bytes in the database, bytes of its log.

`python -m bench.capacity [ORDERS]`, the real programs as in bench.chaos, without faults. CPU time is counted,
not the clock: other work on the machine changes how long a run takes, hardly what it costs. The last line is
one JSON object. docs/scale.md does the arithmetic.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import psycopg
import requests

from bench.chaos.world import WEBS, WORKERS, World, world

PAGES = 5
CARD = "4242424242424242"


@dataclass(frozen=True)
class Spent:
    """CPU seconds by program, and where the database and its log stand."""

    cpu: dict[str, float]
    size: int
    log: int


def measure(place: World) -> Spent:
    programs = {
        "web": [place.programs[name].pid for name in WEBS],
        "worker": [place.programs[name].pid for name in WORKERS],
        "postgres": [place.postgres.process.pid],
    }
    cpu = {name: sum(cpu_seconds(pid) for pid in pids) for name, pids in programs.items()}
    with psycopg.connect(place.postgres.url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")  # or what is only in memory would not count
        row = connection.execute(
            "SELECT pg_database_size(current_database()), "
            "pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
        ).fetchone()
    assert row is not None
    return Spent(cpu, int(row[0]), int(row[1]))


def cpu_seconds(pid: int) -> float:
    """Of a process and its children, also those that have ended (PostgreSQL has one a connection)."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        mine = process.cpu_times()
        total = mine.user + mine.system + mine.children_user + mine.children_system
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def item(place: World) -> int:
    return next(int(one["id"]) for one in place.goods["items"] if one["currency"] == "usd" and not one["few"])


def pages(place: World, number: int) -> None:
    """The item's page, as a new visitor sees it."""
    for turn in range(number):
        answer = requests.get(f"{place.webs[turn % 2]}/item/{item(place)}", timeout=60)
        answer.raise_for_status()


def buys(place: World, number: int) -> list[str]:
    """Buys by as many visitors, each from an address of its own; the sessions."""
    made = []
    for turn in range(number):
        address = f"10.{turn >> 16 & 255}.{turn >> 8 & 255}.{turn & 255}"
        answer = requests.get(
            f"{place.webs[turn % 2]}/buy/{item(place)}", headers={"X-Forwarded-For": address}, timeout=60
        )
        answer.raise_for_status()
        made.append(str(answer.json()["session_id"]))
    return made


def pay(place: World, sessions: list[str]) -> None:
    """All are paid at the sandbox, whose events tell the shop; until all of it is processed."""
    asked = "SELECT count(*) FROM payments_payment WHERE status = 'paid' AND stripe_id = ANY(%s)"
    for session in sessions:
        place.control("POST", f"sessions/{session}/pay", {"card": CARD, "email": "buyer@example.com"})
    deadline = time.monotonic() + 300
    with psycopg.connect(place.postgres.url, autocommit=True) as connection:
        while (connection.execute(asked, [sessions]).fetchone() or (0,))[0] < len(sessions):
            if time.monotonic() > deadline:
                raise SystemExit("capacity: not all orders were paid within five minutes.")
            time.sleep(0.2)
    place.wait_for_post()
    place.process_jobs()


def cost(before: Spent, after: Spent, number: int) -> dict[str, float]:
    """Each of `number`: CPU milliseconds by program, and bytes."""
    each = {name: (after.cpu[name] - before.cpu[name]) * 1000 / number for name in before.cpu}
    return each | {
        "bytes": (after.size - before.size) / number,
        "log_bytes": (after.log - before.log) / number,
    }


def run(orders: int) -> dict[str, dict[str, float]]:
    """By phase: `item_page`, `buy` and `paid`, and `megabytes` of each program at the end."""
    figures: dict[str, dict[str, float]] = {}
    sessions: list[str] = []
    phases: list[tuple[str, int, Callable[[World], object]]] = [
        ("item_page", orders * PAGES, lambda place: pages(place, orders * PAGES)),
        ("buy", orders, lambda place: sessions.extend(buys(place, orders))),
        ("paid", orders, lambda place: pay(place, sessions)),
    ]
    with world(last_ones=1) as place:
        pages(place, 50)
        pay(place, buys(place, 20))  # connections are open, templates compiled, caches filled
        for name, number, work in phases:
            before = measure(place)
            work(place)
            figures[name] = cost(before, measure(place), number)
        figures["megabytes"] = {name: megabytes(place.programs[name].pid) for name in (*WEBS, *WORKERS)}
    return figures


def megabytes(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6


def main() -> int:
    orders = int(sys.argv[1]) if sys.argv[1:] else 200
    figures = run(orders)
    print(f"{'each':<10}{'web':>9}{'worker':>9}{'postgres':>10}  (ms of CPU){'bytes':>9}{'log':>9}")
    for name in ("item_page", "buy", "paid"):
        one = figures[name]
        print(
            f"{name:<10}{one['web']:9.2f}{one['worker']:9.2f}{one['postgres']:10.2f}"
            f"{'':13}{one['bytes']:9.0f}{one['log_bytes']:9.0f}"
        )
    print("megabytes ", ", ".join(f"{name} {size:.0f}" for name, size in figures["megabytes"].items()))
    rounded = {name: {key: round(value, 3) for key, value in row.items()} for name, row in figures.items()}
    print(json.dumps({"orders": orders, **rounded}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
