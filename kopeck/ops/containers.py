"""What the first start of the containers makes.

`python -m kopeck.ops.containers` runs before PostgreSQL and the shop. Passwords nobody has to think of are
made once and kept in the volumes SECRETS_DIR and DATA_DIR; the owner's SECRET_KEY, DATABASE_URL or
DATABASE_URL_FILE wins.
"""

import os
import secrets
import sys
from pathlib import Path

from kopeck.configuration.env import env_bool, env_int, read_folder, read_or_exit
from kopeck.configuration.hosts import read_domains
from kopeck.ops.starting import SANDBOX_ACCOUNTS, Refused, given_database, keep, write_secret

WRONG_MIX = (
    "There are Stripe keys in .env, and compose.override.yaml would start the play shop with them. Put "
    "COMPOSE_FILE=compose.yaml into .env and start again (or: docker compose -f compose.yaml up -d)."
)


def make_secrets(data: Path, folder: Path) -> None:
    """Fill both folders with what is missing there.

    Raises Refused for the demo with the owner's keys, and for a DATABASE_URL_FILE without an address.
    """
    keys = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY")
    sandbox = env_bool("STRIPE_SANDBOX")
    read_or_exit("DOMAIN", read_domains)  # Caddy and compose.yaml use it as it is
    env_int("WORKERS", 1, least=1)  # without one nothing is processed
    if sandbox and any(value and name.startswith(keys) for name, value in os.environ.items()):
        raise Refused(WRONG_MIX)
    try:
        _fill(data, folder, sandbox=sandbox)
    except OSError as problem:
        raise Refused(f"DATA_DIR or SECRETS_DIR can't be written to: {problem}.") from None


def _fill(data: Path, folder: Path, *, sandbox: bool) -> None:
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


def main() -> None:
    """Raises Refused, or exits in a sentence."""
    data = read_or_exit("DATA_DIR", read_folder, "/data")
    make_secrets(data, read_or_exit("SECRETS_DIR", read_folder, "/secrets"))


if __name__ == "__main__":
    try:
        main()
    except Refused as refusal:
        sys.exit(f"kopeck: {refusal}")
