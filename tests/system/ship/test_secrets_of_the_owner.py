"""What the owner sets for the containers reaches the shop: a file with the database's address, proxies."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kopeck.ops.containers import make_secrets
from kopeck.ops.starting import Refused
from tests.support.lacking import lacks
from tests.support.starting import BASE_DIR


def test_an_address_of_the_database_in_a_file_is_the_one_that_the_shop_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://me:secret@database.example/shop\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    make_secrets(tmp_path, tmp_path)
    assert (tmp_path / "database-url").read_text() == "postgresql://me:secret@database.example/shop\n"


@pytest.mark.parametrize("content", [None, "\n"])
def test_a_file_without_an_address_is_refused_and_no_other_database_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "url").write_text(content)
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    with pytest.raises((Refused, SystemExit), match="DATABASE_URL_FILE"):
        make_secrets(tmp_path, tmp_path)
    assert not (tmp_path / "database-url").exists()


def environment(service: str, **given: str) -> dict[str, Any]:
    """What compose.yaml gives a service in production."""
    compose = shutil.which("docker-compose", path=os.path.dirname(sys.executable))
    if not compose:
        lacks("docker-compose (`make check-ship` brings it)")
    command = [compose, "--env-file", os.devnull, "--file", "compose.yaml", "config", "--format", "json"]
    env = {"PATH": os.environ["PATH"], "DOMAIN": "shop.example", **given}
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"][service]["environment"]
    return found


def test_compose_hands_the_owners_file_to_what_reads_it() -> None:
    assert environment("secrets", DATABASE_URL_FILE="/run/own/url")["DATABASE_URL_FILE"] == "/run/own/url"
    assert (
        environment("web", DATABASE_URL_FILE="/run/own/url")["DATABASE_URL_FILE"] == "/secrets/database-url"
    )
    assert not environment("secrets")["DATABASE_URL_FILE"]


def test_compose_hands_on_what_the_first_start_refuses() -> None:
    """A DOMAIN that Caddy and the shop would read differently, and no worker at all."""
    assert environment("secrets", WORKERS="0")["WORKERS"] == "0"
    assert "WORKERS" not in environment("web", WORKERS="0")
    for service in ("secrets", "web", "worker"):
        assert environment(service, DOMAIN="https://shop.example")["DOMAIN"] == "https://shop.example"


def test_compose_takes_the_owners_proxies() -> None:
    assert environment("web", TRUSTED_PROXIES="10.9.0.0/16")["TRUSTED_PROXIES"] == "10.9.0.0/16"
    assert "172.16.0.0/12" in environment("web")["TRUSTED_PROXIES"]
