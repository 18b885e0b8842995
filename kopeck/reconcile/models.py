"""What a comparison with Stripe found: differences that are left, runs, and how far each account was walked.

`Finding` is one difference as a run sees it; what no run could repair is kept as a `Difference` until a later
run finds it gone.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from kopeck.orders.models import Order


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `code` names what it is, `kind` and `id` the object that it is about.

    `repaired`: both sides agree by now. `order` is the order's number, None where there is none.
    """

    account: str
    code: str
    kind: str
    id: str
    said: str
    order: int | None = None
    repaired: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Cursor(models.Model):
    """Everything of this kind that the account made until `up_to`, by Stripe's clock, has been compared."""

    account = models.CharField(_("Stripe account"), max_length=20)
    kind = models.CharField(_("kind"), max_length=10)
    up_to = models.DateTimeField(_("up to"))

    objects: ClassVar[models.Manager["Cursor"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("cursor"), _("cursors")
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="a_walk_has_one_cursor"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.kind}"


class Run(models.Model):
    """One comparison with Stripe. `trouble`: why it, or a part of it, could not be done."""

    started = models.DateTimeField(_("started"))
    ended = models.DateTimeField(_("ended"))
    checked = models.PositiveIntegerField(_("compared"), default=0)
    repaired = models.PositiveIntegerField(_("repaired"), default=0)
    left = models.PositiveIntegerField(_("left"), default=0)
    trouble = models.TextField(_("trouble"), blank=True)

    objects: ClassVar[models.Manager["Run"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("comparison with Stripe"), _("comparisons with Stripe")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.started:%Y-%m-%d %H:%M}"


class Difference(models.Model):
    """Something on which Stripe and the shop do not agree, and that a person has to look at."""

    account = models.CharField(_("Stripe account"), max_length=20, blank=True)
    code = models.CharField(_("what"), max_length=40)
    kind = models.CharField(_("kind"), max_length=10)
    object_id = models.CharField(_("object"), max_length=255)
    order = models.ForeignKey(
        Order, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("order")
    )
    said = models.TextField(_("what is different"))
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    gone = models.DateTimeField(_("gone"), null=True, blank=True)

    objects: ClassVar[models.Manager["Difference"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("difference"), _("differences")
        ordering = ["-last_seen", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "object_id", "code"], name="a_difference_is_kept_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.object_id}"
