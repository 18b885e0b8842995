"""After deploy/update everything runs by the settings of now: DOMAIN, the database's address."""

from pathlib import Path

import pytest

from tests.system.ship.updating import make_clone, run, update


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_clone(tmp_path)


def at(asked: list[str], part: str) -> int:
    found = [index for index, line in enumerate(asked) if part in line]
    assert found, f"never asked: {part}"
    return found[0]


def test_the_databases_address_is_written_anew_before_the_migrations(clone: Path) -> None:
    asked = update(clone, "kopeck:2")
    secrets = at(asked, "--name kopeck-once secrets IMAGE=kopeck:2")
    assert secrets < at(asked, "--name kopeck-once migrate IMAGE=kopeck:2") < at(asked, "120 worker")


def test_settings_that_are_refused_replace_nothing(clone: Path) -> None:
    done, asked = run(clone, "kopeck:2", BROKEN="kopeck-once secrets")
    assert done.returncode == 1
    assert "secrets failed: nothing was replaced" in done.stderr
    assert [line for line in asked if line.startswith("up ") or "migrate" in line] == []


def test_caddy_and_postgres_are_brought_up_by_the_settings_of_now(clone: Path) -> None:
    asked = update(clone, "kopeck:2")
    both = at(asked, "up -d --no-deps --no-build --wait --wait-timeout 120 postgres caddy")
    assert both > at(asked, "120 web2")
    assert at(asked, "exec -T caddy caddy reload") > both, "a Caddy that stays reads its Caddyfile again"


def test_a_new_caddy_is_not_asked_before_it_listens(clone: Path) -> None:
    asked = update(clone, "kopeck:2", CADDY_IS_NEW="another-caddy")
    assert not [line for line in asked if "reload" in line]


def test_a_caddy_that_does_not_start_is_no_good_update(clone: Path) -> None:
    done, _ = run(clone, "kopeck:2", BROKEN="postgres caddy")
    assert done.returncode == 1
    assert "postgres or caddy does not get ready" in done.stderr
