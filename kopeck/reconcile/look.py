"""What one comparison of one account carries along: what it may do, what it saw, what it found."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import InterfaceError, OperationalError

from kopeck import stopping
from kopeck.reconcile.models import Finding
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway
from kopeck.telemetry.redaction import scrub

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Look:
    """A look at one account. With `dry_run` nothing is changed, neither here nor at Stripe."""

    account: str
    dry_run: bool = False
    is_first: bool = True
    checked: int = 0
    seen: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    @contextmanager
    def at(self, kind: str, id: str) -> Iterator[None]:
        """Around the comparison of one object: what fails with it is told, and stops none of the others."""
        stopping.check()
        self.checked += 1
        self.seen.add(id)
        try:
            yield
        except (StripeUnavailable, OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("%s %s of account %s can't be compared", kind, id, self.account)
            said = f"{id} can't be compared: {type(error).__name__}: {error}"
            self.find("cannot_compare", kind, id, said)

    def find(
        self, code: str, kind: str, id: str, said: str, *, order: int | None = None, repaired: bool = False
    ) -> None:
        """Notes a difference; the same one is noted once, and as left if it is left."""
        finding = Finding(self.account, code, kind, id, scrub(said), order=order, repaired=repaired)
        for number, known in enumerate(self.findings):
            if (known.code, known.kind, known.id) == (code, kind, id):
                if known.repaired and not repaired:
                    self.findings[number] = finding
                return
        self.findings.append(finding)


def look_up(account: str, kind: str, stripe_id: str) -> dict[str, Any] | None:
    """The object as it is now; None: Stripe knows no such object. StripeUnavailable, StripeRefused."""
    try:
        return gateway(account).retrieve(kind, stripe_id)
    except StripeRefused as refusal:
        if not refusal.missing:
            raise
        return None
