"""Mails to buyers: a row and its job are written in the transaction that causes them, once for each cause.

A receipt when an order is paid, an apology in its place where something was sold out, a mail for each refund;
none for a payment that was declined or ran out. The words are made when the mail is first sent
(mail/jobs.py): a mail that can't be written must not stop a payment.
"""

import uuid
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from kopeck.database import rows
from kopeck.database.leases import Leased
from kopeck.orders.access import orders_link
from kopeck.orders.models import EMAIL_LENGTH, Order
from kopeck.payments.models import Payment
from kopeck.refunds.models import Refund
from kopeck.telemetry.redaction import scrub


class Mail(Leased):
    """One mail to the buyer of an order. `due_at`: before then nobody sends it; its sender has its lease."""

    class Kind(models.TextChoices):
        RECEIPT = "receipt", _("receipt")
        REFUND = "refund", _("refund")
        APOLOGY = "apology", _("apology: sold out")
        SENT = "sent", _("sent")

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        NO_ADDRESS = "no_address", _("no address known")

    order = models.ForeignKey(Order, models.PROTECT, related_name="mails", verbose_name=_("order"))
    payment = models.ForeignKey(
        Payment, models.PROTECT, db_index=False, related_name="mails", verbose_name=_("payment")
    )
    refund = models.ForeignKey(
        Refund,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="mails",
        verbose_name=_("refund"),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    #: Makes the Message-ID: a copy sent after a crash is the same mail to one who receives both.
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    to = models.EmailField(_("to"), max_length=EMAIL_LENGTH, blank=True)
    subject = models.CharField(_("subject"), max_length=250, blank=True)
    text = models.TextField(_("text"), blank=True)
    html = models.TextField(blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    problem = models.TextField(_("problem"), blank=True)
    due_at = models.DateTimeField(_("due"), auto_now_add=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    objects: ClassVar[models.Manager["Mail"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("mail"), _("mails")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind"],
                condition=Q(refund__isnull=True),
                name="an_order_has_one_mail_of_a_kind",
            ),
            models.UniqueConstraint(fields=["refund"], name="a_refund_has_one_mail"),
            models.CheckConstraint(
                condition=Q(kind="refund", refund__isnull=False)
                | (~Q(kind="refund") & Q(refund__isnull=True)),
                name="a_mail_is_of_a_refund_if_and_only_if_it_has_one",
            ),
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False)
                | (~Q(status="sent") & Q(sent_at__isnull=True)),
                name="a_mail_is_sent_if_and_only_if_it_has_sent_at",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(status="waiting"), name="mails_to_send"),
            models.Index(OpClass(Upper("to"), "text_pattern_ops"), name="mails_by_address"),
            models.Index(fields=["status", "id"], name="mails_by_status"),
            models.Index(fields=["kind", "id"], name="mails_by_kind"),
            models.Index(fields=["created"], name="mails_by_time_made"),
        ]

    def __str__(self) -> str:
        return self.subject or f"{self.get_kind_display()} {self.order_id}"

    @property
    def shown_text(self) -> str:
        """The text as staff reads it, without the order's key: who may view mails may not change orders."""
        return scrub(self.text, kept=True)

    @property
    def _base(self) -> str:
        """The shop's own address, with the language where the buyer's said one; "" where nobody knows it."""
        given = self.payment.base_url
        return f"{settings.SITE_URL}{urlsplit(given).path}" if settings.SITE_URL else given

    @property
    def order_url(self) -> str:
        """The order's page with its key; "" where the shop does not know its own address."""
        base = self._base
        return f"{base}/order/{self.order.pk}?key={self.order.key}" if base else ""

    @property
    def orders_url(self) -> str:
        """All orders of the address that the mail goes to; "" as above."""
        base = self._base
        return f"{base}{orders_link(self.to)}" if base and self.to else ""


#: One mail for each cause, by the table's own rules: no row where it was owed before.
OWE = f"""
INSERT INTO {rows.insertion(Mail)} VALUES {rows.places(Mail)} ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608 - the model's own names

#: The leases of those of these mails that are due, free and have an address; each with its order and payment.
#: One that another sender has locked is left to that.
CLAIM = f"""
UPDATE mail_mail AS m SET lease_until = %s, tries = m.tries + 1, "to" = COALESCE(NULLIF(m."to", ''), o.email)
FROM orders_order AS o, payments_payment AS p
WHERE m.id IN (
    SELECT id FROM mail_mail WHERE id = ANY(%s) AND status = 'waiting' AND due_at <= %s
    AND (lease_until IS NULL OR lease_until <= %s) ORDER BY id FOR UPDATE SKIP LOCKED
) AND o.id = m.order_id AND p.id = m.payment_id AND (m."to" <> '' OR o.email <> '')
RETURNING {rows.columns(Mail, "m")}, {rows.columns(Order, "o")}, {rows.columns(Payment, "p")}
"""  # noqa: S608 - the models' own names
