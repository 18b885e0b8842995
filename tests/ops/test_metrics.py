"""`/metrics`: what was counted and how the shop stands, for those who may see it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from kopeck.ops import metrics_page
from kopeck.ops.models import PaidBefore
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds.models import Refund
from kopeck.webhooks.models import StripeEvent
from tests.support.mirroring import make_discount
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


class Figures:
    """`/metrics`, read by Prometheus' own parser."""

    def __call__(self, name: str, **labels: str) -> float:
        """The sample's value; 0 where there is none."""
        metrics_page.shop.asked = float("-inf")  # the answer that is kept may be another test's
        answer = Client().get("/metrics")
        assert answer.status_code == 200
        for family in text_string_to_metric_families(answer.content.decode()):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return 0


@pytest.fixture
def figure() -> Iterator[Figures]:
    yield Figures()
    metrics_page.shop.asked = float("-inf")


def order(**facts: Any) -> Order:
    usual = {"currency": "usd", "subtotal": 1000, "total": 1000, "status": "paid", "paid_at": timezone.now()}
    return Order.objects.create(**(usual | facts))


def event(number: int, **facts: Any) -> None:
    usual = {"account": "default", "type": "refund.created", "payload": {}, "created": timezone.now()}
    StripeEvent.objects.create(event_id=f"evt_{number}", **(usual | facts))


def heartbeat(ago: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - %s::interval)", [ago]
        )


@pytest.fixture
def _many_rows() -> None:
    """30,000 orders that were paid three days ago, and as many events that are done; as wide as real ones."""
    with connection.cursor() as cursor:
        # Files of their own: VACUUM leaves pages as they are in which earlier tests have deleted a few rows.
        cursor.execute("TRUNCATE orders_order, webhooks_stripeevent CASCADE")
        # Rows are counted in an index alone only once their commits are on the disk.
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("""
            INSERT INTO orders_order (currency, status, subtotal, discount_total, tax_total, tax_included,
                total, visitor, key, discount_name, terms, email, ship_to, created, paid_at)
            SELECT 'usd', 'paid', 100, 0, 0, 0, 100, repeat('v', 64), 'k' || n, '', repeat('t', 64),
                'buyer@shop.example', '', now(), now() - interval '3 days'
            FROM generate_series(1, 30000) n""")
        cursor.execute("""
            INSERT INTO webhooks_stripeevent (account, event_id, type, object_id, api_version, payload,
                status, attempts, outcome, created, received)
            SELECT 'default', 'evt_' || n, 'x', '', '', jsonb_build_object('object', repeat('o', 1500)),
                'done', 1, '', now(), now() FROM generate_series(1, 30000) n""")
        cursor.execute("VACUUM (ANALYZE) orders_order, webhooks_stripeevent")
        cursor.execute("RESET synchronous_commit")


def test_what_was_paid_long_ago_is_summed_once_and_told_as_before(figure: Figures) -> None:
    now = timezone.now()
    for days in (400, 63, 61, 0):
        order(paid_at=now - timedelta(days=days))
    order(currency="eur", paid_at=now - timedelta(days=100))
    for _hour in range(3):
        assert figure("kopeck_paid_orders_total", currency="usd") == 4
        assert figure("kopeck_paid_amount_total", currency="usd") == 4000
        assert figure("kopeck_paid_orders_total", currency="eur") == 1
        PaidBefore.sum_up()
    summed = PaidBefore.objects.values_list("currency", "orders", "amount").order_by("currency")
    assert list(summed) == [("eur", 1, 1000), ("usd", 2, 2000)]
    PaidBefore.objects.update(up_to=now - timedelta(days=62, hours=12))
    order(currency="jpy", paid_at=now - timedelta(days=62, hours=6))
    PaidBefore.sum_up()
    assert PaidBefore.objects.get(pk="jpy").orders == 1
    assert figure("kopeck_paid_orders_total", currency="jpy") == 1


