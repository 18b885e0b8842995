"""Jobs of the worker that forget what was counted, and note when an attack is over."""

from datetime import timedelta

from django.conf import settings
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
    budgets = Budget.objects.filter(began__lt=now - 2 * window).order_by("began").values("pk")[:BATCH]
    declined = Decline.objects.filter(created__lt=now - KEEP_DECLINES).order_by("created")
    deleted, _each = Budget.objects.filter(pk__in=budgets).delete()
    return deleted + Decline.objects.filter(pk__in=declined.values("pk")[:BATCH]).delete()[0]
