"""Jobs of the worker: what a lost webhook or a crash left behind is asked of Stripe again.

Periodic and cheap; every answer goes through `sync`, so a job and a webhook at the same moment agree.
"""

import logging
from datetime import timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import F, Q
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

from kopeck import stopping
from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.payments import abandoned as abandoned  # found by the worker through this module
from kopeck.payments import attempts, inbox, sync
from kopeck.payments import limit_jobs as limit_jobs  # found by the worker through this module
from kopeck.payments import mail_jobs as mail_jobs  # likewise
from kopeck.payments import mirror_jobs as mirror_jobs  # likewise
from kopeck.payments import reconcile_jobs as reconcile_jobs  # likewise
from kopeck.payments import refund_jobs as refund_jobs  # likewise
from kopeck.payments import tally_jobs as tally_jobs  # likewise
from kopeck.payments import tidy_jobs as tidy_jobs  # likewise
from kopeck.payments.gateway import StripeRefused, StripeUnavailable
from kopeck.payments.models import Payment, StripeEvent
from kopeck.payments.unanswered import give_up_attempts

log = logging.getLogger(__name__)

#: How many payments and events one sweep works on: a backlog is worked off over minutes, not in one burst.
BATCH = 100
#: A live payment is asked about this often, a failed event retried after this long.
ASK_AGAIN = timedelta(minutes=5)
RETRY = timedelta(minutes=1)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="sweep", pass_context=False)
def sweep(timestamp: int) -> None:
    """Every minute: unfinished events, payments not heard of for a while, attempts that crashed."""
    retry_events()
    ask_about_payments()
    give_up_attempts()


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


@app.task(
    retry=RetryStrategy(
        max_attempts=5, exponential_wait=4, retry_exceptions=(ShopError, OperationalError, InterfaceError)
    )
)
def close(payment_id: int) -> None:
    """Closes what could pay an order that is not to be paid any more. Deferred by `sync` as it finds that."""
    payment = Payment.objects.select_related("order").get(pk=payment_id)
    # One without an id is closed by the request that creates it.
    if payment.is_live and payment.stripe_id and payment.order.status not in Order.PAYABLE:
        attempts.withdraw(payment)


def retry_events() -> int:
    """Works off events that failed or were cut off; how many."""
    before = timezone.now() - RETRY
    waiting = StripeEvent.objects.filter(
        status__in=[StripeEvent.Status.RECEIVED, StripeEvent.Status.FAILED], received__lt=before
    )
    # What fails for ever stands behind the others.
    waiting = waiting.order_by("attempts", "received")[:BATCH]
    done = 0
    for event in stopping.each(waiting):
        try:
            inbox.work_off(event)
            done += 1
        except (StripeUnavailable, StripeRefused) as trouble:
            log.warning("event %s waits on: %s", event.event_id, trouble)
        except Exception:
            log.exception("event %s failed again", event.event_id)
    return done


def ask_about_payments() -> int:
    """Asks Stripe about live payments that are over or were not asked about lately; how many."""
    now = timezone.now()
    stale = Q(asked_at__lt=now - ASK_AGAIN) | Q(asked_at=None, created__lt=now - ASK_AGAIN)
    over = Q(expires_at__lt=now) & (Q(asked_at=None) | Q(asked_at__lt=now - RETRY))
    live = Payment.objects.filter(status__in=Payment.LIVE, stripe_id__isnull=False).filter(stale | over)
    asked = 0
    for payment in stopping.each(live.order_by(F("asked_at").asc(nulls_first=True), "pk")[:BATCH]):
        row, asked_before = Payment.objects.filter(pk=payment.pk), payment.asked_at
        # Noted before the answer: what can't be asked about must not keep the others from their turn.
        row.update(asked_at=now)
        try:
            payment = sync.refresh(payment)
            asked += 1
            is_over = payment.expires_at < now or payment.order.status in Order.WAS_PAID
            if payment.status == Payment.Status.OPEN and is_over:
                attempts.withdraw(payment)  # an intent never ends by itself
        except stopping.Stopping:
            row.update(asked_at=asked_before)  # the next worker asks at once, not five minutes later
            raise
        except (StripeUnavailable, StripeRefused, ShopError) as trouble:
            log.warning("payment %s: %s", payment, trouble)
        except Exception:
            log.exception("payment %s can't be settled", payment)
    return asked
