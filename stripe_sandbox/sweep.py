"""What happens by itself as time goes by: sessions end, slow refunds, debits and disputes are decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .checkout import expire_due
from .disputes import end_due
from .refunds import settle_due
from .settling import settle_due as settle_debits_due

if TYPE_CHECKING:
    from .box import Box


def sweep(box: Box) -> None:
    """Do all that is due by the box's clock; the server calls it every second, and advancing the clock
    should."""
    expire_due(box)
    settle_due(box)
    settle_debits_due(box)
    end_due(box)
