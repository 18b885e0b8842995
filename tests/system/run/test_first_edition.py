"""Every way to make tables refuses a database of the first edition in one sentence, and leaves it alone."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from kopeck_local import postgres
from tests.support.starting import BASE_DIR, clean_env, free_port, run_to_end

SENTENCE = "This database was made by the first edition of Kopeck"
#: What its last version had recorded, as far as names of today are among them.
RECORDED = [
    ("catalog", "0001_initial"),
    ("orders", "0001_initial"),
    ("payments", "0001_initial"),
    ("payments", "0011_review_reason"),
]
MADE = """
    CREATE TABLE django_migrations
        (id serial PRIMARY KEY, app text, name text, applied timestamptz DEFAULT now());
    CREATE TABLE payments_refund (id serial PRIMARY KEY, amount bigint);
    INSERT INTO payments_refund (amount) VALUES (4820);
"""


@pytest.fixture
def old(folder: Path) -> Path:
    """A data folder of the first edition."""
    data = folder / "old"
    server = postgres.start(data)
    with psycopg.connect(server.url) as connection:
        connection.execute(MADE)  # type: ignore[arg-type]
        for row in RECORDED:
            connection.execute("INSERT INTO django_migrations (app, name) VALUES (%s, %s)", row)
    server.stop()
    (data / "admin-password").write_text("the password of before\n")
    with closing(sqlite3.connect(data / "sandbox.sqlite3")) as sandbox:  # which refuses it too, and sooner
        sandbox.executescript("CREATE TABLE objects (id text); PRAGMA user_version = 999")
    return data


def left_in(url: str) -> tuple[list[str], list[int], list[tuple[str, str]]]:
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        amounts = connection.execute("SELECT amount FROM payments_refund").fetchall()
        recorded = connection.execute("SELECT app, name FROM django_migrations ORDER BY id").fetchall()
    return sorted(name for (name,) in tables), [amount for (amount,) in amounts], recorded


def test_a_data_folder_of_the_first_edition_is_refused_and_stays_as_it_was(old: Path) -> None:
    refused = run_to_end(DATA_DIR=str(old), PORT=str(free_port()), SANDBOX_PORT=str(free_port()))
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert SENTENCE in line
    assert "set DATA_DIR to another folder" in line
    server = postgres.start(old)
    try:
        env = clean_env(
            DATABASE_URL=server.url,
            DATA_DIR=str(old),
            SECRET_KEY="s",
            STRIPE_SANDBOX="1",
            DJANGO_SETTINGS_MODULE="kopeck.settings",
        )
        for words in (["-m", "kopeck.ops.prepare", str(old / "password")], ["manage.py", "migrate"]):
            said = subprocess.run(
                [sys.executable, *words], cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False
            )
            assert said.returncode == 1, said.stderr
            (line,) = said.stderr.strip().splitlines()
            assert SENTENCE in line
        assert left_in(server.url) == (["django_migrations", "payments_refund"], [4820], RECORDED)
        assert (old / "admin-password").read_text() == "the password of before\n"
    finally:
        server.stop()
