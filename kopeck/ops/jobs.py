"""What the worker does for itself: jobs of dead workers, the hourly clean-up.

Rows that nobody looks at any more are found by an index, or stand first; no whole table is read. They are
deleted in batches, each a transaction of its own that locks only what it deletes, so nobody waits for it.
docs/reliability.md lists all tables.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

from kopeck import stopping
from kopeck.api.models import Answer
from kopeck.books.models import Statement
from kopeck.ops.models import PaidBefore
from kopeck.orders.shipment import Shipment
from kopeck.outgoing.models import Delivery
from kopeck.reconcile.models import Discrepancy, Run
from kopeck.webhooks.models import StripeEvent

log = logging.getLogger(__name__)

BATCH = 1000
#: Jobs that came to an end: what failed is kept for the owner to look at.
KEEP_DONE, KEEP_FAILED = timedelta(days=7), timedelta(days=90)
#: Who logged in, and who could not; comparisons with Stripe that are over.
KEEP_LOGINS = KEEP_RUNS = timedelta(days=90)
#: Statements for the accountant, which can be made again.
KEEP_STATEMENTS = timedelta(days=90)
#: Answers to requests with an Idempotency-Key.
KEEP_ANSWERS = timedelta(hours=24)
#: Webhooks that were delivered, or were given up.
KEEP_DELIVERIES = timedelta(days=30)
#: Discrepancies that are gone.
KEEP_GONE = timedelta(days=365)
#: What an event said, and that it came: Stripe repeats events, and lists them, for 30 days. Disputes and
#: refunds are compared for 92 days, and their owner may want to see by then what was heard of them.
KEEP_PAYLOADS, KEEP_EVENTS = timedelta(days=31), timedelta(days=92)

# A job has no time of its own: its events have. They go with it, by their foreign key. Jobs are numbered by
# time, so of each status only the first ones are looked at; the next hour looks again.
_FORGET_JOBS = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT id FROM procrastinate_jobs WHERE id = ANY(ARRAY(
        SELECT first.id FROM unnest(%(statuses)s::procrastinate_job_status[]) AS wanted (status)
        CROSS JOIN LATERAL (
            SELECT id FROM procrastinate_jobs WHERE status = wanted.status ORDER BY id LIMIT 2 * %(batch)s
        ) AS first
        CROSS JOIN LATERAL (
            SELECT max(at) AS ended FROM procrastinate_events WHERE job_id = first.id
        ) AS its_events
        WHERE ended IS NULL OR ended < statement_timestamp() - make_interval(secs => %(age)s)
        ORDER BY first.id LIMIT %(batch)s
    ))
    FOR UPDATE SKIP LOCKED
)"""


@app.periodic(cron="23 * * * *")
@app.task(queueing_lock="tidy", pass_context=False)
def tidy(timestamp: int) -> None:
    """Every hour: what is past its time, and sums of what was paid long ago."""
    PaidBefore.sum_up()
    if forgotten := forget():
        log.info("forgotten: %s", ", ".join(f"{count} {name}" for name, count in forgotten.items()))


def forget() -> dict[str, int]:
    """Deletes what is past its time; how many rows by name, without those of which there were none."""
    counts = {name: sum(_batches(delete)) for name, delete in _ways().items()}
    return {name: count for name, count in counts.items() if count}


def _ways() -> dict[str, Callable[[], int]]:
    """By name: what deletes up to a batch and says how many."""
    now = timezone.now()
    logins, gone = now - KEEP_LOGINS, now - KEEP_GONE
    events = StripeEvent.objects.filter(status__in=StripeEvent.SETTLED)
    old: dict[str, QuerySet[Any]] = {
        "sessions": Session.objects.filter(expire_date__lt=now).order_by("expire_date"),
        "logins": AccessLog.objects.filter(attempt_time__lt=logins),
        "refused logins": AccessAttempt.objects.filter(attempt_time__lt=logins),
        "wrong passwords": AccessFailureLog.objects.filter(attempt_time__lt=logins),
        "comparisons": Run.objects.filter(started__lt=now - KEEP_RUNS),
        "statements": Statement.objects.filter(created__lt=now - KEEP_STATEMENTS).order_by("created"),
        "answers": Answer.objects.filter(created__lt=now - KEEP_ANSWERS).order_by("created"),
        "deliveries": Delivery.objects.filter(
            status__in=Delivery.SETTLED, created__lt=now - KEEP_DELIVERIES
        ).order_by("created"),
        "discrepancies": Discrepancy.objects.filter(gone__lt=gone),
        "events": events.filter(received__lt=now - KEEP_EVENTS, payload__isnull=True).order_by("received"),
    }
    days = timedelta(days=settings.KEEP_ADDRESSES_DAYS)
    addresses = Shipment.objects.filter(forgotten=None, created__lt=now - days).order_by("created")
    payloads = events.filter(received__lt=now - KEEP_PAYLOADS, payload__isnull=False).order_by("received")
    return {
        "finished jobs": lambda: _forget_jobs(["succeeded", "cancelled", "aborted"], KEEP_DONE),
        "failed jobs": lambda: _forget_jobs(["failed"], KEEP_FAILED),
        "addresses": partial(_forget_addresses, addresses),
        "payloads of events": partial(_slim, payloads),
        **{name: partial(_delete, rows) for name, rows in old.items()},
    }


def _batches(delete: Callable[[], int]) -> Iterator[int]:
    while True:
        stopping.check()
        count = delete()
        yield count
        if count < BATCH:
            return


def _delete(rows: "QuerySet[Any]") -> int:
    """Up to a batch of them, the oldest first."""
    batch = list(rows.values_list("pk", flat=True)[:BATCH])
    rows.filter(pk__in=batch).delete()
    return len(batch)


def _forget_addresses(shipments: "QuerySet[Shipment]") -> int:
    """Of up to a batch of deliveries nothing is kept of who got them, and where."""
    batch = list(shipments.values_list("pk", flat=True)[:BATCH])
    Shipment.forget(Shipment.objects.filter(pk__in=batch))
    return len(batch)


def _slim(events: "QuerySet[StripeEvent]") -> int:
    """Of up to a batch of events nothing is kept but that they came and what was done."""
    batch = list(events.values_list("pk", flat=True)[:BATCH])
    StripeEvent.objects.filter(pk__in=batch).update(payload=None)
    return len(batch)


def _forget_jobs(statuses: list[str], age: timedelta) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_JOBS, {"statuses": statuses, "age": age.total_seconds(), "batch": BATCH})
        return int(cursor.rowcount)


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="retry_stalled_jobs", pass_context=False)
async def retry_stalled_jobs(timestamp: int) -> None:
    """Every five minutes: jobs of a worker that was killed are taken up again."""
    await take_up_stalled_jobs(app.job_manager)


async def take_up_stalled_jobs(queue: JobManager) -> None:
    """Puts jobs back into the queue whose worker is gone or silent. All of ours may run twice."""
    for job in await queue.get_stalled_jobs(seconds_since_heartbeat=60):
        log.warning("job %s (%s) of a dead worker is taken up again", job.id, job.task_name)
        try:
            await queue.retry_job(job)
        except UniqueViolation:
            # A younger job holds the same queueing lock and does the same work.
            await queue.finish_job(job, Status.FAILED, delete_job=False)
