"""Tests start with a copy of a database that was migrated once: no old one is ever taken for today's."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from kopeck.orders.models import Order
from tests.support import database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cursor on the server, where this test's templates have a prefix of their own and go at the end."""
    monkeypatch.setattr(database, "PREFIX", f"{connection.settings_dict['NAME']}_t_")
    with connection._nodb_cursor() as cursor:
        yield cursor
        for name in found(cursor):
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def found(server: Any) -> list[str]:
    server.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY oid", [database.PREFIX]
    )
    return [name for (name,) in server.fetchall()]


def copied(server: Any, name: str, ago: timedelta) -> None:
    at = (datetime.now(UTC) - ago).isoformat()
    server.execute(f"COMMENT ON DATABASE \"{name}\" IS '{at}'")


def test_the_copy_has_every_table_and_every_migration_and_nothing_is_left_to_migrate() -> None:
    call_command("migrate", check_unapplied=True, verbosity=0)
    assert Order._meta.db_table in connection.introspection.table_names()


def test_a_template_is_made_once_by_the_first_who_needs_it_and_nobody_can_write_in_it(server: Any) -> None:
    made: list[str] = []
    both = threading.Barrier(2)

    def make(cursor: Any, name: str) -> None:
        made.append(name)
        cursor.execute(f'CREATE DATABASE "{name}" ALLOW_CONNECTIONS false')

    def start() -> str:
        with connection._nodb_cursor() as cursor:
            both.wait(240)
            return database._template(cursor)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(database, "_make", make)
        names = {started.result(240) for started in [pool.submit(start), pool.submit(start)]}
    assert made == found(server) == list(names)


def test_one_that_was_left_half_made_is_made_again(server: Any) -> None:
    name = database.PREFIX + database.shape()
    server.execute(f'CREATE DATABASE "{name}_half"')
    here = connection.settings_dict["NAME"]
    assert database._template(server) == name
    assert found(server) == [name]
    server.execute("SELECT datallowconn FROM pg_database WHERE datname = %s", [name])
    assert server.fetchone() == (False,)
    assert connection.settings_dict["NAME"] == here


def test_those_not_copied_for_a_day_are_dropped_and_the_others_stay(server: Any) -> None:
    for name, ago in [("old", timedelta(hours=25)), ("fresh", timedelta(hours=23)), ("never whole", None)]:
        server.execute(f'CREATE DATABASE "{database.PREFIX}{name}"')
        if ago:
            copied(server, database.PREFIX + name, ago)
    database.drop_stale(server)
    assert found(server) == [f"{database.PREFIX}fresh"]


def test_another_migration_model_or_package_needs_another_template(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [database.shape()]
    assert database.shape() == seen[0]
    folder = tmp_path / "kopeck" / "orders" / "migrations"
    folder.mkdir(parents=True)
    settings.BASE_DIR = tmp_path
    seen.append(database.shape())
    (folder / "0001_initial.py").write_text("one")
    seen.append(database.shape())
    (folder / "0001_initial.py").write_text("two")
    seen.append(database.shape())
    (folder / "0001_initial.py").rename(folder / "0001_other.py")
    seen.append(database.shape())
    monkeypatch.setattr(Order._meta, "permissions", [("refund_order", "Can refund")])
    seen.append(database.shape())
    monkeypatch.setattr(database, "distributions", list)
    seen.append(database.shape())
    assert len(set(seen)) == len(seen)
