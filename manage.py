#!/usr/bin/env python
"""Django's command line. Run beside `make run` it uses that shop's database and key."""

import os
import sys
from pathlib import Path


def use_local_shop() -> None:
    """With no DATABASE_URL this is the shop of `make run`: its database, its key, its sandbox."""
    from dotenv import load_dotenv

    load_dotenv(os.environ.get("ENV_FILE", Path(__file__).parent / ".env"))
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        return
    from kopeck import postgres

    data = Path(os.environ.get("DATA_DIR", Path(__file__).parent / ".data"))
    os.environ["DATABASE_URL"] = postgres.attach_url(data) or postgres.start(data).url
    if not any(name.startswith("STRIPE_SECRET_KEY") for name in os.environ):
        os.environ.setdefault("STRIPE_SANDBOX", "1")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kopeck.settings")
    use_local_shop()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
