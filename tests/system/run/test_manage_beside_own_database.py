"""`manage.py` beside a `make run` that plays in a PostgreSQL of the owner's: the same shop and sandbox."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.support.starting import BASE_DIR, Started, clean_env


@pytest.fixture
def database() -> Iterator[str]:
    url, name = os.environ["DATABASE_URL"], f"own_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        yield re.sub(r"/[^/?]*(\?|$)", rf"/{name}\1", url, count=0)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


def test_the_doctor_finds_the_shop_and_its_sandbox(database: str, tmp_path: Path) -> None:
    run = Started(tmp_path / "data", DATABASE_URL=database)
    try:
        run.wait_until_ready()
        done = run.manage("doctor", "--json")
    finally:
        run.process.terminate()
        run.process.wait(240)
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(done.stdout)["checks"]
    said = {(check["area"], check["name"]): check["said"] for check in checks}
    assert said["stripe eur", "webhook address"] == "leads to this shop, with this secret"


def test_without_such_data_nobody_plays_by_mistake(database: str, tmp_path: Path) -> None:
    env = clean_env(DATA_DIR=str(tmp_path), DATABASE_URL=database, SECRET_KEY="a key of the owner's")
    command = [sys.executable, "manage.py", "check"]
    refused = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "No Stripe keys are set" in refused.stderr
