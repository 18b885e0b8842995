"""The worker's comparisons with Stripe: everything at night, and soon again what is left or had trouble."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck.reconcile.compare import KINDS, MIRRORED, Scope, latest_runs, reconcile
from kopeck.reconcile.kinds import OVERLAP
from kopeck.reconcile.models import Run
from kopeck.reconcile.unanswered import give_up_attempts

#: A kind that was not compared for so long is compared outside the night, too.
OVERDUE = timedelta(hours=25)
#: The worker repairs no coupon and no tax rate: somebody changed it at Stripe on purpose, maybe.
REPAIR = frozenset(KINDS) - MIRRORED


@app.periodic(cron="53 3 * * *")
@app.task(queueing_lock="reconcile-nightly", lock="reconcile", pass_context=False)
def compare_nightly(timestamp: int) -> None:
    """Every night: whatever is young enough to have changed."""
    reconcile(Scope(tuple(settings.STRIPE_ACCOUNTS), back=None, repair=REPAIR))


@app.periodic(cron="11,31,51 * * * *")
@app.task(queueing_lock="reconcile", lock="reconcile", pass_context=False)
def compare_again(timestamp: int) -> None:
    """Every twenty minutes: what the last comparison left, and what it could not compare, or never did."""
    Run.objects.exclude(account__in=settings.STRIPE_ACCOUNTS).delete()
    runs, before = latest_runs(), timezone.now() - OVERDUE
    for account in settings.STRIPE_ACCOUNTS:
        last = {kind: runs.get((account, kind)) for kind in KINDS}
        undone = [kind for kind, run in last.items() if run is None or run.trouble or run.ended < before]
        left = [kind for kind, run in last.items() if run and run.left and kind not in undone]
        for kinds, back in ((undone, None), (left, OVERLAP)):
            if kinds:
                reconcile(Scope((account,), kinds=tuple(kinds), back=back, repair=REPAIR))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="unanswered", pass_context=False)
def find_unanswered(timestamp: int) -> None:
    """Every minute: attempts whose request died before Stripe's answer was stored."""
    give_up_attempts()
