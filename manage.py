#!/usr/bin/env python
"""Django's command line. Run beside `make run` it uses that shop's database and key."""

import os
import sys
from pathlib import Path

from kopeck.stopping import end_as_first_process

#: What these say is for a person: a line for each question to Stripe would stand in between.
FOR_PEOPLE = (
    *("accounts", "doctor", "forget", "mirror", "reconcile"),
    *("reset_second_factor", "stripe_webhooks"),
)


def use_local_shop() -> None:
    """The shop of `make run` where its data are, or no DATABASE_URL is set: database, key, ports, sandbox."""
    from dotenv import load_dotenv

    from kopeck.ops.starting import SANDBOX_ACCOUNTS, Refused, given_database
    from kopeck_local.place import read_place, shop_env

    try:
        place = read_place(
            beside=True
        )  # which has to see what of the ports is from `.env`: before it is loaded
        load_dotenv(os.environ.get("ENV_FILE", Path(__file__).parent / ".env"))
        if given_database(os.environ):
            # Only `make run` leaves the sandbox's secrets in DATA_DIR: it plays in a database of the owner's.
            if place.sandbox and all((place.data / file).is_file() for file in SANDBOX_ACCOUNTS.values()):
                os.environ |= shop_env(place, None)
            return
        from kopeck_local import postgres

        os.environ |= shop_env(place, postgres.attach_url(place.data) or postgres.start(place.data).url)
    except Refused as refusal:
        sys.exit(f"kopeck: {refusal}")


if __name__ == "__main__":
    end_as_first_process()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kopeck.settings")
    use_local_shop()
    if sys.argv[1:2] and sys.argv[1] in FOR_PEOPLE:
        os.environ.setdefault("LOG_LEVEL", "WARNING")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except OperationalError as problem:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"kopeck: The database failed: {' '.join(str(problem).split())}")
