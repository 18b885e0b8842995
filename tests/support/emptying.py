"""Empties the database after a test that commits: only tables with rows in them.

Django's own way is TRUNCATE of every table, and permissions and content types made anew: 0.2 s a test, most
of what a short test takes. Sequences go on counting in both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from django.apps import apps
from django.db import connection, transaction
from django.test import TransactionTestCase

#: What migrating makes and tests only read. Where a test has changed it, Django's own way makes it anew.
MADE_BY_MIGRATING = ("auth_permission", "django_content_type")


@contextmanager
def only_what_is_filled() -> Iterator[None]:
    """For as long as the block lasts; the test database is made, and nothing was written since."""
    whole = TransactionTestCase._fixture_teardown
    made, tables = _made(), _tables()

    def empty(case: TransactionTestCase) -> None:
        nonlocal made
        if _made() != made:
            whole(case)
            made = _made()
        empty_tables(tables)

    with patch.object(TransactionTestCase, "_fixture_teardown", empty):
        yield


def _made() -> list[tuple[int, int]]:
    found = " UNION ALL ".join(f"SELECT count(*), sum(id)::bigint FROM {name}" for name in MADE_BY_MIGRATING)
    with connection.cursor() as cursor:
        cursor.execute(found)
        return [(count, total) for count, total in cursor.fetchall()]


def _tables() -> list[str]:
    """Those of all models, jobs among them, which Django would leave: it doesn't manage their tables."""
    models = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    found = models.intersection(connection.introspection.table_names()).difference(MADE_BY_MIGRATING)
    return [connection.ops.quote_name(name) for name in sorted(found)]


def empty_tables(tables: list[str]) -> None:
    """`tables` as SQL names them; all that refer to one of them are among them."""
    with transaction.atomic(), connection.cursor() as cursor:
        # As TRUNCATE does: what another thread still writes is waited for, and goes too.
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        asked = (f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables)
        cursor.execute(
            " UNION ALL ".join([*asked, "SELECT 'superuser' WHERE current_setting('is_superuser')::bool"])
        )
        filled = {name for (name,) in cursor.fetchall()}
        if "superuser" in filled:
            # DELETE takes a tenth of TRUNCATE; whatever a key or a trigger would look for goes as well.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for name in filled - {"superuser"}:
                cursor.execute(f"DELETE FROM {name}")
        elif filled:
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
