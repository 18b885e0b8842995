"""What keeps card testers out: how often who asked, which cards were declined, when an attack was on.

Addresses are kept as keyed hashes only; rows are swept by the worker (abuse/declines.py).
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kopeck.orders.models import Order


class Budget(models.Model):
    """How often one visitor or address started something in one window of time."""

    key = models.CharField(max_length=80)
    began = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        verbose_name, verbose_name_plural = _("budget"), _("budgets")
        constraints = [models.UniqueConstraint(fields=["key", "began"], name="a_budget_has_one_row_a_window")]
        indexes = [models.Index(fields=["began"], name="budgets_by_age")]

    def __str__(self) -> str:
        return f"{self.key[:12]} {self.began:%H:%M}: {self.count}"


class Decline(models.Model):
    """A card that was declined, as Stripe's event told; once by the charge that failed."""

    account = models.CharField(_("Stripe account"), max_length=20)
    #: The failed charge; where none was made, the event.
    stripe_id = models.CharField(_("Stripe's id"), max_length=255)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+", verbose_name=_("order"))
    visitor = models.CharField(max_length=64, blank=True)
    address = models.CharField(_("address (hashed)"), max_length=64, blank=True)
    code = models.CharField(_("code"), max_length=100, blank=True)
    created = models.DateTimeField(_("declined"))

    class Meta:
        verbose_name, verbose_name_plural = _("declined card"), _("declined cards")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["stripe_id", "account"], name="a_decline_is_counted_once")
        ]
        indexes = [models.Index(fields=["created"], name="declines_by_time")]

    def __str__(self) -> str:
        return self.stripe_id


class Attack(models.Model):
    """A time in which so many cards were declined that somebody must be testing them."""

    began = models.DateTimeField(_("began"), auto_now_add=True)
    #: Moved on while it goes on; from then on the shop is open as always.
    until = models.DateTimeField(_("until"))
    ended = models.DateTimeField(_("ended"), null=True, blank=True)
    #: The worst ten minutes of it.
    declines = models.PositiveIntegerField(_("declined in ten minutes"))
    paid = models.PositiveIntegerField(_("paid in ten minutes"))

    class Meta:
        verbose_name, verbose_name_plural = _("card testing attack"), _("card testing attacks")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["ended"],
                name="one_attack_at_a_time",
                condition=Q(ended__isnull=True),
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.began:%Y-%m-%d %H:%M}"
