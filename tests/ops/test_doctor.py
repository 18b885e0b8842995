"""`manage.py doctor` at the shop itself: mode, addresses, database, worker, events, and how it tells."""

import io
import json
import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from kopeck.payments.models import Payment
from kopeck.reconcile.models import Discrepancy, Run
from kopeck.webhooks.models import StripeEvent
from tests.ops.doctoring import Patient, heartbeat, job, work
from tests.ops.doctoring import patient as patient
from tests.support.shop import make_item
from tests.support.starting import manage_without_anything

#: The doctor reads the clock of Stripe's server.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sockets]


def test_a_shop_that_lacks_nothing_gets_a_tick_on_every_line(patient: Patient) -> None:
    out = io.StringIO()
    call_command("doctor", stdout=out)
    *lines, summary = out.getvalue().splitlines()
    assert all(re.fullmatch(r"✓ [a-z ]+, [\w ]+: [^>]+", line) for line in lines), out.getvalue()
    assert summary == f"{len(lines)} checks: 0 wrong, 0 to look at."
    assert len(lines) >= 17


def test_what_is_wrong_is_said_with_what_to_do_and_ends_with_1(patient: Patient) -> None:
    patient.account(webhook_secrets=())
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", stdout=out)
    assert end.value.code == 1
    wrong = [line for line in out.getvalue().splitlines() if line.startswith("✗")]
    assert wrong == [
        "✗ stripe default, webhook secret: STRIPE_WEBHOOK_SECRET is not set, "
        "so /webhooks/stripe/default answers 404 -> manage.py stripe_webhooks"
    ]


def test_what_should_be_looked_at_is_no_failure(patient: Patient) -> None:
    patient.settings.ALLOWED_HOSTS = ["*"]
    assert patient.examine()["shop", "ALLOWED_HOSTS"][0] == "warn"
    assert patient.code == 0


def test_the_mode_is_told(patient: Patient) -> None:
    """pain 11"""
    assert patient.examine()["shop", "mode"] == ("ok", "the local sandbox: no real money moves")
    patient.settings.STRIPE_SANDBOX = False
    assert patient.examine()["shop", "mode"] == ("warn", "test keys: nothing is charged")
    patient.account(livemode=True)
    assert patient.examine()["shop", "mode"] == ("ok", "live: real money")


def test_debug_is_wrong_where_the_world_can_see_it(patient: Patient) -> None:
    patient.settings.DEBUG = True
    assert patient.examine()["shop", "DEBUG"][0] == "warn"
    patient.settings.SITE_URL = "https://shop.example"
    assert patient.examine()["shop", "DEBUG"][0] == "fail"


@pytest.mark.parametrize(
    ("site", "hosts", "live", "found"),
    [
        ("", ["localhost"], False, ("warn", "not set")),
        ("", ["localhost"], True, ("fail", "not set")),
        ("https://shop.example", [".example"], True, ("ok", "https://shop.example")),
        ("http://shop.example", ["shop.example"], False, ("warn", "http://shop.example is not encrypted")),
        ("http://shop.example", ["shop.example"], True, ("fail", "http://shop.example is not encrypted")),
        ("http://[::1]:8000", ["[::1]"], False, ("ok", "http://[::1]:8000")),
    ],
)
def test_the_shops_address_is_looked_at(
    patient: Patient, site: str, hosts: list[str], live: bool, found: tuple[str, str]
) -> None:
    patient.settings.STRIPE_SANDBOX = False
    patient.settings.SITE_URL, patient.settings.ALLOWED_HOSTS = site, hosts
    patient.account(livemode=live)
    level, said = patient.examine()["shop", "SITE_URL"]
    assert level == found[0]
    assert found[1] in said


def test_https_without_a_word_about_the_proxy_is_doubtful(patient: Patient) -> None:
    patient.settings.HTTPS = True
    assert patient.examine()["shop", "TRUSTED_PROXIES"][0] == "warn"
    patient.settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    assert ("shop", "TRUSTED_PROXIES") not in patient.examine()


