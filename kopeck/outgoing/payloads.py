"""What the programs are told: numbers, sums and states, as JSON. Nothing of it says who the buyer is.

A program that needs more asks the API for the order by its id.
"""

import json
from datetime import datetime
from typing import Any

from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.outgoing.models import Event
from kopeck.refunds.models import Dispute


def body_of(event: Event, order: Order, **more: Any) -> str:
    """The text that is sent: it is signed, so it never changes."""
    data = {"order": _order(order), **more}
    return json.dumps({"type": event.value, "timestamp": _time(timezone.now()), "data": data})


def _time(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds").replace("+00:00", "Z") if when else None


def _order(order: Order) -> dict[str, Any]:
    return {
        **order.summary(),
        "paid_at": _time(order.paid_at),
    }


def shipment(shipment: Shipment) -> dict[str, Any]:
    return {"sent_at": _time(shipment.sent_at)}


def dispute(dispute: Dispute) -> dict[str, Any]:
    return {
        "stripe_id": dispute.stripe_id,
        "status": dispute.status,
        "amount": dispute.amount,
        "currency": dispute.currency,
        "reason": dispute.reason,
        "due_by": _time(dispute.due_by),
    }
