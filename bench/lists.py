"""What every page and every periodic job reads of the database, in buffers of 8 kB, by the size of the shop.

`python -m bench.lists 10000 1000000` makes two shops (bench/seed.py) on a PostgreSQL of its own, and measures
both: each page of the admin, of the shop and of the API by GET, and each periodic job, as the registries of
Django and Procrastinate have them. Every statement is run by EXPLAIN (ANALYZE, BUFFERS) first.
The last line is one JSON object: `list_growth` is the worst page's or job's buffers in the large shop divided
by those in the small one; less than LITTLE counts as that.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
import psycopg
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from procrastinate.contrib.django import app

from kopeck.stripe_api.client import Gateway, StripeUnavailable
from kopeck_local import postgres

#: Buffers that are as good as nothing.
LITTLE = 300
#: A table of more rows is a large one.
LARGE = 20_000
#: The ways in which a program narrows the list of orders.
API_QUERIES = (
    "status=paid",
    "status=cancelled",
    "email=nobody@example.com",
    "since=2000-01-01T00:00:00Z",
    "since=2100-01-01T00:00:00Z",
    "to_send=true",
    "status=paid&since=2000-01-01T00:00:00Z&before=1000",
)
_READS = re.compile(r"\s*(SELECT|WITH|UPDATE|DELETE|INSERT)\b", re.IGNORECASE)


@dataclass(slots=True)
class Seen:
    """What the statements of one page or job did: how many, buffers, and whole tables that they read."""

    statements: int = 0
    buffers: int = 0
    whole: list[str] = field(default_factory=list)
    worst: tuple[int, str] = (0, "")


@contextmanager
def watched(*, analyze: bool) -> Iterator[Seen]:
    """Explains each statement of the block before it is run; `analyze` runs it for that, and rolls back."""
    seen, large = Seen(), large_tables()
    how = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " if analyze else "EXPLAIN (FORMAT JSON) "

    def explained(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not many and _READS.match(sql):
            seen.statements += 1
            with context["connection"].connection.cursor() as cursor:
                cursor.execute("SAVEPOINT explained")
                try:
                    cursor.execute(how + sql, params)
                    (((plan, *_more),),) = cursor.fetchall()
                    _add(seen, plan["Plan"], sql, large)
                finally:
                    cursor.execute("ROLLBACK TO explained")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explained):
        yield seen


def large_tables() -> frozenset[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > %s", [LARGE])
        return frozenset(name for (name,) in cursor.fetchall())


def _add(seen: Seen, plan: dict[str, Any], sql: str, large: frozenset[str]) -> None:
    buffers = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
    seen.buffers += buffers
    seen.worst = max(seen.worst, (buffers, sql))
    for node in _nodes(plan):
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in large:
            seen.whole.append(f"{node['Relation Name']}: {sql}")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


# Pages ------------------------------------------------------------------------------------------------


def pages(client: Client) -> Iterator[tuple[str, str]]:
    """Name and address of every page that is read by GET, as `client` (staff) finds them."""
    for days in (7, 30, 365):
        yield f"admin home of {days} days", reverse("admin:index") + f"?days={days}"
    for model in admin.site._registry:
        yield from _pages_of_list(client, model)
    for query in API_QUERIES:
        yield f"/api/v1/orders?{query}", f"/api/v1/orders?{query}"
    for route in _routes(get_resolver().url_patterns):
        yield f"/{route}", "/" + re.sub(r"<int:(\w+)>", lambda found: str(_number(found[1])), route)


def _routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    """Of addresses outside the admin, those with nothing but numbers in them."""
    for one in patterns:
        route = prefix + re.sub(r"[$^]|\\Z", "", str(one.pattern))
        if isinstance(one, URLResolver) and not route.startswith("admin/"):
            yield from _routes(one.url_patterns, route)
        elif isinstance(one, URLPattern) and not re.search(r"<(?!int:)|^admin/|[\\(]", route):
            yield route


def _number(name: str) -> int:
    """An item that is in a tenth of all orders; else the order in the middle."""
    return 1 if "item" in name else _middle("orders_order") or 1


def _middle(table: str) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {table} WHERE id >= (SELECT max(id) / 2 FROM {table}) ORDER BY id LIMIT 1"
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _pages_of_list(client: Client, model: Any) -> Iterator[tuple[str, str]]:
    """The list by every filter, order and way of searching, its pages, and the pages of one of its rows."""
    facts, desk = model._meta, admin.site._registry[model]
    name = f"admin {facts.model_name}"
    address = reverse(f"admin:{facts.app_label}_{facts.model_name}_changelist")
    yield name, address
    shown = client.get(address).context["cl"]
    for spec in shown.filter_specs:
        for choice in list(spec.choices(shown))[:6]:
            yield f"{name} {spec.title}={choice['display']}", address + choice["query_string"]
    for number in range(len(shown.list_display)):
        yield f"{name} by column -{number}", f"{address}?o=-{number}"
    middle = _middle(facts.db_table) if facts.pk.name == "id" else None
    yield f"{name} next page", address + (shown.older_url or "?p=2")
    if middle is None:
        return
    row = model._default_manager.get(pk=middle)
    for way in desk.search_fields:
        yield f"{name} search {way}", f"{address}?q={_value(row, way.lstrip('=^'))}"
    yield f"{name} search nothing", f"{address}?q=nobody-has-this"
    yield f"{name} middle page", f"{address}?p=after-{middle}"
    yield f"{name} middle page back", f"{address}?p=before-{middle}"
    for page in ("change", "delete", "history"):
        yield f"{name} {page}", reverse(f"admin:{facts.app_label}_{facts.model_name}_{page}", args=[middle])


def _value(row: Any, path: str) -> str:
    for name in path.split("__"):
        row = getattr(row, name, None)
        row = row.first() if hasattr(row, "first") else row
    return str(row or "clerk1")


# Jobs -------------------------------------------------------------------------------------------------


def jobs() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every periodic job, by its name."""
    for periodic in app.periodic_registry.periodic_tasks.values():
        run = periodic.task.func
        run = async_to_sync(run) if iscoroutinefunction(run) else run
        yield f"job {periodic.task.name.removeprefix('kopeck.')}", lambda run=run: run(timestamp=0)


