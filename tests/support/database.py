"""The test database: a copy of one that was migrated once and is kept from run to run.

Migrating takes each worker seconds of processor time, a copy takes a tenth of one. The kept database is named
by a hash of all that shapes it, so a changed migration, model or package gets one of its own; those that
nobody has copied for a day are dropped.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection

PREFIX = "kopeck_template_"
#: How long one is kept after it was last copied, for the branches that somebody goes to and fro between.
KEPT = timedelta(days=1)


@contextmanager
def copy_of_the_template() -> Iterator[None]:
    """For as long as the block lasts Django's connection is to a migrated, empty database of its own."""
    facts = connection.settings_dict
    before, name = facts["NAME"], facts["TEST"]["NAME"] or f"test_{facts['NAME']}"
    with connection._nodb_cursor() as cursor:
        template = _template(cursor)
        cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(template)}")
    _connect_to(name)
    try:
        yield
    finally:
        _connect_to(before)
        with connection._nodb_cursor() as cursor:
            # What a test has left running must not keep a database of hundreds of megabytes alive.
            cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


def _template(cursor: Any) -> str:
    """The name of the template, which is made if missing. One worker makes it, and the others wait."""
    name = PREFIX + shape()
    cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [PREFIX])
    try:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if not cursor.fetchone():
            _make(cursor, name)
        cursor.execute(f"COMMENT ON DATABASE {quoted(name)} IS '{datetime.now(UTC).isoformat()}'")
        drop_stale(cursor)
    finally:
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [PREFIX])
    return name


def _make(cursor: Any, name: str) -> None:
    """Under another name until it is whole: one that was half made is never copied."""
    before, half = connection.settings_dict["NAME"], f"{name}_half"
    cursor.execute(f"DROP DATABASE IF EXISTS {quoted(half)} WITH (FORCE)")
    cursor.execute(f"CREATE DATABASE {quoted(half)}")
    _connect_to(half)
    try:
        call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
    finally:
        _connect_to(before)
    # Nobody may write in it; and nobody who is connected, autovacuum too, could keep it from being copied.
    cursor.execute(f"ALTER DATABASE {quoted(half)} ALLOW_CONNECTIONS false")
    cursor.execute(f"ALTER DATABASE {quoted(half)} RENAME TO {quoted(name)}")


def drop_stale(cursor: Any) -> None:
    """Drop the templates not copied for KEPT, and those that were never whole. The caller has the lock."""
    cursor.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database "
        "WHERE starts_with(datname, %s)",
        [PREFIX],
    )
    oldest = datetime.now(UTC) - KEPT
    for name, copied in cursor.fetchall():
        if not copied or datetime.fromisoformat(copied) < oldest:
            cursor.execute(f"DROP DATABASE {quoted(name)} WITH (FORCE)")


def shape() -> str:
    """A hash of what a migrated database is made by: packages, settings, our migrations, and the models,
    whose permissions migrating writes."""
    found = hashlib.sha256(Path(__file__).read_bytes())
    packages = sorted(f"{package.name} {package.version}" for package in distributions())
    found.update(repr([packages, settings.INSTALLED_APPS, settings.DEFAULT_AUTO_FIELD]).encode())
    for path in sorted(Path(settings.BASE_DIR, "kopeck").glob("*/migrations/*.py")):
        found.update(f"{path.parent.parent.name}/{path.name}".encode() + path.read_bytes())
    for model in apps.get_models():
        facts = model._meta
        rights = [facts.label, facts.default_permissions, facts.permissions, facts.verbose_name_raw]
        found.update(repr(rights).encode())
    return found.hexdigest()[:20]


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _connect_to(name: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = name
