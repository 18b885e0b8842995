#!/usr/bin/env python
"""Django's command line. Run beside `make run` it uses that shop's database and key."""

import os
import sys
from pathlib import Path


def use_local_shop() -> None:
    """With no DATABASE_URL this is the shop of `make run`: its database, its key, its ports, its sandbox."""
    from dotenv import load_dotenv

    load_dotenv(os.environ.get("ENV_FILE", Path(__file__).parent / ".env"))
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        return
    from kopeck import postgres
    from kopeck.place import Refused, read_place, shop_env

    try:
        place = read_place(beside=True)
        os.environ |= shop_env(place, postgres.attach_url(place.data) or postgres.start(place.data).url)
    except Refused as refusal:
        sys.exit(f"kopeck: {refusal}")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kopeck.settings")
    use_local_shop()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
