"""Jobs of the worker: numbers for receipts that no mail has asked for."""

from procrastinate.contrib.django import app

from kopeck.orders.models import Order
from kopeck.orders.receipts import number_all


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="receipts", pass_context=False)
def number_receipts(timestamp: int) -> None:
    """Every minute: paid orders without a number. Most get it a moment after the payment, by their mail."""
    if Order.objects.filter(paid_at__isnull=False, receipt=None).exists():
        number_all()
