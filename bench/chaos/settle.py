"""One round of what the worker does as time goes by, all of it at once, in the shop's own environment.

`python -m bench.chaos.settle`: the clock has jumped, so every periodic job finds its time come. The jobs are
the shop's, each called as the worker calls it; only the waiting is left out. The comparison with Stripe comes
after it, by `manage.py reconcile`.
"""

import inspect

import django


def tidy() -> None:
    """Every periodic job of the worker once, the one that takes up the work of dead workers first."""
    from asgiref.sync import async_to_sync
    from procrastinate.contrib.django import app

    tasks = {one.task.name: one.task for one in app.periodic_registry.periodic_tasks.values()}
    for name in sorted(tasks, key=lambda name: (not name.endswith(".retry_stalled_jobs"), name)):
        func = tasks[name].func
        if ".compare_" in name:
            continue
        (async_to_sync(func) if inspect.iscoroutinefunction(func) else func)(0)


if __name__ == "__main__":
    django.setup()
    tidy()
