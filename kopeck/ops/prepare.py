"""What a shop needs before its door opens: tables, the demo shop once, and an admin.

`python -m kopeck.ops.prepare PASSWORD_FILE [--own-database] [--no-demo] [--then-work NOTE]`, run by
kopeck_local and by the service `migrate`. One process does all of it, for a Django start costs more than the
work. The admin comes last, so that an interrupted first start is repeated. With `--then-work` the process
writes the file NOTE when the door may open, and goes on as the worker.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction

from kopeck.ops.starting import ADMIN, write_secret
from kopeck.private import close
from kopeck.stopping import end_as_first_process

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def prepare(password_file: Path, *, own_database: bool, demo: bool = True) -> None:
    """Migrate, load the `demo` shop into an empty database, and make the admin with a password.

    The password is kept in `password_file` (0600). Where that file is lost, the admin of our `own_database`
    gets a new one; in somebody else's PostgreSQL an admin who is there is left alone.
    """
    from django.contrib.auth.models import User

    from kopeck.catalog.models import Item
    from kopeck.ops.readiness import pending_migrations
    from kopeck.staff.demo import add_visitor

    close(password_file)
    if pending_migrations():  # the command would compare every model with the migrations
        call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
    admin = User.objects.filter(username=ADMIN).first()
    if demo and admin is None and not Item.objects.exists():
        call_command("load_demo", skip_checks=True)
    if settings.DEMO:
        add_visitor()
    if admin is None or (own_database and not password_file.exists()):
        _give_password(admin or User(username=ADMIN), password_file)


def _give_password(admin: "User", password_file: Path) -> None:
    password = secrets.token_urlsafe(12)
    admin.is_staff = admin.is_superuser = True
    admin.set_password(password)
    with transaction.atomic():
        admin.save()
        write_secret(password_file, password)


def main() -> None:
    """Raises CommandError and OperationalError, with a sentence for the owner."""
    words = argparse.ArgumentParser(prog="kopeck.ops.prepare")
    words.add_argument("password_file", type=Path)
    words.add_argument("--own-database", action="store_true")
    words.add_argument("--no-demo", action="store_true")
    words.add_argument("--then-work", type=Path, metavar="NOTE")
    given = words.parse_args()
    prepare(given.password_file, own_database=given.own_database, demo=not given.no_demo)
    if given.then_work:
        given.then_work.touch(0o600)
        call_command("worker")


if __name__ == "__main__":
    end_as_first_process()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kopeck.settings")
    django.setup()
    try:
        main()
    except CommandError as refusal:
        sys.exit(f"kopeck: {refusal}")
    except OperationalError as problem:
        sys.exit(f"kopeck: The database failed: {' '.join(str(problem).split())}")
