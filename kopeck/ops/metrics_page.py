"""`/metrics`: what the processes counted, and how the shop stands by its database.

Every query finds its few rows by an index. Of what grows with the shop, what is old is a sum that was made
before (`PaidBefore`), and of a status more than EXACT orders are as many as PostgreSQL's statistics say. An
answer is kept for some seconds, so that ten who look cost as much as one.
"""

import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from kopeck.orders.models import Order
from kopeck.telemetry import metrics
from kopeck.web.middleware import read_only
from kopeck.webhooks.models import StripeEvent

#: Seconds that an answer is kept.
KEPT = 5.0
#: How the questions are asked: none longer than two seconds, none compiled for what takes milliseconds, and
#: each by an index: where the planner does not know the status asked for, it expects half of the table.
ASKED = (
    "SELECT set_config('statement_timeout', '2000', true), set_config('jit', 'off', true),"
    " set_config('enable_seqscan', 'off', true)"
)
BACKED_UP: str = settings.BACKED_UP
BACKUP_HELP = "Seconds since deploy/backup made a whole archive; absent where it never did."
LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Question:
    """One metric of the shop: `sql` answers with the labels and, last or at the place `value`, the value."""

    name: str
    help: str
    sql: str
    labels: tuple[str, ...] = ()
    grows: bool = False
    value: int = -1
    #: Of the one label: values that are told as 0 where no row has them. To Prometheus a metric that appears
    #: as 5 has not risen.
    always: tuple[str, ...] = ()

    def metric(self, rows: list[tuple[object, ...]]) -> Metric:
        kind = CounterMetricFamily if self.grows else GaugeMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for row in rows:
            if row[self.value] is not None:
                family.add_metric(
                    [str(label) for label in row[: len(self.labels)]], float(str(row[self.value]))
                )
        for label in set(self.always) - {str(row[0]) for row in rows}:
            family.add_metric([label], 0)
        return family


#: Statuses of jobs, in the order of a job's life.
JOB_STATUSES = ("todo", "doing", "succeeded", "failed", "cancelled", "aborted")

#: Asked once for both of its metrics.
PAID = """
    SELECT currency, sum(orders), sum(amount) FROM (
        SELECT currency, orders, amount FROM ops_paidbefore UNION ALL
        SELECT currency, count(*), sum(total) FROM orders_order
        WHERE paid_at >= coalesce((SELECT max(up_to) FROM ops_paidbefore), '-infinity') GROUP BY currency
    ) AS paid GROUP BY currency"""

#: More rows of one status are not counted one by one.
EXACT = 20_000


def by_status(table: str, statuses: Iterable[str], type: str = "text") -> str:
    """The question how many rows of a table have each status; of many, what PostgreSQL's statistics say."""
    return f"""
        SELECT status,
            CASE WHEN counted <= {EXACT} THEN counted ELSE greatest(counted, round(part * whole)) END
        FROM unnest(ARRAY[{", ".join(f"'{status}'" for status in statuses)}]) AS each (status)
        CROSS JOIN LATERAL (
            SELECT count(*) AS counted FROM (
                SELECT FROM {table} AS one WHERE one.status = each.status::{type} LIMIT {EXACT + 1}
            ) AS one_by_one
        ) AS counts
        LEFT JOIN (
            SELECT unnest(most_common_vals::text::text[]) AS status, unnest(most_common_freqs) AS part
            FROM pg_stats
            WHERE tablename = '{table}' AND attname = 'status' AND schemaname = current_schema()
        ) AS usual USING (status)
        CROSS JOIN (SELECT reltuples AS whole FROM pg_class WHERE oid = '{table}'::regclass) AS tuples
    """  # noqa: S608


HELD = """
    SELECT count(*) FROM (
        SELECT id FROM payments_payment WHERE status = 'needs_review' AND created > now() - interval '92 days'
        UNION
        SELECT told.id FROM payments_payment AS told JOIN reconcile_discrepancy AS found
        ON found.object_id = told.stripe_id AND found.account = told.account
        WHERE told.status = 'needs_review' AND found.code = 'needs_review' AND found.gone IS NULL
    ) AS held WHERE NOT EXISTS (
        SELECT FROM refunds_refund AS refund WHERE refund.payment_id = held.id
        AND refund.status IN ('pending', 'requires_action', 'succeeded')
    )"""

