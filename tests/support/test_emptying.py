"""What a test has committed is gone before the next one, as by Django's own flush."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, connections, transaction
from django.test import TransactionTestCase

from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from tests.support import emptying
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db(transaction=True)


def counts() -> dict[str, int]:
    """How many rows each table has; what was migrated is not counted."""
    with connection.cursor() as cursor:
        found = {}
        for name in set(connection.introspection.table_names()) - {"django_migrations"}:
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            (found[name],) = cursor.fetchone()
    return found


def fill() -> None:
    placing.place([Wanted(make_item(), 2)], visitor="v" * 64)
    group = Group.objects.create(name="Packers")
    group.permissions.add(*Permission.objects.all()[:3])
    User.objects.create_user("packer").groups.add(group)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_jobs (task_name, queue_name) VALUES ('t', 'q')")


def empty() -> None:
    """What the end of a test does."""
    TransactionTestCase()._fixture_teardown()


def left() -> set[str]:
    return {name for name, count in counts().items() if count}


def test_only_what_migrating_made_is_left() -> None:
    before = counts()
    assert left() == set(emptying.MADE_BY_MIGRATING)
    fill()
    assert len(left()) == len(emptying.MADE_BY_MIGRATING) + 9
    empty()
    assert counts() == before


def test_no_superuser_is_needed() -> None:
    before = counts()
    fill()
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE kopeck_plain")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO kopeck_plain")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO kopeck_plain")
        cursor.execute("SET ROLE kopeck_plain")
        empty()
        cursor.execute("RESET ROLE")
        cursor.execute("DROP OWNED BY kopeck_plain")
        cursor.execute("DROP ROLE kopeck_plain")
    assert counts() == before


def test_a_changed_permission_is_made_anew() -> None:
    before = counts()
    Permission.objects.all()[0].delete()
    assert counts() != before
    empty()
    assert counts() == before


def test_what_a_thread_is_still_writing_is_waited_for_and_goes_too() -> None:
    written = threading.Event()

    def write() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                make_item()
                written.set()
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline:
                    cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                    if cursor.fetchone() != (0,):
                        return
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert written.wait(20)
        empty()
        writing.result()
    assert left() == set(emptying.MADE_BY_MIGRATING)
