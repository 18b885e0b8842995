"""The worker's comparisons with Stripe: a short one every hour, a long one every night."""

from datetime import timedelta

from django.conf import settings
from procrastinate.contrib.django import app

from kopeck.reconcile.compare import OVERLAP, Report, Scope, reconcile
from kopeck.reconcile.unanswered import give_up_attempts

#: As far back as Stripe keeps events.
NIGHTLY = timedelta(days=30)


@app.periodic(cron="37 * * * *")
@app.task(queueing_lock="reconcile", lock="reconcile", pass_context=False)
def compare_the_last_hours(timestamp: int) -> None:
    """Every hour: everything since the last comparison."""
    compare(OVERLAP)


@app.periodic(cron="53 3 * * *")
@app.task(queueing_lock="reconcile-nightly", lock="reconcile", pass_context=False)
def compare_the_last_month(timestamp: int) -> None:
    """Every night: the last thirty days."""
    compare(NIGHTLY)


def compare(back: timedelta) -> Report:
    return reconcile(Scope(tuple(settings.STRIPE_ACCOUNTS), back=back))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="unanswered", pass_context=False)
def find_unanswered(timestamp: int) -> None:
    """Every minute: attempts whose request died before Stripe's answer was stored."""
    give_up_attempts()
