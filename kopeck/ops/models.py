"""What `/metrics` need not count anew."""

from datetime import timedelta
from typing import ClassVar

from django.db import connection, models, transaction
from django.utils.translation import gettext_lazy as _

from kopeck.database.locks import one_at_a_time

#: An order that is found to have been paid so long ago is not counted: nothing looks back as far by itself.
SETTLED = timedelta(days=62)

_SUM_UP = """
INSERT INTO ops_paidbefore (currency, up_to, orders, amount)
SELECT currency, bound.until, count(*) FILTER (WHERE is_new), coalesce(sum(total) FILTER (WHERE is_new), 0)
FROM (SELECT statement_timestamp() - make_interval(secs => %s) AS until) AS bound CROSS JOIN LATERAL (
    SELECT currency, total, true AS is_new FROM orders_order
    WHERE paid_at >= coalesce((SELECT max(up_to) FROM ops_paidbefore), '-infinity') AND paid_at < bound.until
    UNION ALL SELECT currency, 0, false FROM ops_paidbefore
) AS paid
GROUP BY currency, bound.until
ON CONFLICT (currency) DO UPDATE SET
    up_to = excluded.up_to,
    orders = ops_paidbefore.orders + excluded.orders,
    amount = ops_paidbefore.amount + excluded.amount
"""


class PaidBefore(models.Model):
    """How many orders of a currency were paid before `up_to`, and for how much in minor units."""

    currency = models.CharField(_("currency"), max_length=3, primary_key=True)
    up_to = models.DateTimeField(_("up to"))
    orders = models.BigIntegerField(_("orders"))
    amount = models.BigIntegerField(_("amount"))

    objects: ClassVar[models.Manager["PaidBefore"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("sum of paid orders"), _("sums of paid orders")

    def __str__(self) -> str:
        return self.currency

    @staticmethod
    def sum_up() -> None:
        """Adds what was paid since the last time, and is settled by now."""
        with transaction.atomic(), connection.cursor() as cursor:
            one_at_a_time("sums of paid orders")
            cursor.execute(_SUM_UP, [SETTLED.total_seconds()])
