"""Statements that were asked for in the admin: made by the worker, kept for some weeks, downloaded."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Statement(models.Model):
    """The accounts of the days from `since` to `until`, both included; `file` is its CSV, by gzip."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("being made")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    since = models.DateField(_("first day"))
    until = models.DateField(_("last day"))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.WAITING)
    problem = models.TextField(_("problem"), blank=True)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    #: `statement.Sums.as_json`.
    sums = models.JSONField(default=dict)
    file = models.BinaryField(null=True)
    made_by = models.CharField(_("made by"), max_length=150, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[models.Manager["Statement"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("statement"), _("statements for the accountant")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(since__lte=F("until")), name="a_statement_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(status="ready", file__isnull=False) | (~Q(status="ready") & Q(file__isnull=True)),
                name="a_statement_is_ready_if_and_only_if_it_has_its_file",
            ),
        ]
        indexes = [models.Index(fields=["created"], name="statements_by_time_made")]

    def __str__(self) -> str:
        return f"{self.since} – {self.until}"

    @property
    def file_name(self) -> str:
        return f"accounts-{self.since}-{self.until}.csv"

    def finish(self, status: "Statement.Status", **facts: Any) -> None:
        """Writes what became of it; nothing where it was deleted meanwhile."""
        Statement.objects.filter(pk=self.pk).update(status=status, **facts)
