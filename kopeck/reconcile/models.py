"""Comparisons with Stripe, and the discrepancies that they found."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kopeck import stopping
from kopeck.database.retries import AWAY
from kopeck.orders.models import Order
from kopeck.sentences import Said, Sentence
from kopeck.stripe_api.client import StripeUnavailable
from kopeck.telemetry.redaction import scrub

log = logging.getLogger(__name__)
CANNOT_COMPARE = Sentence("%(id)s can't be compared: %(problem)s")


class Code(models.TextChoices):
    """What a discrepancy is: a word for programs, and its name in the admin."""

    NEEDS_REVIEW = "needs_review", _("Payment needs review")
    WAITS_FOR_NOTHING = "waits_for_nothing", _("Order waits for no payment")
    ORDER_WITHOUT_PAYMENT = "order_without_payment", _("Order paid without a payment")
    ORDER_DIFFERS = "order_differs", _("Order and its payment differ")
    REFUND_STATE = "refund_state", _("Order does not follow its refunds")
    NOT_REFUNDED = "not_refunded", _("Sold out and not refunded")
    UNKNOWN_AT_STRIPE = "unknown_at_stripe", _("Unknown at Stripe")
    ID_NOT_STORED = "id_not_stored", _("Answer of Stripe’s was lost")
    STATUS_DIFFERS = "status_differs", _("Status differs")
    AMOUNT_DIFFERS = "amount_differs", _("Amount differs")
    STILL_PAYABLE = "still_payable", _("Can still be paid at Stripe")
    INTENT_DIFFERS = "intent_differs", _("Paid by another payment intent")
    SECOND_OBJECT = "second_object", _("Second payment of one attempt")
    UNKNOWN_ORDER = "unknown_order", _("Payment of an unknown order")
    UNKNOWN_ATTEMPT = "unknown_attempt", _("Unknown payment of an order")
    REFUNDS_DIFFER = "refunds_differ", _("Sum of refunds differs")
    REFUND_DIFFERS = "refund_differs", _("Refund differs")
    DISPUTE_DIFFERS = "dispute_differs", _("Dispute differs")
    REFUND_STUCK = "refund_stuck", _("Refund was not confirmed")
    EVENT_MISSING = "event_missing", _("Event never arrived")
    EVENT_FAILED = "event_failed", _("Event could not be processed")
    CANNOT_COMPARE = "cannot_compare", _("Could not be compared")
    NOT_IN_USE = "not_in_use", _("At Stripe, and not in use here")
    MISSING_AT_STRIPE = "missing_at_stripe", _("Missing at Stripe")
    DIFFERS_AT_STRIPE = "differs_at_stripe", _("Different at Stripe")


class Discrepancy(models.Model):
    """Something on which Stripe and the shop do not agree. What no run could repair waits for a person.

    `code` is a `Code`, `kind` and `object_id` what it is about. `gone`: both sides agree since then.
    """

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

    objects: ClassVar[models.Manager["Discrepancy"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("discrepancy"), _("discrepancies")
        ordering = ["-last_seen", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "object_id", "code"], name="a_discrepancy_is_kept_once"
            ),
        ]

    def __str__(self) -> str:
        return self.what

    @property
    def what(self) -> str:
        """The name of its code, for people."""
        return str(dict(Code.choices).get(self.code, self.code))

    @property
    def name(self) -> tuple[str, str, str, str]:
        """The same discrepancy of two runs has the same name."""
        return self.account, self.kind, self.object_id, self.code

    @property
    def is_repaired(self) -> bool:
        return self.gone is not None

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "account": self.account,
            "code": self.code,
            "kind": self.kind,
            "id": self.object_id,
            "said": self.said,
            "order": self.order_id,
            "repaired": self.is_repaired,
        }

    def keep(self) -> int:
        """Stores what is left; the row's number. It keeps since when it is there."""
        known = Discrepancy.objects.filter(
            account=self.account, kind=self.kind, object_id=self.object_id, code=self.code
        ).first()
        if known is not None:
            self.pk, self.first_seen = known.pk, known.first_seen
        self.save()
        return int(self.pk)


class Run(models.Model):
    """One comparison of one kind of objects of one account, and what it carries along.

    `up_to`: everything that Stripe made until then, by its clock, has been compared by this run or an earlier
    one. `trouble`: why it, or a part of it, could not be done.
    """

    account = models.CharField(_("Stripe account"), max_length=20)
    kind = models.CharField(_("kind"), max_length=10)
    started = models.DateTimeField(_("started"))
    ended = models.DateTimeField(_("ended"))
    up_to = models.DateTimeField(_("up to"), null=True, blank=True)
    checked = models.PositiveIntegerField(_("compared"), default=0)
    repaired = models.PositiveIntegerField(_("repaired"), default=0)
    left = models.PositiveIntegerField(_("left"), default=0)
    trouble = models.TextField(_("trouble"), blank=True)

    objects: ClassVar[models.Manager["Run"]] = models.Manager()

    #: Whether it may change something, here or at Stripe.
    may_repair: bool
    #: Ids of the objects that were compared.
    seen: set[str]
    found: dict[tuple[str, str, str, str], Discrepancy]

    class Meta:
        verbose_name, verbose_name_plural = _("comparison with Stripe"), _("comparisons with Stripe")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["account", "kind", "-id"], name="runs_of_a_kind")]

    def __str__(self) -> str:
        return f"{self.account} {self.kind} {self.started:%Y-%m-%d %H:%M}"

    @classmethod
    def begin(cls, account: str, kind: str, *, may_repair: bool = True) -> "Run":
        run = cls(account=account, kind=kind, started=timezone.now())
        run.may_repair, run.seen, run.found = may_repair, set(), {}
        return run

    @contextmanager
    def at(self, id: str) -> Iterator[None]:
        """Around the comparison of one object: what fails with it is told, and stops none of the others."""
        stopping.check()
        self.checked += 1
        self.seen.add(id)
        try:
            yield
        except (StripeUnavailable, *AWAY):
            raise
        except Exception as error:
            log.exception("%s %s of account %s can't be compared", self.kind, id, self.account)
            said = CANNOT_COMPARE(id=id, problem=f"{type(error).__name__}: {error}")
            self.find(Code.CANNOT_COMPARE, id, said)

    def find(
        self,
        code: Code,
        id: str,
        said: Said,
        *,
        kind: str = "",
        order: int | None = None,
        repaired: bool = False,
    ) -> None:
        """Notes a discrepancy; the same one is noted once, and as left if it is left."""
        now = timezone.now()
        discrepancy = Discrepancy(
            account=self.account,
            code=code.value,
            kind=kind or self.kind,
            object_id=id[:255],
            order_id=order,
            said=scrub(said),
            first_seen=now,
            last_seen=now,
            gone=now if repaired else None,
        )
        known = self.found.get(discrepancy.name)
        if known is None or known.is_repaired:
            self.found[discrepancy.name] = discrepancy

    def end(self, *, store: bool) -> None:
        """Counts; where `store`, keeps itself and what is left. What a whole run did not find is gone."""
        left = [one for one in self.found.values() if not one.is_repaired]
        self.ended, self.left, self.repaired = timezone.now(), len(left), len(self.found) - len(left)
        if not store:
            return
        with transaction.atomic():
            kept = [one.keep() for one in left]
            if not self.trouble:
                there = Discrepancy.objects.filter(account=self.account, kind=self.kind, gone=None)
                there.exclude(pk__in=kept).update(gone=self.ended)
            self.save()
