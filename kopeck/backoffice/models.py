"""What was sold on days that are over, summed once: home reads a year of them as fast as a week.

A day is one of the shop's time zone. What is not summed yet is counted when it is asked for (takings.py).
"""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from kopeck.catalog.models import Item


class Day(models.Model):
    """Sums of a day and currency, in minor units. `bought`: those made that day that were paid."""

    day = models.DateField(_("day"))
    currency = models.CharField(_("currency"), max_length=3)
    orders = models.PositiveIntegerField(_("paid orders"), default=0)
    amount = models.PositiveBigIntegerField(_("taken"), default=0)
    refunds = models.PositiveIntegerField(_("refunds"), default=0)
    refunded = models.PositiveBigIntegerField(_("refunded"), default=0)
    made = models.PositiveIntegerField(_("orders made"), default=0)
    bought = models.PositiveIntegerField(_("of them paid"), default=0)

    objects: ClassVar[models.Manager["Day"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("day"), _("days")
        constraints = [
            models.UniqueConstraint(fields=["day", "currency"], name="a_day_is_summed_once_a_currency")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.currency}"


class DayItem(models.Model):
    """How much of an item was sold on a day, in pieces and minor units. Kept some weeks (takings.AGAIN)."""

    day = models.DateField(_("day"))
    item = models.ForeignKey(Item, models.CASCADE, db_index=False, related_name="+", verbose_name=_("item"))
    currency = models.CharField(_("currency"), max_length=3)
    pieces = models.PositiveIntegerField(_("pieces"))
    amount = models.PositiveBigIntegerField(_("taken"))

    objects: ClassVar[models.Manager["DayItem"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("item of a day"), _("items of a day")
        constraints = [
            models.UniqueConstraint(
                fields=["day", "item", "currency"], name="an_item_is_summed_once_a_day_and_currency"
            )
        ]
        indexes = [models.Index(fields=["item"], name="days_of_an_item")]

    def __str__(self) -> str:
        return f"{self.day} {self.item_id}"
