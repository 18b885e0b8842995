"""The ledger of refunds, asked for here or at Stripe, and of disputes. Money in minor units.

A refund asked for here is a row before Stripe is asked. One made at Stripe's dashboard becomes a row when we
hear of it. The order's state follows from the sum; nothing else sets it.
"""

import uuid
from dataclasses import asdict
from typing import Any, ClassVar

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kopeck.database import rows
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.refunds.allocation import Part
from kopeck.sentences import Sentence

#: Stripe's words for why a bank disputes a payment or does not take a refund. Others are shown as they are.
REASONS = (
    Sentence("bank cannot process"),
    Sentence("check returned"),
    Sentence("credit not processed"),
    Sentence("customer initiated"),
    Sentence("debit not authorized"),
    Sentence("duplicate"),
    Sentence("fraudulent"),
    Sentence("general"),
    Sentence("incorrect account details"),
    Sentence("insufficient funds"),
    Sentence("noncompliant"),
    Sentence("product not received"),
    Sentence("product unacceptable"),
    Sentence("subscription canceled"),
    Sentence("unrecognized"),
    Sentence("charge for pending refund disputed"),
    Sentence("declined"),
    Sentence("expired or canceled card"),
    Sentence("lost or stolen card"),
    Sentence("merchant request"),
    Sentence("unknown"),
    Sentence("no reason given"),
)


class Refund(models.Model):
    """Money of one payment that is refunded. `allocation`: which part of which line it is of."""

    class Status(models.TextChoices):
        CREATING = "creating", _("requested")
        PENDING = "pending", _("pending")
        REQUIRES_ACTION = "requires_action", _("waits for the buyer")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELED = "canceled", _("cancelled")
        REFUSED = "refused", _("refused by Stripe")

    class Source(models.TextChoices):
        STAFF = "staff", _("admin")
        SHOP = "shop", _("automatic")
        STRIPE = "stripe", _("Stripe")

    class Reason(models.TextChoices):
        REQUESTED = "requested_by_customer", _("the buyer requested it")
        DUPLICATE = "duplicate", _("paid twice")
        FRAUDULENT = "fraudulent", _("fraud (Stripe blocks this card from now on)")

    #: Stripe has made the refund: the money is with the buyer or on its way. The order's state follows.
    MADE = (Status.PENDING, Status.REQUIRES_ACTION, Status.SUCCEEDED)
    #: Made or requested: no other refund may be of this money.
    CLAIMED = (Status.CREATING, *MADE)
    #: A refund's way: an answer of Stripe that is further back than what we know is an old one.
    RANK = {
        Status.CREATING: 0,
        Status.REFUSED: 0,
        Status.PENDING: 1,
        Status.REQUIRES_ACTION: 1,
        Status.SUCCEEDED: 2,
        Status.FAILED: 3,
        Status.CANCELED: 3,
    }

    order = models.ForeignKey(Order, models.PROTECT, related_name="refunds", verbose_name=_("order"))
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds", verbose_name=_("payment"))
    account = models.CharField(_("Stripe account"), max_length=20)
    #: Makes the idempotency key, and stands in the refund's metadata.
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    stripe_id = models.CharField(_("Stripe's id"), max_length=255, null=True, blank=True)  # noqa: DJ001 - unique
    status = models.CharField(_("status"), max_length=15, choices=Status.choices, default=Status.CREATING)
    amount = models.PositiveBigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    source = models.CharField(_("source"), max_length=6, choices=Source.choices)
    reason = models.CharField(_("reason"), max_length=30, choices=Reason.choices, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    #: Who pressed the button; a name, so that it outlives the account.
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True)
    #: `parts` as they are stored.
    allocation = models.JSONField(default=list)
    #: Once it is made, its pieces can be sold again.
    restock = models.BooleanField(_("puts pieces back in stock"), default=False, db_default=False)
    #: To the letter what Stripe is asked for, now and at every repetition.
    inputs = models.JSONField(default=dict)
    problem = models.TextField(_("problem"), blank=True)
    asked_at = models.DateTimeField(_("asked Stripe"), null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now)

    objects: ClassVar[models.Manager["Refund"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("refund"), _("refunds")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["stripe_id", "account"], name="a_stripe_refund_is_one_refund"),
            models.UniqueConstraint(
                fields=["payment"],
                condition=Q(
                    source="shop", status__in=["creating", "pending", "requires_action", "succeeded"]
                ),
                name="a_payment_is_refunded_by_itself_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["creating", "refused"]) | Q(stripe_id__isnull=False),
                name="a_refund_that_exists_has_stripes_id",
            ),
            models.CheckConstraint(condition=Q(amount__gte=1), name="a_refund_is_of_something"),
        ]
        indexes = [
            models.Index(
                fields=["asked_at"],
                condition=Q(status__in=["creating", "pending", "requires_action"]),
                name="refunds_under_way",
            ),
            models.Index(fields=["asked_at"], name="refunds_by_time_asked"),
            models.Index(fields=["created"], name="refunds_by_time_made"),
            models.Index(fields=["status", "id"], name="refunds_by_status"),
            models.Index(fields=["source", "id"], name="refunds_by_source"),
            models.Index(fields=["account", "id"], name="refunds_of_an_account"),
            models.Index(OpClass(Upper("requested_by"), "text_pattern_ops"), name="refunds_by_who_asked"),
        ]

    def __str__(self) -> str:
        return self.stripe_id or f"refund {self.pk}"

    def summary(self) -> dict[str, Any]:
        """What programs are told of it first: ids, state and sum, and nothing of the buyer.

        `cause` too: the refund of a second payment takes nothing from the order's money.
        """
        names = ("id", "stripe_id", "status", "amount", "currency", "reason", "cause")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of(cls, payment: Payment, amount: int, **facts: Any) -> "Refund":
        """A refund that is not stored yet, in the payment's currency unless `facts` name another one."""
        facts = {"currency": payment.currency, **facts}
        return cls(
            order_id=payment.order_id, payment=payment, account=payment.account, amount=amount, **facts
        )

    @property
    def idempotency_key(self) -> str:
        return f"kopeck-refund-{self.key}"

    @property
    def is_made(self) -> bool:
        return self.status in self.MADE

    @property
    def cause(self) -> str:
        """Why it is made by itself: `sold_out` or a `Payment.Review`; "" where somebody asked for it."""
        if self.payment.status != "needs_review":
            by_itself = self.payment.status == "paid" and self.source == self.Source.SHOP
            return "sold_out" if by_itself and self.order.sold_out else ""
        if self.reason == self.Reason.DUPLICATE:
            return "paid_before"
        return str(self.payment.review_reason) or "amount"

    @property
    def parts(self) -> list[Part]:
        return [Part(**part) for part in self.allocation]

    @parts.setter
    def parts(self, parts: list[Part]) -> None:
        self.allocation = [asdict(part) for part in parts]

    @property
    def pieces(self) -> dict[int, int]:
        """How many pieces, by the id of their line."""
        return {part.line: part.quantity for part in self.parts if part.quantity}


