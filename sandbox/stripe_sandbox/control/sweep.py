"""What happens by itself as time goes by: sessions end, slow refunds, debits and disputes are decided."""

from __future__ import annotations

from stripe_sandbox.box import Box
from stripe_sandbox.checkout.sessions import expire_due
from stripe_sandbox.resources import balance_transactions
from stripe_sandbox.resources.disputes import end_due
from stripe_sandbox.resources.payment_intents.settling import settle_due as settle_debits_due
from stripe_sandbox.resources.refunds import settle_due


def sweep(box: Box) -> None:
    """Do all that is due by the box's clock; the server calls it every second, and advancing the clock
    should."""
    expire_due(box)
    settle_due(box)
    settle_debits_due(box)
    end_due(box)
    balance_transactions.settle_due(box)
