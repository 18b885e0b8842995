"""What the first start of the containers makes.

`python -m kopeck.containers` runs before PostgreSQL and the shop. Passwords nobody has to think of are made
once and kept in the volumes SECRETS_DIR and DATA_DIR; the owner's SECRET_KEY, DATABASE_URL or
DATABASE_URL_FILE wins.
"""

import os
import secrets
import sys
from pathlib import Path

from kopeck.place import SANDBOX_ACCOUNTS, Refused, given_database, keep, write_secret

WRONG_MIX = (
    "There are Stripe keys in .env, and compose.override.yaml would start the play shop with them. Put "
    "COMPOSE_FILE=compose.yaml into .env and start again (or: docker compose -f compose.yaml up -d)."
)


def make_secrets(data: Path, folder: Path) -> None:
    """Fill both folders with what is missing there.

    Raises Refused for the demo with the owner's keys, and for a DATABASE_URL_FILE without an address.
    """
    keys = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY")
    sandbox = os.environ.get("STRIPE_SANDBOX") == "1"
    if sandbox and any(value and name.startswith(keys) for name, value in os.environ.items()):
        raise Refused(WRONG_MIX)
    keep(data / "secret-key", lambda: secrets.token_urlsafe(50))
    password = keep(folder / "database-password", lambda: secrets.token_urlsafe(32))
    # PostgreSQL's container reads it under another account; the volume is closed to everybody else.
    (folder / "database-password").chmod(0o644)
    own = f"postgresql://kopeck:{password}@postgres:5432/kopeck"
    given = given_database(os.environ)
    if os.environ.get("DATABASE_URL_FILE") and not given:
        raise Refused("The file that DATABASE_URL_FILE names is empty.")  # ours would be an empty shop
    write_secret(folder / "database-url", given or own)
    for file in SANDBOX_ACCOUNTS.values() if sandbox else ():
        keep(folder / file, lambda: f"whsec_{secrets.token_hex(24)}")


if __name__ == "__main__":
    try:
        make_secrets(Path(os.environ["DATA_DIR"]), Path(os.environ["SECRETS_DIR"]))
    except Refused as refusal:
        sys.exit(f"kopeck: {refusal}")
