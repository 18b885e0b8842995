"""The worker forgets rows that are past their time, some at a time, and nothing that is still needed."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck.ops import jobs as tidy_jobs
from kopeck.orders import placing
from kopeck.orders.shipment import Shipment
from kopeck.orders.wanted import Wanted
from kopeck.reconcile.models import Discrepancy, Run
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import ShopSandbox, make_item, make_rate
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_jobs() -> Any:
    forget_jobs()
    yield
    forget_jobs()


def make_job(status: str, age: timedelta) -> int:
    """A job whose last event is so old."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
            " VALUES ('default', 'made.up', %s) RETURNING id",
            [status],
        )
        (number,) = cursor.fetchone()
        cursor.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [number])
        cursor.execute(
            "INSERT INTO procrastinate_events (job_id, type, at)"
            " VALUES (%s, 'succeeded', now() - make_interval(days => 1) * %s),"
            " (%s, 'started', now() - make_interval(days => 1) * %s)",
            [number, age / timedelta(days=1), number, age / timedelta(days=1) + 400],
        )
    return int(number)


def left() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_jobs")
        return {number for (number,) in cursor.fetchall()}


def test_finished_jobs_go_after_a_week_and_failed_ones_after_a_quarter() -> None:
    week, quarter, hour = timedelta(days=7), timedelta(days=90), timedelta(hours=1)
    gone = [make_job(status, week + hour) for status in ("succeeded", "cancelled", "aborted")]
    gone.append(make_job("failed", quarter + hour))
    young = {make_job(status, week - hour) for status in ("succeeded", "cancelled", "aborted")}
    young.add(make_job("failed", quarter - hour))
    assert tidy_jobs.forget() == {"finished jobs": 3, "failed jobs": 1}
    assert left() == young
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_events WHERE job_id = ANY(%s)", [gone])
        assert cursor.fetchone() == (0,)


def test_a_job_that_still_waits_or_is_being_done_is_kept_however_old() -> None:
    waiting = {make_job(status, timedelta(days=1000)) for status in ("todo", "doing")}
    assert tidy_jobs.forget() == {}
    assert left() == waiting


def test_what_is_many_goes_in_batches_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidy_jobs, "BATCH", 3)
    for _number in range(8):
        make_job("succeeded", timedelta(days=8))
    sizes = []
    whole = tidy_jobs._forget_jobs

    def watched(statuses: list[str], age: timedelta) -> int:
        assert not connection.in_atomic_block
        sizes.append(whole(statuses, age))
        return sizes[-1]

    monkeypatch.setattr(tidy_jobs, "_forget_jobs", watched)
    assert tidy_jobs.forget() == {"finished jobs": 8}
    assert sizes == [3, 3, 2, 0]


