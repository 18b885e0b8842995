"""Numbers of receipts: 1, 2, 3 and so on, none left out and none given twice.

The worker gives them, many at a time, soon after the payments and not in them: every payment would wait for
the row of the counter. Numbers and counter are written by one transaction, so a crash loses neither.
"""

from django.db import connection, models, transaction
from django.db.models import Q

from kopeck import stopping

#: How many orders get their numbers in one transaction.
BATCH = 500

#: The counter's row, made where there is none, and locked: one gives numbers at a time.
_LAST = """
INSERT INTO orders_receiptcounter (id, last) VALUES (1, 0)
ON CONFLICT (id) DO UPDATE SET last = orders_receiptcounter.last RETURNING last
"""
#: What was paid first is numbered first. An order that somebody works on is left to the next time.
_GIVE = """
WITH found AS (
    SELECT id, paid_at FROM orders_order WHERE paid_at IS NOT NULL AND receipt IS NULL
    ORDER BY paid_at, id LIMIT %s FOR UPDATE SKIP LOCKED
), numbered AS (
    SELECT id, row_number() OVER (ORDER BY paid_at, id) AS place FROM found
), given AS (
    UPDATE orders_order AS o SET receipt = %s + place FROM numbered WHERE o.id = numbered.id
    RETURNING o.id, o.receipt
), counted AS (
    UPDATE orders_receiptcounter SET last = last + (SELECT count(*) FROM given) WHERE id = 1
)
SELECT id, receipt FROM given
"""


class ReceiptCounter(models.Model):
    """One row: the last number that was given."""

    last = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="there_is_one_counter_of_receipts"),
        ]

    def __str__(self) -> str:
        return f"{self.last}"


def give_numbers() -> dict[int, int]:
    """Numbers up to BATCH paid orders that have no number: numbers by the orders' ids."""
    # The second statement begins when the counter is ours: it sees what its last holder has written.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LAST)
        cursor.execute(_GIVE, [BATCH, *(cursor.fetchone() or (0,))])
        return dict(cursor.fetchall())


def number_all() -> dict[int, int]:
    """Numbers every paid order that has no number, a batch at a time: numbers by the orders' ids."""
    given = give_numbers()
    batch = len(given)
    while batch == BATCH:
        stopping.check()
        more = give_numbers()
        batch = len(more)
        given |= more
    return given
