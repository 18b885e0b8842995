"""Payments of orders: one row for each way to pay that was made at Stripe. Money in minor units."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kopeck.catalog.models import Discount
from kopeck.database import rows
from kopeck.database.leases import Leased
from kopeck.orders.models import Order


class Payment(Leased):
    """One attempt to pay an order: one payable object at Stripe. Its lease is held while it is created there.

    The row is written before Stripe is asked, with the very `inputs` that Stripe will get; `key` makes the
    idempotency key. So a crash between Stripe's answer and our commit finds the same object again.
    """

    class Kind(models.TextChoices):
        CHECKOUT = "checkout", _("Checkout")
        INTENT = "intent", _("Payment Intent")

    class Status(models.TextChoices):
        CREATING = "creating", _("being created")
        OPEN = "open", _("open")
        PROCESSING = "processing", _("processing")
        NEEDS_REVIEW = "needs_review", _("needs review")
        PAID = "paid", _("paid")
        EXPIRED = "expired", _("expired")
        FAILED = "failed", _("failed")
        REFUSED = "refused", _("refused by Stripe")

    #: Something that can still become money.
    LIVE = (Status.CREATING, Status.OPEN, Status.PROCESSING)

    class Review(models.TextChoices):
        """Why a payment that arrived did not make its order paid."""

        AMOUNT = "amount", _("Stripe took another amount")
        PAID_BEFORE = "paid_before", _("another payment had paid the order")
        TERMS = "terms", _("the order was changed")
        CANCELLED = "cancelled", _("the order was cancelled")
        CODE = "code", _("the discount code was used up")

    #: Of payments that need review, those that nothing but the owner's word refunds. "": no reason is known.
    OWNER_DECIDES = ("", Review.AMOUNT)

    order = models.ForeignKey(
        Order,
        models.PROTECT,
        db_index=False,  # "attempts of an order are numbered" begins with it
        related_name="payments",
        verbose_name=_("order"),
    )
    account = models.CharField(_("Stripe account"), max_length=20)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.CHECKOUT)
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    stripe_id = models.CharField(_("Stripe's id"), max_length=255, null=True, blank=True)  # noqa: DJ001 - unique
    payment_intent = models.CharField(_("payment intent"), max_length=255, blank=True)
    url = models.TextField(blank=True)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.CREATING)
    amount = models.PositiveBigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    attempt = models.PositiveSmallIntegerField(_("attempt"))
    inputs = models.JSONField()
    fingerprint = models.CharField(max_length=64)
    asked_at = models.DateTimeField(_("asked Stripe"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"))
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    #: Who asked for it: a keyed hash of the address (abuse/budgets.py), for declines to be counted by.
    asked_from = models.CharField(_("address (hashed)"), max_length=64, blank=True, db_default="")
    #: The charge at Stripe that paid it: staff look for its id.
    charge = models.CharField(_("charge"), max_length=255, blank=True, default="", db_default="")
    card_brand = models.CharField(_("card"), max_length=20, blank=True)
    card_last4 = models.CharField(_("last four"), max_length=4, blank=True)
    problem = models.TextField(_("problem"), blank=True)
    #: Only the owner decides about another amount; whatever else needs review is refunded automatically.
    review_reason = models.CharField(
        _("needs review because"),
        max_length=15,
        choices=Review.choices,
        blank=True,
        default="",
        db_default="",
    )
    #: The shop's address and language as this buyer had them: for links, and words in mails.
    base_url = models.CharField(
        _("address of the shop"), max_length=300, blank=True, default="", db_default=""
    )
    language = models.CharField(_("language"), max_length=15, blank=True, default="", db_default="")
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("payment"), _("payments")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["stripe_id", "account"], name="a_stripe_object_is_one_payment"),
            models.UniqueConstraint(fields=["order", "attempt"], name="attempts_of_an_order_are_numbered"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=["creating", "open", "processing"]),
                name="an_order_has_at_most_one_live_payment",
            ),
            models.UniqueConstraint(
                fields=["order"], condition=Q(status="paid"), name="an_order_is_paid_at_most_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["creating", "refused"]) | Q(stripe_id__isnull=False),
                name="a_payment_that_exists_has_stripes_id",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False)
                | (~Q(status="paid") & Q(paid_at__isnull=True)),
                name="a_payment_is_paid_if_and_only_if_it_has_paid_at",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(status__in=["creating", "open", "processing"]),
                name="live_payments",
            ),
            models.Index(fields=["payment_intent"], name="payments_of_an_intent"),
            models.Index(
                fields=["paid_at"], condition=Q(paid_at__isnull=False), name="payments_by_time_paid"
            ),
            models.Index(fields=["created"], condition=Q(status="needs_review"), name="payments_to_review"),
            models.Index(fields=["charge"], condition=~Q(charge=""), name="payments_of_a_charge"),
            models.Index(fields=["card_last4"], condition=~Q(card_last4=""), name="payments_of_a_card"),
            models.Index(fields=["status", "id"], name="payments_by_status"),
            models.Index(fields=["kind", "id"], name="payments_by_kind"),
            models.Index(fields=["account", "created"], name="payments_of_an_account"),
        ]

    def __str__(self) -> str:
        return self.stripe_id or f"attempt {self.attempt}"

    @property
    def idempotency_key(self) -> str:
        return f"kopeck-{self.key}"

    @property
    def is_live(self) -> bool:
        return self.status in self.LIVE

    def settle(self, status: "Payment.Status", *, paid_at: datetime | None = None, **facts: str) -> None:
        """Writes what Stripe said. Called with the order's row locked."""
        rows.update(self, *self.set_settled(status, paid_at=paid_at, **facts))

    def set_settled(
        self, status: "Payment.Status", *, paid_at: datetime | None = None, **facts: str
    ) -> tuple[str, ...]:
        """As `settle`; the fields that are to be written."""
        self.status, self.paid_at = status, paid_at
        for name, value in facts.items():
            setattr(self, name, value)
        return ("status", "paid_at", "asked_at", "stripe_id", *facts)


#: Stripe's statuses of a refund whose money is back with the buyer, or on its way.
MONEY_BACK = ("pending", "requires_action", "succeeded")


def in_review(order: Order) -> models.QuerySet[Payment]:
    """The order's payments that need review and of which nothing was refunded yet."""
    found = Payment.objects.filter(order=order, status=Payment.Status.NEEDS_REVIEW)
    return found.exclude(refunds__status__in=MONEY_BACK)


def is_used_up(order: Order) -> bool:
    """Whether others have, or may pay for right now, every use of the order's discount.

    Called with the order's row locked; the discount's row is locked after it, everywhere in this order. So of
    many buyers with the last code one gets a way to pay, and of two late payments one makes its order paid.
    """
    if order.discount_id is None:
        return False
    discount = Discount.objects.select_for_update().get(pk=order.discount_id)
    if discount.max_redemptions is None:
        return False
    paid = Q(status__in=[*Order.WAS_PAID, Order.Status.PROCESSING])
    payable = Q(payments__status__in=Payment.LIVE)
    taken = Order.objects.filter(paid | payable, discount=discount).exclude(pk=order.pk).distinct().count()
    return taken >= discount.max_redemptions
