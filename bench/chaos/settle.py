"""One round of what the worker does as time goes by, all of it at once, in the shop's own process.

`python -m bench.chaos.settle`: the clock has jumped, so every sweep finds its time come. The functions are
the shop's; only the waiting is left out. Prints what `manage.py reconcile` would if it is there.
"""

import django


def tidy() -> None:
    """The periodic jobs of the worker, in the order in which their minutes come."""
    from asgiref.sync import async_to_sync

    from kopeck.payments import jobs, mirror_jobs, refund_jobs

    async_to_sync(jobs.retry_stalled_jobs.func)(0)
    jobs.sweep(0)
    refund_jobs.finish_refunds(0)
    refund_jobs.hear_of_the_last_days(0)
    mirror_jobs.catch_up(0)


if __name__ == "__main__":
    django.setup()
    tidy()