def test_a_migration_that_was_not_run_is_named(patient: Patient) -> None:
    recorder = MigrationRecorder(connection)
    ((app, newest),) = MigrationExecutor(connection).loader.graph.leaf_nodes("payments")
    recorder.record_unapplied(app, newest)
    try:
        found = patient.examine()
    finally:
        recorder.record_applied(app, newest)
    assert found["database", "migrations"] == ("fail", f"payments.{newest} to run")


def test_a_pool_larger_than_postgresql_is_doubtful(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    options = patient.settings.DATABASES["default"]["OPTIONS"]
    monkeypatch.setitem(options, "pool", {**options["pool"], "max_size": 150})
    assert patient.examine()["database", "connections"] == (
        "warn",
        "150 a process, of 200 that PostgreSQL allows",
    )


def test_a_worker_that_is_not_there_or_died_is_missed(patient: Patient) -> None:
    work("DELETE FROM procrastinate_workers")
    assert patient.examine()["worker", "heartbeat"][0] == "fail"
    heartbeat(90)
    level, said = patient.examine()["worker", "heartbeat"]
    assert (level, said[:12]) == ("fail", "none since 9")
    heartbeat(5)
    heartbeat(8)
    assert patient.examine()["worker", "heartbeat"] == ("ok", "2 alive")


def test_jobs_that_are_late_or_failed_are_counted(patient: Patient) -> None:
    job("todo", minutes_late=5)
    job("succeeded", minutes_late=60)
    assert patient.examine()["worker", "jobs"][0] == "ok"
    job("failed", minutes_late=60)
    assert patient.examine()["worker", "jobs"] == ("warn", "1 failed for good")
    job("todo", minutes_late=11)
    assert patient.examine()["worker", "jobs"] == ("warn", "1 wait since more than ten minutes")


def test_events_that_failed_or_were_of_another_mode_are_counted(patient: Patient) -> None:
    """pain 11"""
    facts: dict[str, Any] = {"account": "default", "type": "x.y", "created": timezone.now(), "payload": {}}
    StripeEvent.objects.create(event_id="evt_1", status=StripeEvent.Status.REJECTED, **facts)
    assert patient.examine()["shop", "events"] == ("warn", "1 events of another mode were rejected")
    StripeEvent.objects.create(event_id="evt_2", status=StripeEvent.Status.FAILED, **facts)
    assert patient.examine()["shop", "events"] == ("warn", "1 of Stripe's events failed")


def test_the_last_comparison_with_stripe_is_told(patient: Patient) -> None:
    """pain 1"""
    here, now = ("shop", "compared with Stripe"), timezone.now()
    assert patient.examine()[here] == ("ok", "0 min ago, no discrepancy")
    Run.objects.update(ended=now - timedelta(minutes=2000))
    assert patient.examine()[here] == ("warn", "last 2000 min ago")
    Run.objects.update(ended=now, trouble="no answer")
    assert patient.examine()[here] == ("warn", "not wholly, 0 min ago: default: no answer")
    discrepancy = Discrepancy.objects.create(
        account="default",
        code="needs_review",
        kind="order",
        object_id="cs_1",
        said="...",
        first_seen=now,
        last_seen=now,
    )
    assert patient.examine()[here] == ("warn", "1 discrepancy left, as of 0 min ago")
    discrepancy.delete()
    Run.objects.all().delete()
    assert patient.examine()[here][0] == "ok"  # a shop that has just opened
    order = placing.place([Wanted(make_item(), 1)], visitor="v" * 64)
    facts = {"account": "default", "amount": 1, "currency": "usd", "attempt": 1, "inputs": {}}
    Payment.objects.create(order=order, status="refused", expires_at=now, **facts)
    Payment.objects.update(created=now - timedelta(hours=3))
    assert patient.examine()[here][0] == "warn"


def test_with_neither_database_nor_stripe_it_still_tells(tmp_path: Path) -> None:
    ended = manage_without_anything(tmp_path, "doctor", "--json")
    assert ended.returncode == 1
    answer = json.loads(ended.stdout)
    assert not answer["ok"]
    wrong = {(check["area"], check["name"]) for check in answer["checks"] if check["level"] == "fail"}
    assert wrong == {("database", "PostgreSQL"), ("stripe default", "keys")}