def test_requests_are_counted_by_route_and_not_by_address(figure: Figures, client: Client) -> None:
    item = {"route": "item", "method": "GET", "status": "2xx"}
    nowhere = {"route": "none", "method": "GET", "status": "4xx"}
    before, lost = figure("kopeck_requests_total", **item), figure("kopeck_requests_total", **nowhere)
    timed = figure("kopeck_request_seconds_count", route="item")
    for _ in range(3):
        client.get(f"/item/{make_item().pk}?mine=1")
        client.get(f"/nowhere/{make_item().pk}")
    assert figure("kopeck_requests_total", **item) == before + 3
    assert figure("kopeck_requests_total", **nowhere) == lost + 3
    assert figure("kopeck_request_seconds_count", route="item") == timed + 3


def test_the_admin_is_one_route_and_an_unknown_method_is_other(figure: Figures, owner: Client) -> None:
    admin = {"route": "admin", "method": "GET", "status": "2xx"}
    odd = {"route": "shop", "method": "other", "status": "4xx"}
    before, odd_before = figure("kopeck_requests_total", **admin), figure("kopeck_requests_total", **odd)
    owner.get("/admin/orders/order/")
    owner.get("/admin/catalog/item/")
    owner.generic("BREW", "/")
    assert figure("kopeck_requests_total", **admin) == before + 2
    assert figure("kopeck_requests_total", **odd) == odd_before + 1


def test_calls_of_stripe_are_counted_by_kind_and_outcome(
    figure: Figures, sandbox: ShopSandbox, buyer: Client
) -> None:
    name, made = "kopeck_stripe_calls_total", {"account": "default", "call": "checkout.sessions.create"}
    before, failed = figure(name, outcome="ok", **made), figure(name, outcome="failed", **made)
    timed = figure("kopeck_stripe_call_seconds_count", call="checkout.sessions.create")
    sandbox.control("PUT", "faults", {"next": [{"kind": "error", "path": "/v1/checkout/sessions"}]})
    item = make_item()
    buyer.get(f"/buy/{item.pk}")
    buyer.get(f"/buy/{item.pk}")
    assert figure(name, outcome="failed", **made) == failed + 1
    assert figure(name, outcome="ok", **made) == before + 1
    assert figure("kopeck_stripe_call_seconds_count", call="checkout.sessions.create") == timed + 2


@pytest.mark.parametrize(("fault", "outcome"), [("rate_limit", "busy"), ("cut_before", "unreachable")])
def test_how_stripe_failed_is_told_apart(
    figure: Figures, sandbox: ShopSandbox, buyer: Client, fault: str, outcome: str
) -> None:
    labels = {"account": "default", "call": "checkout.sessions.create", "outcome": outcome}
    before = figure("kopeck_stripe_calls_total", **labels)
    sandbox.control("PUT", "faults", {"next": [{"kind": fault, "path": "/v1/checkout/sessions"}]})
    buyer.get(f"/buy/{make_item().pk}")
    assert figure("kopeck_stripe_calls_total", **labels) == before + 1


def test_orders_and_what_was_paid_are_told_as_they_are(figure: Figures) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    order()
    order(status="refunded", paid_at=long_ago)
    order(currency="eur", total=700, subtotal=700, paid_at=long_ago)
    order(status="open", paid_at=None)
    assert figure("kopeck_paid_orders_total", currency="usd") == 2
    assert figure("kopeck_paid_amount_total", currency="usd") == 2000
    assert figure("kopeck_paid_amount_total", currency="eur") == 700
    assert {status: figure("kopeck_orders", status=status) for status in ("open", "paid", "refunded")} == {
        "open": 1,
        "paid": 2,
        "refunded": 1,
    }
    order(total=5, subtotal=5)
    assert figure("kopeck_paid_amount_total", currency="usd") == 2005


