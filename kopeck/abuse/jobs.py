"""Jobs of the worker that forget what was counted, and note when an attack is over."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck.abuse import declines
from kopeck.abuse.models import Budget, Decline

#: Longer than they count, for the owner to look at.
KEEP_DECLINES = timedelta(days=90)
BATCH = 10_000


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="limits", pass_context=False)
def sweep_limits(timestamp: int) -> None:
    """Every minute: an attack that is over, and counts that nobody asks for any more."""
    declines.end_attacks()
    forget()


def forget() -> int:
    """Deletes old counts, some at a time; how many."""
    now = timezone.now()
    window = timedelta(seconds=max(settings.BUDGET_VISITOR.seconds, settings.BUDGET_ADDRESS.seconds))
    budgets = Budget.objects.filter(began__lt=now - 2 * window).order_by("began")
    declined = Decline.objects.filter(created__lt=now - KEEP_DECLINES).order_by("created")
    return sum(_delete(rows) for rows in (budgets, declined))


def _delete(rows: QuerySet[Any]) -> int:
    # The ids first: of a subquery the planner expects a whole batch, and would read the whole table for it.
    batch = list(rows.values_list("pk", flat=True)[:BATCH])
    return int(rows.model._base_manager.filter(pk__in=batch).delete()[0])
