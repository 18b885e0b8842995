"""Sums of the days that are over, for the desk's first page."""

from procrastinate.contrib.django import app

from kopeck.backoffice import takings


@app.periodic(cron="40 3 * * *")
@app.task(queueing_lock="days", pass_context=False)
def sum_up_days(timestamp: int) -> None:
    """Every night; until then home counts what is not summed yet."""
    takings.sum_up()