def test_events_by_state_and_the_oldest_that_waits(figure: Figures) -> None:
    assert figure("kopeck_oldest_unhandled_event_seconds") == 0
    event(1, status="failed")
    event(2)
    event(3, status="done")
    StripeEvent.objects.filter(event_id="evt_1").update(received=timezone.now() - timedelta(minutes=20))
    states = {state: figure("kopeck_events", state=state) for state in ("received", "failed", "done")}
    assert states == {"received": 1, "failed": 1, "done": 1}
    assert 1200 <= figure("kopeck_oldest_unhandled_event_seconds") < 1500


def test_every_state_is_told_from_the_beginning(figure: Figures) -> None:
    """Prometheus sees a rise from 0 to 5, and none where a figure appears as 5."""
    forget_jobs()

    def told(name: str, label: str) -> dict[str, float]:
        metrics_page.shop.asked = float("-inf")
        families = text_string_to_metric_families(Client().get("/metrics").content.decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        assert len({sample.labels[label] for sample in samples}) == len(samples)
        return {sample.labels[label]: sample.value for sample in samples}

    jobs = dict.fromkeys(("todo", "doing", "succeeded", "failed", "cancelled", "aborted"), 0)
    assert told("kopeck_jobs", "status") == jobs
    assert told("kopeck_orders", "status") == dict.fromkeys(Order.Status.values, 0)
    assert told("kopeck_events", "state") == dict.fromkeys(StripeEvent.Status.values, 0)
    with connection.cursor() as cursor:
        cursor.execute("""
            INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)
            SELECT 'default', 'x', '{}', 'failed' FROM generate_series(1, 5)""")
    order()
    assert told("kopeck_jobs", "status") == jobs | {"failed": 5}
    assert told("kopeck_orders", "status")["paid"] == 1
    forget_jobs()


def test_payments_that_need_somebody_are_seen(figure: Figures, sandbox: ShopSandbox, buyer: Client) -> None:
    buyer.get(f"/buy/{make_item().pk}")
    assert figure("kopeck_live_payments", status="open") == 1
    assert figure("kopeck_held_payments") == 0
    Payment.objects.update(status="needs_review")
    assert figure("kopeck_held_payments") == 1
    assert figure("kopeck_live_payments", status="open") == 0
    payment = Payment.objects.get()
    about = {"account": "default", "amount": 1, "currency": "usd", "created": timezone.now()}
    Refund.objects.create(order=payment.order, payment=payment, stripe_id="re_1", status="pending", **about)
    assert figure("kopeck_held_payments") == 0  # refunded: nobody has to look at it any more


def test_the_worker_and_its_jobs_are_seen(figure: Figures, sandbox: ShopSandbox) -> None:
    forget_jobs()
    assert figure("kopeck_oldest_waiting_job_seconds") == 0
    make_discount()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = at - interval '5 minutes'")
    assert figure("kopeck_jobs", status="todo") == 1
    assert 300 <= figure("kopeck_oldest_waiting_job_seconds") < 600
    work()
    assert figure("kopeck_oldest_waiting_job_seconds") == 0
    assert figure("kopeck_jobs", status="succeeded") >= 1
    assert figure("kopeck_copies", status="current") == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
    assert figure("kopeck_workers") == 0
    heartbeat("2 minutes")
    assert figure("kopeck_workers") == 0
    assert 120 <= figure("kopeck_worker_heartbeat_age_seconds") < 200
    heartbeat("0")
    assert figure("kopeck_workers") == 1
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")


@pytest.mark.usefixtures("_many_rows")
def test_a_scrape_reads_few_rows_of_many(figure: Figures) -> None:
    """Of 30,000 orders and events; what an index tells by itself is no row that is read."""
    read: dict[str, int] = {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(metrics_page.ASKED)
        for question in metrics_page.QUESTIONS:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {question.sql}")
            (plan,) = cursor.fetchone()
            rows = sum(rows_read(plan[0]["Plan"], "orders_order", "webhooks_stripeevent"))
            read[question.name] = rows
    assert {name: rows for name, rows in read.items() if rows > 100} == {}
    assert figure("kopeck_paid_amount_total", currency="usd") == 3_000_000


def rows_read(plan: dict[str, Any], *tables: str) -> Iterator[int]:
    if plan.get("Relation Name") in tables and plan["Node Type"] == "Index Only Scan":
        yield int(plan["Heap Fetches"])
    elif plan.get("Relation Name") in tables:
        each = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        yield int(each * plan["Actual Loops"])
    for part in plan.get("Plans", []):
        yield from rows_read(part, *tables)


def test_an_answer_is_kept_for_some_seconds(client: Client) -> None:
    client.get("/metrics")
    metrics_page.shop.asked = float("inf")
    order()
    assert b'kopeck_paid_orders_total{currency="usd"} 1.0' not in client.get("/metrics").content
    metrics_page.shop.asked = float("-inf")
    assert b'kopeck_paid_orders_total{currency="usd"} 1.0' in client.get("/metrics").content


def test_ten_who_look_at_once_cost_as_much_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, ask = [], metrics_page._ask
    monkeypatch.setattr(metrics_page, "_ask", lambda: asked.append(1) or ask())
    metrics_page.shop.asked = float("-inf")

    def look(_number: int) -> int:
        try:
            return Client().get("/metrics").status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as scrapers:
        assert set(scrapers.map(look, range(10))) == {200}
    assert asked == [1]


def test_a_database_that_is_away_leaves_the_counters(client: Client) -> None:
    client.get("/healthz")  # something is counted
    metrics_page.shop.asked = float("-inf")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE reconcile_run RENAME TO reconcile_run_away")
    try:
        said = client.get("/metrics").content.decode()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE reconcile_run_away RENAME TO reconcile_run")
        metrics_page.shop.asked = float("-inf")
    assert "kopeck_database_up 0.0" in said
    assert "kopeck_requests_total{" in said


def test_a_shop_that_was_never_backed_up_tells_no_age_of_a_backup(
    figure: Figures, settings: Any, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    metrics_page.shop.asked = float("-inf")
    assert b"kopeck_backup_age_seconds" not in Client().get("/metrics").content
    (tmp_path / metrics_page.BACKED_UP).touch()
    # A clock that was set back makes no backup of the future.
    ahead = timezone.now().timestamp() + 600
    os.utime(tmp_path / metrics_page.BACKED_UP, (ahead, ahead))
    assert figure("kopeck_backup_age_seconds") == 0


def test_strangers_find_no_figures(settings: Any) -> None:
    assert Client(REMOTE_ADDR="203.0.113.7").get("/metrics").status_code == 404
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 200
    # With real money a proxy on this machine may ask for anybody.
    settings.STRIPE_SANDBOX = False
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 404


def test_a_token_is_asked_of_everybody_once_there_is_one(settings: Any) -> None:
    settings.METRICS_TOKEN = "a-long-token"
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 401
    for wrong in ("a-long-token", "Bearer a-long-toke", "Bearer ", "Bearer ä"):
        refused = Client().get("/metrics", headers={"Authorization": wrong})
        assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
        assert b"kopeck_" not in refused.content
    settings.STRIPE_SANDBOX = False
    given = Client(REMOTE_ADDR="203.0.113.7").get(
        "/metrics", headers={"Authorization": "Bearer a-long-token"}
    )
    assert given.status_code == 200
    assert given["Cache-Control"] == "no-store"


def test_processes_that_share_a_folder_are_summed(tmp_path: Path) -> None:
    """Two processes count, a third exposes: as several web workers of one container do."""
    count = "from kopeck.telemetry import metrics; metrics.REQUESTS.labels('item', 'GET', '2xx').inc(2)"
    show = (
        "from kopeck.telemetry import metrics; from prometheus_client import generate_latest;"
        "print(generate_latest(metrics.registry()).decode())"
    )
    env = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "made"), "DJANGO_SETTINGS_MODULE": "tests.settings"}

    def run(code: str) -> str:
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run([sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(count)
    run(count)
    assert 'kopeck_requests_total{method="GET",route="item",status="2xx"} 4.0' in run(show)
