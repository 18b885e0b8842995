"""What the last comparison of discounts and taxes with Stripe's copies found: a row an account and kind.

Written by the worker's look (`mirror_jobs`) and by `manage.py mirror`, told by `/metrics`.
"""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MirrorCheck(models.Model):
    """`differences` as of `checked`; None: it was tried, and Stripe has never answered."""

    account = models.CharField(_("Stripe account"), max_length=20)
    kind = models.CharField(_("kind"), max_length=10)
    differences = models.PositiveIntegerField(_("differences"), default=0)
    checked = models.DateTimeField(_("compared"), null=True)

    objects: ClassVar[models.Manager["MirrorCheck"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("comparison of copies"), _("comparisons of copies")
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="a_mirror_check_is_kept_once"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.kind}: {self.differences}"


def keep(account_name: str, kind: str, differences: int) -> None:
    """Notes what was found just now."""
    MirrorCheck.objects.bulk_create(
        [MirrorCheck(account=account_name, kind=kind, differences=differences, checked=timezone.now())],
        update_conflicts=True,
        unique_fields=["account", "kind"],
        update_fields=["differences", "checked"],
    )


def keep_failed(account_name: str, kind: str) -> None:
    """Notes that it could not be compared: what was found before stays, and ages."""
    MirrorCheck.objects.bulk_create(
        [MirrorCheck(account=account_name, kind=kind, checked=None)], ignore_conflicts=True
    )
