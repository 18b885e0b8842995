"""`manage.py migrate`: Django's own, which first refuses a database of Kopeck's first edition.

Migrations started anew when the apps were cut by subject. Over the tables of the first edition Django would
report an inconsistent history, or make half of the new tables beside the old ones. Every way to make tables
comes through this command: `make run`, kopeck.ops.prepare, the containers and manage.py.
"""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections

#: A table that only the first edition has: the refunds of this one are in `refunds_refund`.
FIRST_EDITION = "payments_refund"
REFUSED = (
    "This database was made by the first edition of Kopeck, and this edition cannot use its tables: set "
    "DATA_DIR to another folder, or DATABASE_URL to an empty database; nothing was changed in the old one."
)


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError for a database of the first edition, before anything is written."""
        if FIRST_EDITION in connections[options["database"]].introspection.table_names():
            raise CommandError(REFUSED)
        super().handle(*args, **options)
