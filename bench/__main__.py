"""`make bench`: every figure of docs/performance.md, beside its goal. The last line is one JSON object.

Each group of figures is a program of its own (`python -m bench.pages` and so on), and they run one after
another. QUICK=1 takes fewer rounds and smaller sizes, and says null for what it leaves out.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

from bench.servers import BASE_DIR

#: By the group: what it is told, in whole and by QUICK=1; None where that leaves it out.
GROUPS = {
    "pages": ("5 1500", "2 400 --without-oscar"),
    "flows": ("5", "3"),
    "arrivals": ("60", "5"),
    "memory": ("100000", None),
    "lists": ("10000 1000000", None),
    "sandbox": ("100000", "5000"),
    "start": ("5", "1"),
}
#: By the key: what it is, and its goal; the keys in the order of the table.
GOALS = {
    "item_vs_hello": ("raw hello's CPU ÷ the item page's", ">= 0.5"),
    "window_vs_hello": ("raw hello's CPU ÷ the window's", ">= 0.5"),
    "price_visible_s": ("seconds until each process shows a changed price", "<= 2"),
    "oscar_cpu_vs_item": ("CPU of django-oscar's product page ÷ the item page's", ">= 400"),
    "middleware_vs_null": ("CPU of an empty page under all middlewares, in null views", "<= 1.5"),
    "buy_cpu_vs_sdk": ("CPU of a buy ÷ bare sessions.create", "<= 2"),
    "webhook_stored_vs_null": ("null view's CPU ÷ a webhook's that is stored", ">= 0.3"),
    "webhook_duplicate_vs_null": ("null view's CPU ÷ a webhook's that came before", ">= 0.3"),
    "webhook_applied_vs_null": ("null view's CPU ÷ a webhook's that pays an order", ">= 0.12"),
    "paid_order_in_nulls": ("CPU of a paid order with ten page views, in null views", "<= 70"),
    "arrivals_p50_vs_stripe": ("25 buys a second: p50 ÷ Stripe's 0.3 s", "<= 1.2"),
    "arrivals_errors": ("buys of these that were not served", "<= 0"),
    "mb_per_waiting_buyer": ("megabytes of a buyer who waits for Stripe", "<= 0.4"),
    "connections_at_200": ("connections of the database while 200 wait", "<= 10"),
    "list_growth": ("worst page or job: buffers at 10^6 orders ÷ at 10^4", "<= 1.5"),
    "queries item": ("statements of an item page", "<= 0"),
    "queries window": ("statements of the window", "<= 0"),
    "queries buy": ("statements of a buy", "<= 8"),
    "queries order": ("statements of an order's page", "<= 5"),
    "queries webhook_applied": ("statements of a webhook that pays an order", "<= 8"),
    "memory_growth": ("memory after 10^5 requests ÷ after 10^3", "<= 1.05"),
    "idle_mb": ("megabytes of an idle web process", "<= 90"),
    "page_kb": ("kilobytes of a first view of an item", "<= 30"),
    "sandbox_read_ms": ("CPU of a sandbox's read at 10^5 sessions, ms", "<= 1"),
    "second_start_cpu_s": ("CPU of a second make run to its first page, s", "<= 4"),
}


def measure(group: str, words: str) -> dict[str, Any]:
    """The group's figures: its last line. What it says before that is shown."""
    began = time.monotonic()
    print(f"\n{group} {words}", flush=True)
    command = [sys.executable, "-m", f"bench.{group}", *words.split()]
    lines = []
    with subprocess.Popen(command, cwd=BASE_DIR, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            lines.append(line.rstrip())
            if not line.startswith("{"):
                print(f"  {line.rstrip()}", flush=True)
    if program.returncode:
        raise SystemExit(f"bench: {group} failed, so there are no figures.")
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return dict(json.loads(lines[-1]))


def value_of(figures: dict[str, Any], key: str) -> float | None:
    name, _, part = key.partition(" ")
    found = figures.get(name)
    return found.get(part) if part and found else found


def is_reached(value: float, goal: str) -> bool:
    sign, bound = goal.split()
    return value >= float(bound) if sign == ">=" else value <= float(bound)


def table(figures: dict[str, Any]) -> list[str]:
    rows = []
    for key, (what, goal) in GOALS.items():
        value = value_of(figures, key)
        verdict = "-" if value is None else "" if is_reached(value, goal) else "not reached"
        rows.append(f"{what:<60}{'-' if value is None else value:>8}   {goal:<8} {verdict}".rstrip())
    return rows


def main() -> int:
    quick = os.environ.get("QUICK") == "1"
    figures: dict[str, Any] = {}
    for group, (whole, little) in GROUPS.items():
        words = little if quick else whole
        if words is not None:
            figures |= measure(group, words)
    print("", *table(figures), sep="\n")
    print(json.dumps({key.split()[0]: figures.get(key.split()[0]) for key in GOALS}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
