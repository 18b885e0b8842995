"""Sums over whole tables, kept for `/metrics`: counted by the worker once an hour, so that no scrape ever is.

What is under way is counted at the scrape, by partial indexes; what is over and only grows lies here.
"""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kopeck.locks import one_at_a_time

#: A payment may be written down this long after Stripe took it, and is in the total at once all the same.
LATE = timedelta(hours=1)

#: Name of the tally and the query of its labels and values; %(until)s is the end of what is counted.
QUERIES = {
    "orders": """
        SELECT status, count(*) FROM orders_order
        WHERE status NOT IN ('open', 'processing') GROUP BY status""",
    "events": """
        SELECT status, count(*) FROM webhooks_stripeevent
        WHERE status NOT IN ('received', 'failed') GROUP BY status""",
    "jobs": """
        SELECT status, count(*) FROM procrastinate_jobs
        WHERE status NOT IN ('todo', 'doing') GROUP BY status""",
    "paid_orders": """
        SELECT currency, count(*) FROM orders_order WHERE paid_at < %(until)s GROUP BY currency""",
    "paid_amount": """
        SELECT currency, sum(total) FROM orders_order WHERE paid_at < %(until)s GROUP BY currency""",
}


class Tally(models.Model):
    """One sum. `label`: a status or a currency. Amounts in minor units; of paid orders up to `until`."""

    name = models.CharField(_("name"), max_length=20)
    label = models.CharField(_("label"), max_length=20)
    value = models.BigIntegerField(_("value"))
    until = models.DateTimeField(_("until"))

    objects: ClassVar[models.Manager["Tally"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("tally"), _("tallies")
        constraints = [models.UniqueConstraint(fields=["name", "label"], name="a_tally_is_kept_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.label}: {self.value}"


def count(now: datetime | None = None) -> None:
    """Counts everything anew. Readers see the old sums or the new ones, never a mixture."""
    until = (now or timezone.now()) - LATE
    with transaction.atomic():
        one_at_a_time("tallies")
        rows = []
        with connection.cursor() as cursor:
            for name, query in QUERIES.items():
                cursor.execute(query, {"until": until})
                rows += [Tally(name=name, label=label, value=value, until=until) for label, value in cursor]
        Tally.objects.all().delete()
        Tally.objects.bulk_create(rows)
