"""`/readyz` says which part is not ready; what keeps nobody from browsing is told and changes no status."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from kopeck.ops import readiness
from kopeck.stripe_api import calls
from kopeck.stripe_api import client as wire
from tests.support.shop import ShopSandbox, make_item
from tests.support.starting import BASE_DIR, free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_heard() -> Iterator[None]:
    calls.heard.clear()
    readiness._all_run.clear()
    yield
    calls.heard.clear()


@pytest.fixture
def _database_away() -> Iterator[None]:
    """The shop's pool leads to a port where nobody listens."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    before = connection.settings_dict
    pool = {**before["OPTIONS"]["pool"], "timeout": 0.5}
    options = {**before["OPTIONS"], "pool": pool}
    connection.settings_dict = {**before, "HOST": "127.0.0.1", "PORT": str(free_port()), "OPTIONS": options}
    yield
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict = before


def workers(*ago: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
        for each in ago:
            cursor.execute(
                "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s::interval)", [each]
            )


def test_all_parts_are_told(sandbox: ShopSandbox, buyer: Client) -> None:
    workers("0")
    buyer.get(f"/buy/{make_item().pk}")
    answer = buyer.get("/readyz")
    assert answer.status_code == 200
    parts = {"database": "ok", "migrations": "ok", "worker": "ok", "stripe": "ok"}
    assert answer.json() == {"status": "ready", **parts}
    workers()


@pytest.mark.usefixtures("_database_away")
def test_a_database_that_is_away_is_not_ready_and_the_process_lives() -> None:
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "does not answer"}
    assert Client().get("/healthz").status_code == 200


def test_the_database_comes_back_without_a_restart(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("_database_away")
    assert Client().get("/readyz").status_code == 503
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict = {**connection.settings_dict, **_right_address()}
    assert Client().get("/readyz").status_code == 200


def _right_address() -> dict[str, Any]:
    from django.conf import settings

    return {name: settings.DATABASES["default"][name] for name in ("HOST", "PORT")}


def test_a_migration_that_was_not_run_is_not_ready() -> None:
    call_command("migrate", "mail", "zero", verbosity=0)
    try:
        answer = Client().get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["database"] == "ok"
        assert answer.json()["migrations"].endswith("to run")
    finally:
        call_command("migrate", verbosity=0)
    assert Client().get("/readyz").status_code == 200


def test_that_all_migrations_are_run_is_asked_once(django_assert_num_queries: Any) -> None:
    Client().get("/readyz")
    with django_assert_num_queries(1):  # the worker's heartbeat
        assert Client().get("/readyz").json()["migrations"] == "ok"


def test_the_health_check_of_a_container_says_what_readyz_says(live_server: Any) -> None:
    port = live_server.url.rpartition(":")[2]
    script = BASE_DIR / "kopeck/ops/ready.sh"
    ready = subprocess.run([script], env={"PORT": port}, capture_output=True, text=True, check=False)
    assert ready.returncode == 0
    assert '"status": "ready"' in ready.stdout
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE procrastinate_workers RENAME TO away")
        try:
            waits = subprocess.run([script], env={"PORT": port}, capture_output=True, text=True, check=False)
        finally:
            cursor.execute("ALTER TABLE away RENAME TO procrastinate_workers")
    assert waits.returncode == 1
    assert '"database": "does not answer"' in waits.stdout
    nobody = subprocess.run([script], env={"PORT": str(free_port())}, capture_output=True, check=False)
    assert nobody.returncode == 1


def test_a_migration_of_newer_code_does_not_stop_the_old_code() -> None:
    """The way of an update: the new migrations run while the old shop still serves."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('orders', '9999_x', now())"
        )
        try:
            assert Client().get("/readyz").status_code == 200
        finally:
            cursor.execute("DELETE FROM django_migrations WHERE name = '9999_x'")


@pytest.mark.parametrize(
    ("ago", "said"),
    [((), "none runs"), (("90 seconds",), "no heartbeat for 9"), (("1 hour", "5 seconds"), "ok")],
)
def test_a_dead_worker_is_told_and_the_shop_stays_ready(ago: tuple[str, ...], said: str) -> None:
    workers(*ago)
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["worker"].startswith(said)
    workers()


def test_stripe_is_told_from_the_last_calls_and_never_asked(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    assert buyer.get("/readyz").json()["stripe"] == "not asked yet"
    item, right = make_item(), settings.STRIPE_API_BASE
    settings.STRIPE_API_BASE = f"http://127.0.0.1:{free_port()}"
    wire.gateway.cache_clear()
    buyer.get(f"/buy/{item.pk}")
    away = buyer.get("/readyz")
    assert away.status_code == 200
    assert away.json()["stripe"].startswith("default: no answer for ")
    settings.STRIPE_API_BASE = right
    wire.gateway.cache_clear()
    buyer.get(f"/buy/{item.pk}")
    before = dict(calls.heard)
    assert buyer.get("/readyz").json()["stripe"] == "ok"
    assert calls.heard == before


def test_a_stripe_that_says_no_answers(sandbox: ShopSandbox, buyer: Client, settings: Any) -> None:
    with pytest.raises(wire.StripeRefused):
        wire.gateway("default").retrieve("session", "cs_test_nothing")
    assert buyer.get("/readyz").json()["stripe"] == "ok"
