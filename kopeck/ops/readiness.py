"""Whether this process can serve, and which part can't: `/healthz` and `/readyz`.

Not ready is what keeps every page away: the database and its migrations. A dead worker or Stripe keeps nobody
from browsing, and another copy of the shop would not do better: they are told, and change no status.
"""

import logging
import threading
import time
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateWorker

from kopeck.ops.serve import draining
from kopeck.stripe_api.calls import heard
from kopeck.web.middleware import read_only

log = logging.getLogger(__name__)

#: A worker says every ten seconds that it lives.
HEARTBEAT = timedelta(seconds=60)
_all_run = threading.Event()


@read_only
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@read_only
def readyz(request: HttpRequest) -> JsonResponse:
    """200 with each part's state, or 503 with the part that is not ready."""
    if draining():
        return _not_ready(web="is being stopped")
    try:
        if missing := pending_migrations():
            return _not_ready(database="ok", migrations=f"{missing} to run")
        worker = _worker()
    except DatabaseError as problem:
        log.warning("not ready: %s", problem)
        return _not_ready(database="does not answer")
    parts = {"database": "ok", "migrations": "ok", "worker": worker, "stripe": _stripe()}
    return JsonResponse({"status": "ready", **parts})


def _not_ready(**parts: str) -> JsonResponse:
    return JsonResponse({"status": "not ready", **parts}, status=503)


def pending_migrations() -> int:
    """How many migrations of this code the database lacks; those that a newer one has run do no harm.

    Once there is none, this process remembers that: none is taken back under a shop that runs.
    """
    if _all_run.is_set():
        return 0
    run = MigrationRecorder(connection).applied_migrations()
    missing = MigrationLoader(None).disk_migrations.keys() - run.keys()
    if not missing:
        _all_run.set()
    return len(missing)


def last_heartbeat() -> datetime | None:
    """Of any worker; None where none was ever there."""
    seen: datetime | None = ProcrastinateWorker.objects.aggregate(last=Max("last_heartbeat"))["last"]
    return seen


def _worker() -> str:
    seen = last_heartbeat()
    if seen is None:
        return "none runs"
    ago = timezone.now() - seen
    return "ok" if ago <= HEARTBEAT else f"no heartbeat for {ago.total_seconds():.0f} s"


def _stripe() -> str:
    """What the last calls of this process said. Stripe itself is never asked: it would be, every second."""
    if not heard:
        return "not asked yet"
    silent = [(name, time.time() - last.since) for name, last in heard.items() if not last.answers]
    return "; ".join(f"{name}: no answer for {ago:.0f} s" for name, ago in sorted(silent)) or "ok"
