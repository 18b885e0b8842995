"""Who is told what, and what is owed to them: a row for each event and endpoint.

The row is written in the transaction of what it tells of, so neither is there without the other. Its body
stays the same at every try; the signature and its time are made anew (outgoing/jobs.py).
"""

import base64
import secrets
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kopeck.database.leases import Leased
from kopeck.orders.models import Order
from kopeck.outgoing.addresses import Refused, read_target


class Event(models.TextChoices):
    PAID = "order.paid", _("an order is paid")
    REFUNDED = "order.refunded", _("an order is refunded, wholly or in part")
    SENT = "order.sent", _("an order is sent")
    DISPUTED = "order.disputed", _("an order is disputed, and how that goes on")


def _is_target(url: str) -> None:
    try:
        read_target(url)
    except Refused as refusal:
        raise ValidationError(str(refusal)) from None


class Endpoint(models.Model):
    """An address that hears of `events`, signed with `secret` as Standard Webhooks describes it."""

    url = models.URLField(_("address"), max_length=500, validators=[_is_target])
    description = models.CharField(_("description"), max_length=100, blank=True)
    events = ArrayField(models.CharField(max_length=30, choices=Event.choices), verbose_name=_("events"))
    secret = models.CharField(max_length=100, editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[models.Manager["Endpoint"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("webhook endpoint"), _("webhook endpoints")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(events=[]), name="an_endpoint_hears_of_something"),
            models.CheckConstraint(condition=~Q(secret=""), name="an_endpoint_has_a_secret"),
        ]

    def __str__(self) -> str:
        return self.description or self.url

    def give_secret(self) -> str:
        """A new secret. It has to be kept as it is: a hash of it signs nothing."""
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        return self.secret


class Delivery(Leased):
    """One event for one endpoint. `due_at`: before then nobody sends it; its sender has its lease."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    SETTLED = (Status.SENT, Status.FAILED)

    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, db_index=False, related_name="deliveries", verbose_name=_("endpoint")
    )
    order = models.ForeignKey(Order, models.PROTECT, related_name="deliveries", verbose_name=_("order"))
    #: The same for every endpoint and at every try: who gets it twice knows it by this.
    message_id = models.CharField(_("message"), max_length=40)
    type = models.CharField(_("event"), max_length=30, choices=Event.choices)
    body = models.TextField(_("body"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    #: The status of the last answer; None where there was none.
    answered = models.PositiveSmallIntegerField(_("answer"), null=True, blank=True)
    problem = models.TextField(_("problem"), blank=True)
    due_at = models.DateTimeField(_("due"), default=timezone.now)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    objects: ClassVar[models.Manager["Delivery"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("webhook delivery"), _("webhook deliveries")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "message_id"], name="an_endpoint_is_told_of_an_event_once"
            ),
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False)
                | (~Q(status="sent") & Q(sent_at__isnull=True)),
                name="a_delivery_is_sent_if_and_only_if_it_has_sent_at",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(status="waiting"), name="deliveries_to_send"),
            models.Index(
                fields=["created"], condition=Q(status__in=["sent", "failed"]), name="deliveries_by_age"
            ),
            models.Index(fields=["status", "id"], name="deliveries_by_status"),
            models.Index(fields=["type", "id"], name="deliveries_by_type"),
            models.Index(fields=["endpoint", "id"], name="deliveries_of_an_endpoint"),
            models.Index(fields=["message_id"], name="deliveries_of_a_message"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.order_id}"


#: A row for each endpoint that hears of the event, and none where no one does: one statement either way.
OWE = """
INSERT INTO outgoing_delivery
    (endpoint_id, order_id, message_id, type, body, status, tries, problem, due_at, created)
SELECT e.id, %s, %s, %s, %s, 'waiting', 0, '', statement_timestamp(), statement_timestamp()
FROM outgoing_endpoint AS e WHERE e.enabled AND %s = ANY(e.events)
RETURNING id
"""