COMPARED = """
    SELECT CASE WHEN count(*) = count(whole) THEN extract(epoch FROM now() - min(whole)) END FROM (
        SELECT max(ended) FILTER (WHERE trouble = '') AS whole FROM reconcile_run
        WHERE kind {mirrored} ('coupon', 'tax_rate') GROUP BY account, kind
    ) AS last"""

QUESTIONS = (
    Question(
        "kopeck_orders",
        "Orders by status.",
        by_status("orders_order", Order.Status.values),
        ("status",),
    ),
    Question(
        "kopeck_paid_orders",
        "Orders paid, refunded ones too.",
        PAID,
        ("currency",),
        grows=True,
        value=1,
    ),
    Question(
        "kopeck_paid_amount",
        "What buyers paid, in minor units, before refunds.",
        PAID,
        ("currency",),
        grows=True,
    ),
    Question(
        "kopeck_live_payments",
        "Payments that can still become money, by status.",
        "SELECT status, count(*) FROM payments_payment"
        " WHERE status IN ('creating', 'open', 'processing') GROUP BY status",
        ("status",),
    ),
    Question(
        "kopeck_held_payments",
        "Payments that Stripe took, no order may have, and nobody has refunded yet.",
        HELD,
    ),
    Question(
        "kopeck_refunds_under_way",
        "Refunds that have not arrived.",
        "SELECT count(*) FROM refunds_refund WHERE status IN ('creating', 'pending', 'requires_action')",
    ),
    Question(
        "kopeck_open_disputes",
        "Disputes that are not decided.",
        "SELECT count(*) FROM refunds_dispute WHERE closed IS NULL",
    ),
    Question(
        "kopeck_declined_cards",
        "Cards declined within ten minutes.",
        "SELECT count(*) FROM abuse_decline WHERE created > now() - interval '10 minutes'",
    ),
    Question(
        "kopeck_card_testing",
        "1 while so many cards are declined that somebody must be testing them.",
        "SELECT count(*) FROM abuse_attack WHERE ended IS NULL AND until > now()",
    ),
    Question(
        "kopeck_events",
        "Stripe's events by state.",
        by_status("webhooks_stripeevent", StripeEvent.Status.values),
        ("state",),
    ),
    Question(
        "kopeck_oldest_unhandled_event_seconds",
        "Age of the oldest event that is not processed; 0 where there is none.",
        "SELECT coalesce(extract(epoch FROM now() - min(received)), 0) FROM webhooks_stripeevent"
        " WHERE status IN ('received', 'failed')",
    ),
    Question(
        "kopeck_discrepancies",
        "What the comparison with Stripe left for a person, without coupons and tax rates.",
        "SELECT count(*) FROM reconcile_discrepancy WHERE gone IS NULL"
        " AND kind NOT IN ('coupon', 'tax_rate')",
    ),
    Question(
        "kopeck_reconcile_age_seconds",
        "Seconds since every kind of objects was compared with Stripe; absent while one never was.",
        COMPARED.format(mirrored="NOT IN"),
    ),
    Question(
        "kopeck_copies",
        "Coupons and tax rates at Stripe by our note of them; doubtful and creating are a drift.",
        "SELECT status, count(*) FROM mirror_stripemirror GROUP BY status",
        ("status",),
    ),
    Question(
        "kopeck_copies_in_trouble",
        "Copies that Stripe was asked for in vain.",
        "SELECT count(*) FROM mirror_stripemirror WHERE problem <> ''",
    ),
    Question(
        "kopeck_mirror_discrepancies",
        "Coupons and tax rates that were not those of the shop when Stripe was last asked for all of them.",
        "SELECT account, kind, (SELECT count(*) FROM reconcile_discrepancy found WHERE found.gone IS NULL"
        " AND found.account = run.account AND found.kind = run.kind)"
        " FROM (SELECT DISTINCT account, kind FROM reconcile_run) AS run"
        " WHERE kind IN ('coupon', 'tax_rate')",
        ("account", "kind"),
    ),
    Question(
        "kopeck_mirror_check_age_seconds",
        "Seconds since Stripe told all coupons and tax rates; absent while an account never answered.",
        COMPARED.format(mirrored="IN"),
    ),
    Question(
        "kopeck_jobs",
        "Jobs of the worker by status.",
        by_status("procrastinate_jobs", JOB_STATUSES, "procrastinate_job_status"),
        ("status",),
    ),
    Question(
        "kopeck_oldest_waiting_job_seconds",
        "How long the job that is next has been due; 0 where none waits.",
        "SELECT coalesce((SELECT extract(epoch FROM now() - coalesce(job.scheduled_at, event.at))"
        " FROM procrastinate_jobs job JOIN procrastinate_events event"
        " ON event.job_id = job.id AND event.type = 'deferred'"
        " WHERE job.status = 'todo' AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())"
        " ORDER BY job.id LIMIT 1), 0)",
    ),
    Question(
        "kopeck_workers",
        "Workers that said within a minute that they live.",
        "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - interval '60 seconds'",
    ),
    Question(
        "kopeck_worker_heartbeat_age_seconds",
        "Seconds since any worker said that it lives; absent where none ever did.",
        "SELECT extract(epoch FROM now() - max(last_heartbeat)) FROM procrastinate_workers",
    ),
    Question(
        "kopeck_database_bytes",
        "Size of the database on its disk.",
        "SELECT pg_database_size(current_database())",
    ),
)


