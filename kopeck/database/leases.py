"""A lease: of many who would do the same slow thing for a row, one does it; it holds no lock meanwhile.

Taken by one conditional UPDATE, so no two have it. It ends by itself, for who holds it may die. What comes of
the slow thing is written by who still has the lease: somebody else may have taken it over since.
"""

from datetime import timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.utils import timezone


def is_free() -> Q:
    """Rows whose lease nobody holds now."""
    return Q(lease_until=None) | Q(lease_until__lte=timezone.now())


class Leased(models.Model):
    """A row with a lease. A lease lasts longer than one try; after that its holder counts as dead."""

    #: Until when the one who works on the row counts as alive.
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_leased(self) -> bool:
        """Whether somebody held the lease when this row was read."""
        return self.lease_until is not None and self.lease_until > timezone.now()

    def claim(self, length: timedelta, *where: Q, **facts: Any) -> bool:
        """Takes the lease, and writes `facts` with it. False: it is held, or the row is not (`where`) so."""
        until = timezone.now() + length
        row = type(self)._base_manager.filter(is_free(), *where, pk=self.pk)
        if not row.update(lease_until=until, **facts):
            return False
        for name, value in {"lease_until": until, **facts}.items():
            setattr(self, name, value)
        return True

    def mine(self) -> models.QuerySet[Self]:
        """This row, as long as it has the lease that was claimed by this object."""
        return type(self)._base_manager.filter(pk=self.pk, lease_until=self.lease_until)

    def release(self, **facts: Any) -> bool:
        """Ends the lease, and writes `facts` with that. False: somebody else has the lease by now."""
        return bool(self.mine().update(lease_until=None, **facts))
