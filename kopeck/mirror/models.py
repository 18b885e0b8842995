"""What the shop has in each Stripe account: the coupon of a discount, the rate of a tax."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kopeck.database.leases import Leased


class StripeMirror(Leased):
    """A discount's coupon, or a tax's rate, in one Stripe account: our note of what Stripe has.

    Written before Stripe is asked, so that of many who want the same object one makes it. Deleted once Stripe
    has retired it. `object_id` is no foreign key: the row outlives its discount until then.
    """

    class Kind(models.TextChoices):
        COUPON = "coupon", _("coupon")
        TAX_RATE = "tax_rate", _("tax rate")

    class Status(models.TextChoices):
        CREATING = "creating", _("being created")
        CURRENT = "current", _("in use")
        DOUBTFUL = "doubtful", _("to be looked up")
        RETIRING = "retiring", _("being retired")

    account = models.CharField(_("Stripe account"), max_length=20)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    object_id = models.BigIntegerField(_("discount or tax"))
    #: Names the object in its metadata and in the idempotency keys of its making.
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    stripe_id = models.CharField(_("Stripe's id"), max_length=255, null=True, blank=True)  # noqa: DJ001 - unique
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.CREATING)
    #: Its fingerprint, readable: what Stripe never changes, and what it does.
    facts = models.JSONField(_("fixed at Stripe"), default=dict)
    details = models.JSONField(_("changeable at Stripe"), default=dict)
    #: How often Stripe was asked in vain.
    tries = models.PositiveIntegerField(_("tries"), default=0)
    problem = models.TextField(_("problem"), blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    updated = models.DateTimeField(_("last touched"), auto_now=True)

    objects: ClassVar[models.Manager["StripeMirror"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("mirrored object"), _("mirrored objects")
        ordering = ["kind", "object_id", "account", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "stripe_id"], name="a_stripe_object_mirrors_one_object"
            ),
            models.UniqueConstraint(
                fields=["account", "kind", "object_id"],
                condition=Q(status__in=["creating", "current", "doubtful"]),
                name="an_object_is_mirrored_once_in_an_account",
            ),
            models.CheckConstraint(
                condition=Q(status="creating") ^ Q(stripe_id__isnull=False),
                name="a_mirrored_object_has_stripes_id",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.stripe_id or '…'} ({self.account})"