@dataclass(eq=False)
class Shop:
    """A collector for Prometheus' library: asks the database, at most every KEPT seconds."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: list[Metric] = field(default_factory=list)
    asked: float = float("-inf")

    def collect(self) -> Iterator[Metric]:
        with self.lock:
            if time.monotonic() - self.asked > KEPT:
                self.kept, self.asked = list(_ask()), time.monotonic()
            yield from self.kept


def _ask() -> Iterator[Metric]:
    up = GaugeMetricFamily("kopeck_database_up", "Whether the database answers.")
    found: list[Metric] = []
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ASKED)
            answers: dict[str, list[tuple[object, ...]]] = {}
            for question in QUESTIONS:
                if question.sql not in answers:
                    cursor.execute(question.sql)
                    answers[question.sql] = cursor.fetchall()
                found.append(question.metric(answers[question.sql]))
        up.add_metric([], 1)
    except DatabaseError:
        up.add_metric([], 0)
    yield up
    yield from found
    if settings.DATA_DIR.is_dir():
        disk = shutil.disk_usage(settings.DATA_DIR)
        yield GaugeMetricFamily("kopeck_data_disk_bytes", "Size of DATA_DIR's disk.", value=disk.total)
        yield GaugeMetricFamily("kopeck_data_disk_free_bytes", "Free on DATA_DIR's disk.", value=disk.free)
    with suppress(OSError):
        age = max(0.0, time.time() - (settings.DATA_DIR / BACKED_UP).stat().st_mtime)
        yield GaugeMetricFamily("kopeck_backup_age_seconds", BACKUP_HELP, value=age)


shop = Shop()
_of_the_shop = CollectorRegistry()
_of_the_shop.register(shop)


@read_only
def metrics_page(request: HttpRequest) -> HttpResponse:
    """GET /metrics, for who has METRICS_TOKEN. 404 where there is no token, 401 for another one."""
    if not settings.METRICS_TOKEN and not _is_play(request):
        raise Http404
    if settings.METRICS_TOKEN and not _has_token(request):
        return HttpResponse("Unauthorized\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"})
    body = generate_latest(metrics.registry()) + generate_latest(_of_the_shop)
    return HttpResponse(body, CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    return constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}")


def _is_play(request: HttpRequest) -> bool:
    """A shop of play money, asked by its own machine. With real money a proxy there asks for everybody."""
    return settings.STRIPE_SANDBOX and request.META.get("REMOTE_ADDR") in LOOPBACK