class Dispute(models.Model):
    """A buyer's bank takes the money back, or asks about it: a fact on the order, never its state."""

    class Status(models.TextChoices):
        WARNING_NEEDS_RESPONSE = "warning_needs_response", _("inquiry: needs an answer")
        WARNING_UNDER_REVIEW = "warning_under_review", _("inquiry: under review")
        WARNING_CLOSED = "warning_closed", _("inquiry: closed")
        NEEDS_RESPONSE = "needs_response", _("needs an answer")
        UNDER_REVIEW = "under_review", _("under review")
        WON = "won", _("won")
        LOST = "lost", _("lost")
        PREVENTED = "prevented", _("prevented")

    TO_DO = (Status.WARNING_NEEDS_RESPONSE, Status.NEEDS_RESPONSE)
    CLOSED = (Status.WARNING_CLOSED, Status.WON, Status.LOST, Status.PREVENTED)

    order = models.ForeignKey(Order, models.PROTECT, related_name="disputes", verbose_name=_("order"))
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="disputes", verbose_name=_("payment"))
    account = models.CharField(_("Stripe account"), max_length=20)
    stripe_id = models.CharField(_("Stripe's id"), max_length=255)
    #: Stripe's word; one that is not among the choices is shown as it is.
    status = models.CharField(_("status"), max_length=40, choices=Status.choices)
    reason = models.CharField(_("reason"), max_length=60, blank=True)
    amount = models.PositiveBigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    due_by = models.DateTimeField(_("answer by"), null=True, blank=True)
    has_evidence = models.BooleanField(_("evidence given"), default=False)
    opened = models.DateTimeField(_("opened"))
    closed = models.DateTimeField(_("closed"), null=True, blank=True)
    asked_at = models.DateTimeField(_("asked Stripe"))

    objects: ClassVar[models.Manager["Dispute"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("dispute"), _("disputes")
        ordering = ["due_by", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["stripe_id", "account"], name="a_stripe_dispute_is_one_dispute"),
            models.CheckConstraint(
                condition=Q(status__in=["warning_closed", "won", "lost", "prevented"], closed__isnull=False)
                | (~Q(status__in=["warning_closed", "won", "lost", "prevented"]) & Q(closed__isnull=True)),
                name="a_dispute_is_closed_if_and_only_if_it_has_closed",
            ),
        ]
        indexes = [models.Index(fields=["due_by"], condition=Q(closed__isnull=True), name="open_disputes")]

    def __str__(self) -> str:
        return self.stripe_id

    @property
    def is_to_do(self) -> bool:
        return self.status in self.TO_DO

    @property
    def why(self) -> str:
        """Stripe's word for the reason, as it is spoken."""
        return self.reason.replace("_", " ")

    @staticmethod
    def rank(status: str) -> int:
        """How far along a dispute is: opened, answered, closed. An answer from further back is an old one.

        An inquiry (`warning_…`) may become a chargeback, and then begins anew: it wants another answer.
        """
        stage = 2 if status in Dispute.CLOSED else 0 if status in Dispute.TO_DO else 1
        return stage if status.startswith("warning_") else 3 + stage


#: Asked at each payment that comes: by Django's query it was a seventh of all that such an event costs.
REFUNDED = """
SELECT coalesce(sum(amount), 0)::bigint FROM refunds_refund WHERE payment_id = %s AND status = ANY(%s)
"""


def refunded(payment: Payment) -> int:
    """How much of a payment Stripe has refunded, in minor units."""
    ((amount,),) = rows.read(REFUNDED, [payment.pk, list(Refund.MADE)])
    return int(amount)
