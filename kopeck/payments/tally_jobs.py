"""The worker's hourly count for `/metrics`."""

from procrastinate.contrib.django import app

from kopeck.payments import tallies


@app.periodic(cron="7 * * * *")
@app.task(queueing_lock="count-tallies", pass_context=False)
def count_tallies(timestamp: int) -> None:
    """Every hour: the sums that no scrape counts."""
    tallies.count()
