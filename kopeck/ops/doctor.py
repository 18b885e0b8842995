"""What could be wrong with a shop that runs: each check says how it is, and what to do.

Reads only. The accounts are held against Stripe itself, as their keys see it, in `stripe_checks`.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob, ProcrastinateWorker

from kopeck import __version__
from kopeck.errors import in_a_line
from kopeck.ops import stripe_checks
from kopeck.ops.readiness import HEARTBEAT, last_heartbeat
from kopeck.ops.stripe_checks import Check
from kopeck.payments.models import Payment
from kopeck.reconcile.compare import MIRRORED, latest_runs
from kopeck.reconcile.models import Discrepancy
from kopeck.webhooks.models import StripeEvent

OLDEST_POSTGRESQL = 150_000  # as the server counts: 15.0
#: A job that waits so much longer than due waits for nobody.
OVERDUE = timedelta(minutes=10)
#: The worker compares everything every night.
COMPARED = timedelta(hours=26)


def examine() -> Iterator[Check]:
    """Every check of this shop, one after the other. The database may be away, and so may Stripe."""
    yield from _mode()
    yield from _site()
    database = list(_database())
    yield from database
    has_tables = all(check.level != "fail" for check in database)
    if has_tables:
        yield from _worker()
        yield from _events()
        yield _compared()
    yield from stripe_checks.examine(with_database=has_tables)


def _mode() -> Iterator[Check]:
    yield Check("shop", "version", "ok", __version__)
    live = any(account.livemode for account in settings.STRIPE_ACCOUNTS.values())
    if settings.STRIPE_SANDBOX:
        yield Check("shop", "mode", "ok", "the local sandbox: no real money moves")
    elif live:
        yield Check("shop", "mode", "ok", "live: real money")
    else:
        yield Check(
            "shop", "mode", "warn", "test keys: nothing is charged", "before you sell, set the live keys"
        )
    if settings.DEBUG:
        level: Literal["warn", "fail"] = "fail" if _is_public() else "warn"
        yield Check("shop", "DEBUG", level, "on: errors show code and settings", "set DEBUG=0")
    else:
        yield Check("shop", "DEBUG", "ok", "off")


def _is_public() -> bool:
    host = urlsplit(settings.SITE_URL).hostname
    return bool(host) and host not in ("localhost", "127.0.0.1", "::1")


def _site() -> Iterator[Check]:
    live = any(account.livemode for account in settings.STRIPE_ACCOUNTS.values())
    bad: Literal["warn", "fail"] = "fail" if live else "warn"
    if not settings.SITE_URL:
        if settings.STRIPE_SANDBOX:
            yield Check("shop", "SITE_URL", "ok", "not set: links are those that were asked for")
        else:
            yield Check("shop", "SITE_URL", bad, "not set", "set it to the shop's address, https://...")
    else:
        yield _site_url(bad)
    if "*" in settings.ALLOWED_HOSTS:
        yield Check(
            "shop", "ALLOWED_HOSTS", "warn", "any name is answered", "list the shop's own names instead of *"
        )
    else:
        yield Check("shop", "ALLOWED_HOSTS", "ok", ", ".join(dict.fromkeys(settings.ALLOWED_HOSTS)))
    if settings.HTTPS and not settings.TRUSTED_PROXIES:
        yield Check(
            "shop",
            "TRUSTED_PROXIES",
            "warn",
            "empty, while SITE_URL is https",
            "name the proxy that takes the https: or every page leads to itself",
        )


def _site_url(bad: Literal["warn", "fail"]) -> Check:
    url = settings.SITE_URL
    if not url.startswith("https://") and (bad == "fail" or _is_public()):
        return Check("shop", "SITE_URL", bad, f"{url} is not encrypted", "serve the shop by https")
    return Check("shop", "SITE_URL", "ok", url)


def _database() -> Iterator[Check]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version'), current_setting('max_connections')::int"
            )
            version, most = cursor.fetchone()
        number = connection.pg_version  # type: ignore[attr-defined]
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as problem:
        said = in_a_line(problem)
        yield Check("database", "PostgreSQL", "fail", said, "start it, or repair DATABASE_URL")
        return
    if number < OLDEST_POSTGRESQL:
        yield Check("database", "PostgreSQL", "fail", version, "bring it to 15 or later")
    else:
        yield Check("database", "PostgreSQL", "ok", version)
    yield _pool(most)
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in pending[:3])
        more = f" and {len(pending) - 3} more" if len(pending) > 3 else ""
        yield Check("database", "migrations", "fail", f"{names}{more} to run", "manage.py migrate")
    else:
        yield Check("database", "migrations", "ok", "all are run")


def _pool(most: int) -> Check:
    options: dict[str, Any] = settings.DATABASES["default"].get("OPTIONS") or {}
    pool = options.get("pool")
    size = pool.get("max_size", 0) if isinstance(pool, dict) else 0
    said = f"{size} a process, of {most} that PostgreSQL allows"
    # One web process and one worker at the least; PostgreSQL keeps three for its owner.
    if size and 2 * size > most - 3:
        return Check("database", "connections", "warn", said, "lower DATABASE_POOL or raise max_connections")
    return Check("database", "connections", "ok", said)


def _worker() -> Iterator[Check]:
    now = timezone.now()
    seen = last_heartbeat()
    start = "start one: manage.py worker"
    if seen is None:
        yield Check(
            "worker", "heartbeat", "fail", "no worker runs: lost webhooks are never made up for", start
        )
    elif now - seen > HEARTBEAT:
        ago = int((now - seen).total_seconds())
        yield Check("worker", "heartbeat", "fail", f"none since {ago} s", start)
    else:
        count = ProcrastinateWorker.objects.filter(last_heartbeat__gt=now - HEARTBEAT).count()
        yield Check("worker", "heartbeat", "ok", f"{count} alive")
    overdue = ProcrastinateJob.objects.filter(status="todo", scheduled_at__lt=now - OVERDUE).count()
    failed = ProcrastinateJob.objects.filter(status="failed").count()
    if overdue:
        do = "look into the worker's log; add workers"
        yield Check("worker", "jobs", "warn", f"{overdue} wait since more than ten minutes", do)
    elif failed:
        do = "look into the worker's log and the admin (Procrastinate, Jobs)"
        yield Check("worker", "jobs", "warn", f"{failed} failed for good", do)
    else:
        yield Check("worker", "jobs", "ok", "none late, none failed")


def _events() -> Iterator[Check]:
    failed = StripeEvent.objects.filter(status=StripeEvent.Status.FAILED).count()
    rejected = StripeEvent.objects.filter(status=StripeEvent.Status.REJECTED).count()
    if failed:
        do = "see the admin (Payments, Events); they are tried again every minute"
        yield Check("shop", "events", "warn", f"{failed} of Stripe's events failed", do)
    elif rejected:
        do = "an endpoint of the other mode (live, test) at Stripe leads here: see its Dashboard"
        yield Check("shop", "events", "warn", f"{rejected} events of another mode were rejected", do)
    else:
        yield Check("shop", "events", "ok", "none failed, none of another mode")


def _compared() -> Check:
    """The last comparison of every kind of objects, and what it left."""
    runs = [run for run in latest_runs().values() if run.account in settings.STRIPE_ACCOUNTS]
    area = ("shop", "compared with Stripe")
    if not runs:
        due = Payment.objects.filter(created__lt=timezone.now() - timedelta(hours=2)).exists()
        said = "never yet: the worker does it within half an hour"
        return Check(*area, "warn" if due else "ok", said, "manage.py reconcile" if due else "")
    ago = timezone.now() - min(run.ended for run in runs)
    left = Discrepancy.objects.filter(gone=None).exclude(kind__in=MIRRORED).count()
    when = f"{int(ago.total_seconds()) // 60} min ago"
    if left:
        said = f"{left} discrepanc{'ies' if left > 1 else 'y'} left, as of {when}"
        return Check(*area, "warn", said, "see the admin (Comparison with Stripe, Discrepancies)")
    if troubles := [run for run in runs if run.trouble]:
        said = "; ".join(f"{run.account}: {' '.join(run.trouble.split())}" for run in troubles)
        return Check(*area, "warn", f"not wholly, {when}: {said}", "manage.py reconcile")
    if ago > COMPARED:
        return Check(*area, "warn", f"last {when}", "look into the worker's log")
    return Check(*area, "ok", f"{when}, no discrepancy")