@contextmanager
def silent_stripe() -> Iterator[None]:
    """Stripe's lists are empty, and it tells of no object: what is asked of the database is the point."""

    def unavailable(*_asked: Any, **_more: Any) -> Any:
        raise StripeUnavailable("It is not asked here.")

    with (
        patch.object(Gateway, "page", lambda *_asked, **_more: ([], False)),
        patch.object(Gateway, "list_all", lambda *_asked, **_more: iter(())),
        patch.object(Gateway, "server_time", lambda *_asked: None),
        patch.object(Gateway, "_ask", unavailable),
    ):
        yield


def look(*, analyze: bool) -> Iterator[tuple[str, Seen]]:
    """Each page and job, run once, with what it did. All of it is rolled back."""
    client = Client(raise_request_exception=False)
    with silent_stripe(), transaction.atomic():
        client.force_login(get_user_model().objects.create_superuser("measuring"))
        todo: list[tuple[str, Callable[[], Any]]] = [
            (name, lambda address=address: client.get(address)) for name, address in pages(client)
        ]
        for name, run in [*todo, *jobs()]:
            with suppress(_Back), transaction.atomic():
                with watched(analyze=analyze) as seen:
                    run()
                yield name, seen
                raise _Back
        transaction.set_rollback(True)


class _Back(Exception):
    """Takes back what a page or job has written."""


# Two sizes --------------------------------------------------------------------------------------------


def list_growth(small: int, large: int) -> tuple[float, dict[str, tuple[int, int]]]:
    """The worst growth, and by page or job the buffers in a shop of `small` and of `large` orders."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        server = postgres.start(Path(folder), fast=True)
        try:
            for orders in (small, large):
                found.append(_measure(server.url, orders))
        finally:
            server.stop()
    both = {name: (found[0][name], found[1][name]) for name in found[0] if name in found[1]}
    return max(growth(*one) for one in both.values()), both


def growth(before: int, after: int) -> float:
    """1.0 for what reads next to nothing at either size."""
    return max(after, LITTLE) / max(before, LITTLE)


def _measure(server: str, orders: int) -> dict[str, int]:
    """Buffers by page or job in a new shop of so many orders."""
    name = f"shop_{orders}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    facts = {
        "DATABASE_URL": f"{server.rpartition('/')[0]}/{name}",
        "ENV_FILE": os.devnull,
        "LOG_LEVEL": "CRITICAL",
    }
    facts |= {"STRIPE_SANDBOX": "1", "DJANGO_SETTINGS_MODULE": "kopeck.settings", "SECRET_KEY": "made-up"}
    env = {**os.environ, **facts}
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=env, check=True)
    subprocess.run([sys.executable, "-m", "bench.seed", str(orders)], env=env, check=True, stdout=sys.stderr)
    said = subprocess.run([sys.executable, "-m", "bench.lists"], env=env, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(said.stdout))


def main() -> int:
    if not sys.argv[1:]:  # of the database that DATABASE_URL names
        django.setup()
        setup_test_environment()  # a page's context is kept
        print(json.dumps({name: seen.buffers for name, seen in look(analyze=True)}))
        return 0
    if len(sys.argv) != 3 or not all(asked.isdecimal() for asked in sys.argv[1:]):
        raise SystemExit("lists: python -m bench.lists SMALL LARGE, two numbers of orders.")
    worst, both = list_growth(int(sys.argv[1]), int(sys.argv[2]))
    for name, (before, after) in sorted(both.items(), key=lambda one: growth(*one[1])):
        print(f"{name:<60}{before:>10,}{after:>12,}{growth(before, after):8.1f}")
    print(json.dumps({"list_growth": round(worst, 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
