"""The tokens of programs, and what was answered to their requests.

Only a token's hash is stored, and the letters that it begins with.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kopeck.database.leases import Leased

#: Every token begins with this, so that a search for leaked secrets finds it (telemetry/redaction.py).
MARK = "kpk_"
#: How much of a token its owner sees later, to know it by.
SHOWN = len(MARK) + 6
#: `last_used` is written once in this time: a busy program costs no write for each request.
NOTED_EACH = timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a token may do. Whatever anybody may read, as the items on sale, needs none."""

    ITEMS_READ = "items:read", _("read all items and their stock")
    STOCK_WRITE = "stock:write", _("change the stock of items")
    ORDERS_READ = "orders:read", _("read all orders")
    ORDERS_WRITE = "orders:write", _("make, change and pay orders")
    REFUNDS_WRITE = "refunds:write", _("refund payments")
    SHIPMENTS_WRITE = "shipments:write", _("mark orders as sent")


#: What members of staff must be granted themselves before they can hand the scope to a program.
GRANTED_BY = {
    Scope.ITEMS_READ: "catalog.view_item",
    Scope.STOCK_WRITE: "catalog.change_item",
    Scope.ORDERS_READ: "orders.view_order",
    Scope.ORDERS_WRITE: "orders.change_order",
    Scope.REFUNDS_WRITE: "refunds.add_refund",
    Scope.SHIPMENTS_WRITE: "orders.change_shipment",
}


def hash_of(token: str) -> str:
    """A token has 240 random bits, so a quick hash keeps it: nobody can try them all."""
    return hashlib.sha256(token.encode()).hexdigest()


class Token(models.Model):
    """Lets a program use the API until `ends` (None: for ever), as far as its `scopes` go."""

    name = models.CharField(_("name"), max_length=100, help_text=_("Which program has it."))
    prefix = models.CharField(_("begins with"), max_length=SHOWN, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope.choices), verbose_name=_("scopes"))
    ends = models.DateTimeField(
        _("ends"), null=True, blank=True, help_text=_("Then it stops working. Empty: it does not end.")
    )
    last_used = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    made_by = models.CharField(_("made by"), max_length=150, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[models.Manager["Token"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("API token"), _("API tokens")
        ordering = ["-pk"]
        constraints = [
            # No `unique=True`, which makes a second index, for LIKE.
            models.UniqueConstraint(fields=["digest"], name="a_token_is_one_programs"),
            models.CheckConstraint(condition=~models.Q(scopes=[]), name="a_token_may_do_something"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)" if self.prefix else self.name

    def give_secret(self) -> str:
        """Makes the token itself, which is known to nobody once this answer is gone."""
        token = MARK + secrets.token_urlsafe(30)
        self.prefix, self.digest = token[:SHOWN], hash_of(token)
        return token

    @property
    def has_ended(self) -> bool:
        return self.ends is not None and self.ends <= timezone.now()

    def note_use(self) -> None:
        """Writes when it was last used, to the minute."""
        now = timezone.now()
        if self.last_used is None or now - self.last_used >= NOTED_EACH:
            Token.objects.filter(pk=self.pk).update(last_used=now)


class Answer(Leased):
    """What was answered to a request with an `Idempotency-Key`, for a day; without a status it is at work.

    `owner`: the hash of the token or of the cookie that asked.
    """

    owner = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    #: Of method, address and body: another request needs another key.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Answer"]] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="a_key_is_answered_once")]
        indexes = [models.Index(fields=["created"], name="answers_by_age")]

    def __str__(self) -> str:
        return self.key


#: A row for a new key, or for one that was cut off or is answered anew each time; none where there is an
#: answer, somebody is at work, or it is another request's.
BEGIN = """
INSERT INTO api_answer (owner, key, fingerprint, lease_until, body, created) VALUES (%s, %s, %s, %s, '', %s)
ON CONFLICT (owner, key) DO UPDATE SET lease_until = EXCLUDED.lease_until
WHERE api_answer.status IS NULL AND api_answer.fingerprint = EXCLUDED.fingerprint
AND (api_answer.lease_until IS NULL OR api_answer.lease_until <= EXCLUDED.created)
RETURNING id
"""