def test_a_row_that_somebody_holds_is_left_for_the_next_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for nobody."""
    import psycopg

    from tests.support.serving import database_url

    held, free = make_job("succeeded", timedelta(days=8)), make_job("succeeded", timedelta(days=8))
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT FROM procrastinate_jobs WHERE id = %s FOR UPDATE", [held])
        assert tidy_jobs.forget() == {"finished jobs": 1}
    assert free not in left()
    assert tidy_jobs.forget() == {"finished jobs": 1}


def test_sessions_log_ins_and_comparisons_go_when_they_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidy_jobs, "BATCH", 2)
    now = timezone.now()
    for number in range(5):
        make_old_and_young(number, now)
    assert tidy_jobs.forget() == {
        "sessions": 5, "logins": 5, "refused logins": 5, "comparisons": 5, "discrepancies": 5,
    }  # fmt: skip
    kept = (Session, AccessLog, AccessAttempt, Run)
    assert [model.objects.count() for model in kept] == [5, 5, 5, 5]
    # What is gone for a month only, and what nobody has repaired for years.
    assert Discrepancy.objects.count() == 10
    assert tidy_jobs.forget() == {}


def make_old_and_young(number: int, now: datetime) -> None:
    days = timedelta(days=1)
    for age, name in ((91 * days, "old"), (89 * days, "young")):
        log = AccessLog.objects.create(username=name)
        AccessLog.objects.filter(pk=log.pk).update(attempt_time=now - age)
        tried = AccessAttempt.objects.create(
            username=f"{name}{number}", ip_address="192.0.2.1", failures_since_start=1
        )
        AccessAttempt.objects.filter(pk=tried.pk).update(attempt_time=now - age)
        Run.objects.create(started=now - age, ended=now - age)
    Session.objects.create(session_key=f"old{number}", session_data="", expire_date=now - days)
    Session.objects.create(session_key=f"young{number}", session_data="", expire_date=now + days)
    for gone, name in ((now - 366 * days, "old"), (now - 30 * days, "young"), (None, "open")):
        Discrepancy.objects.create(
            code="status_differs", kind="session", object_id=f"{name}{number}", said="Something",
            first_seen=now - 999 * days, last_seen=now - 998 * days, gone=gone,
        )  # fmt: skip


def make_event(number: int, age: timedelta, status: str = "done") -> StripeEvent:
    event = StripeEvent.objects.create(
        account="default", event_id=f"evt_{number}", type="refund.created", payload={"data": {"object": {}}},
        created=timezone.now() - age, status=status,
    )  # fmt: skip
    StripeEvent.objects.filter(pk=event.pk).update(received=timezone.now() - age)
    return event


def test_an_events_payload_goes_after_a_month_and_its_row_after_a_quarter_once_it_is_processed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tidy_jobs, "BATCH", 2)
    month, quarter, hour = timedelta(days=31), timedelta(days=92), timedelta(hours=1)
    young = make_event(1, month - hour)
    old = [make_event(number, month + hour, status) for number, status in ((2, "done"), (3, "ignored"))]
    gone = [make_event(number, quarter + hour) for number in range(4, 9)]
    failed = [make_event(9, quarter + hour, "failed"), make_event(10, quarter + hour, "received")]
    assert tidy_jobs.forget() == {"payloads of events": 7, "events": 5}
    assert set(StripeEvent.objects.filter(payload__isnull=True)) == set(old)
    assert set(StripeEvent.objects.all()) == {young, *old, *failed}
    assert not {one.pk for one in gone} & set(StripeEvent.objects.values_list("pk", flat=True))
    assert tidy_jobs.forget() == {}


def test_a_slimmed_event_still_stops_a_repetition_and_can_be_read(
    sandbox: ShopSandbox, owner: Client, deliver: Any
) -> None:
    event = make_event(1, timedelta(days=40))
    tidy_jobs.forget()
    again = {
        "id": "evt_1",
        "type": event.type,
        "livemode": False,
        "created": 1,
        "data": {"object": {"id": "re_1"}},
    }
    assert deliver({"object": "event", "api_version": "2026-10-28.endive", **again}).status_code == 200
    assert StripeEvent.objects.get() == event
    page = owner.get(f"/admin/webhooks/stripeevent/{event.pk}/change/")
    assert "it is older than a month" in page.content.decode()


def test_an_address_is_kept_as_long_as_the_setting_says_and_its_order_stays(settings: Any) -> None:
    settings.KEEP_ADDRESSES_DAYS = 30
    make_rate()
    said = {"name": "Ada", "phone": "+4930", "address": {"line1": "Street 7", "country": "DE"}}
    made = []
    for days in (29, 31):
        order = placing.place([Wanted(make_item(shipped=True), 1)], visitor="v" * 64)
        made.append(Shipment.to(order, said))
        Shipment.objects.filter(pk=made[-1].pk).update(created=timezone.now() - timedelta(days=days))
    assert tidy_jobs.forget() == {"addresses": 1}
    young, old = (Shipment.objects.get(pk=one.pk) for one in made)
    assert (young.name, young.forgotten) == ("Ada", None)
    assert (old.name, old.phone, old.address) == ("", "", {})
    assert old.forgotten is not None
    assert old.order.total == 4820 + 490
    assert tidy_jobs.forget() == {}


def test_the_worker_does_it_every_hour() -> None:
    (periodic,) = (
        task
        for task in app.periodic_registry.periodic_tasks.values()
        if task.task.name == tidy_jobs.tidy.name
    )
    assert periodic.cron == "23 * * * *"
    old = make_job("succeeded", timedelta(days=8))
    app.configure_task(tidy_jobs.tidy.name).defer(timestamp=0)
    work()
    assert old not in left()
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM procrastinate_jobs WHERE task_name = %s", [tidy_jobs.tidy.name])
        assert set(cursor.fetchall()) == {("succeeded",)}
