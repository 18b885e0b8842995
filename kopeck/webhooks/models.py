"""Events of Stripe, each stored once, and up to when all of an account are stored."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kopeck.database import rows


class StripeEvent(models.Model):
    """An event that Stripe delivered, stored once by (account, event id). Only `done` stops a retry."""

    class Status(models.TextChoices):
        RECEIVED = "received", _("received")
        DONE = "done", _("done")
        IGNORED = "ignored", _("ignored")
        REJECTED = "rejected", _("rejected")
        FAILED = "failed", _("failed")

    #: Processed: a further delivery changes nothing.
    SETTLED = (Status.DONE, Status.IGNORED, Status.REJECTED)
    UNSETTLED = (Status.RECEIVED, Status.FAILED)

    account = models.CharField(_("Stripe account"), max_length=20)
    event_id = models.CharField(_("event id"), max_length=255)
    type = models.CharField(_("type"), max_length=100)
    object_id = models.CharField(_("object"), max_length=255, blank=True)
    api_version = models.CharField(_("API version"), max_length=40, blank=True)
    #: None once it is a month old and processed (ops/jobs.py): from then on the row only stops a repetition.
    payload = models.JSONField(_("payload"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.RECEIVED)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    outcome = models.TextField(_("outcome"), blank=True)
    #: Of the last failure, without secrets; empty once it is processed.
    traceback = models.TextField(_("traceback"), blank=True, db_default="")
    created = models.DateTimeField(_("made by Stripe"))
    received = models.DateTimeField(_("received"), auto_now_add=True)
    handled = models.DateTimeField(_("handled"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("Stripe event"), _("Stripe events")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["event_id", "account"], name="an_event_is_stored_once")
        ]
        indexes = [
            models.Index(fields=["object_id"], name="events_of_an_object"),
            models.Index(fields=["status", "id"], name="events_by_status"),  # `/metrics` counts in it alone
            models.Index(fields=["type", "id"], name="events_by_type"),
            models.Index(fields=["account", "id"], name="events_of_an_account"),
            models.Index(
                fields=["received"], condition=Q(status__in=["received", "failed"]), name="events_to_process"
            ),
            # Each event stands in one of these two: the worker finds those that are past their time.
            models.Index(fields=["received"], condition=Q(payload__isnull=False), name="events_with_payload"),
            models.Index(
                fields=["received"], condition=Q(payload__isnull=True), name="events_without_payload"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

    @property
    def object(self) -> dict[str, Any]:
        """What the event is about, as it was then; {} once the payload is gone."""
        found: dict[str, Any] = {} if self.payload is None else self.payload["data"]["object"]
        return found

    @property
    def is_settled(self) -> bool:
        return self.status in self.SETTLED


#: Stores an event unless (account, event id) is there: its id, status and outcome, and whether it is new. Of
#: copies that arrive together one is new. No row where another transaction stored it while this one waited.
STORE_ONCE = f"""
WITH new AS (
    INSERT INTO {rows.insertion(StripeEvent)} VALUES {rows.places(StripeEvent)}
    ON CONFLICT (account, event_id) DO NOTHING RETURNING id, status, outcome
)
SELECT id, status, outcome, true FROM new
UNION ALL SELECT id, status, outcome, false FROM webhooks_stripeevent WHERE account = %s AND event_id = %s
"""  # noqa: S608 - the model's own names


class Cursor(models.Model):
    """All events that the account made until `up_to`, by Stripe's clock, are stored."""

    account = models.CharField(_("Stripe account"), max_length=20, unique=True)
    up_to = models.DateTimeField(_("up to"))

    objects: ClassVar[models.Manager["Cursor"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("cursor"), _("cursors")

    def __str__(self) -> str:
        return self.account
