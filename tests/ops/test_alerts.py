"""Alerts and dashboard ask for metrics that `/metrics` shows, and the alerts come when they should."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from kopeck.ops import metrics_page
from kopeck.orders.models import Order
from kopeck.reconcile.models import Run
from tests.support.lacking import lacks
from tests.support.mirroring import make_discount
from tests.support.shop import ShopSandbox, make_item

OBSERVABILITY = Path(__file__).resolve().parents[2] / "deploy" / "observability"
ALERTS, DASHBOARD = OBSERVABILITY / "alerts.yml", OBSERVABILITY / "grafana" / "kopeck.json"
METRIC = re.compile(r"\bkopeck_[a-z_]+\b")


def promtool(*words: str) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("promtool") or lacks("promtool (Debian's package prometheus)")
    return subprocess.run([program, *words], cwd=OBSERVABILITY, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_alert_comes_when_it_should_and_only_then() -> None:
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_tests_of_the_alerts_can_fail(tmp_path: Path) -> None:
    rules = ALERTS.read_text()
    for name in ("alerts.yml", "alerts_test.yml"):
        shutil.copy(OBSERVABILITY / name, tmp_path)
    for broken in (
        rules.replace("max(kopeck_workers) == 0", "max(kopeck_workers) < 0"),  # never
        rules.replace(
            "expr: max(kopeck_held_payments) > 0", "expr: max(kopeck_held_payments) >= 0"
        ),  # always
    ):
        assert broken != rules
        (tmp_path / "alerts.yml").write_text(broken)
        assert promtool("test", "rules", str(tmp_path / "alerts_test.yml")).returncode != 0


def test_rules_and_configuration_are_what_prometheus_reads() -> None:
    assert promtool("check", "rules", "alerts.yml").returncode == 0
    done = promtool("check", "config", "--syntax-only", "prometheus.yml")
    assert done.returncode == 0, done.stderr


def test_every_alert_is_tested_and_explained() -> None:
    names = re.findall(r"alert: (\w+)", ALERTS.read_text())
    tested = (OBSERVABILITY / "alerts_test.yml").read_text()
    guide = (OBSERVABILITY.parents[1] / "docs" / "observability.md").read_text()
    assert len(names) == len(set(names)) > 10
    assert [name for name in names if f'alertname="{name}"' not in tested] == []
    assert [name for name in names if name not in guide] == []


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def test_the_dashboard_is_whole() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    assert len(places) == len(set(places))
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels())
    assert all(panel["targets"] for panel in panels() if panel["type"] != "row")


def test_the_dashboards_questions_are_read_by_prometheus(tmp_path: Path) -> None:
    asked = [t["expr"].replace("$__rate_interval", "5m") for p in panels() for t in p.get("targets", [])]
    rules = [{"record": f"asked_{number}", "expr": expr} for number, expr in enumerate(asked)]
    (tmp_path / "asked.yml").write_text(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))
    done = promtool("check", "rules", str(tmp_path / "asked.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.django_db(transaction=True)
def test_every_figure_they_ask_for_is_shown(
    sandbox: ShopSandbox, buyer: Client, settings: Any, tmp_path: Path
) -> None:
    """After one purchase and one backup `/metrics` has a sample of every name."""
    settings.DATA_DIR = tmp_path
    (tmp_path / metrics_page.BACKED_UP).touch()
    make_discount()
    sandbox.pay(buyer.get(f"/buy/{make_item().pk}").json()["session_id"])
    order = Order.objects.get()
    buyer.get(f"{order.get_absolute_url()}/return")
    for kind in ("session", "coupon"):
        Run.objects.create(account="default", kind=kind, started=timezone.now(), ended=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    metrics_page.shop.asked = float("-inf")
    text = buyer.get("/metrics").content.decode()
    metrics_page.shop.asked = float("-inf")
    families = text_string_to_metric_families(text)
    shown = {name for family in families for name in {family.name, *(s.name for s in family.samples)}}
    asked = set(METRIC.findall(ALERTS.read_text())) | {
        name
        for panel in panels()
        for target in panel.get("targets", [])
        for name in METRIC.findall(target["expr"])
    }
    assert len(asked) > 20
    assert asked - shown == set()


@pytest.mark.django_db
def test_every_figure_is_on_the_dashboard_or_in_an_alert_and_in_the_guide() -> None:
    guide = (OBSERVABILITY.parents[1] / "docs" / "observability.md").read_text()
    used = ALERTS.read_text() + DASHBOARD.read_text()
    names = [question.name for question in metrics_page.QUESTIONS]
    assert [name for name in names if name not in used] == []
    assert [name for name in names if name not in guide] == []
