"""Sends what is owed: a lease on the row, then the endpoint with nothing held, then what became of it.

A worker that dies in between leaves a lease that ends. The next try sends the same body under the same id.
"""

import logging
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from uuid import uuid4

from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.dispatch import receiver
from django.utils import timezone
from procrastinate.contrib.django import app
from standardwebhooks import Webhook

from kopeck import stopping
from kopeck.database import rows
from kopeck.database.leases import is_free
from kopeck.database.retries import backoff
from kopeck.database.slow import release_database
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.orders.signals import order_sent
from kopeck.outgoing import payloads
from kopeck.outgoing.addresses import Refused, read_target, resolve
from kopeck.outgoing.models import OWE, Delivery, Endpoint, Event
from kopeck.outgoing.sending import post
from kopeck.payments.models import Payment
from kopeck.payments.signals import order_paid
from kopeck.refunds.models import Dispute, Refund
from kopeck.refunds.signals import dispute_changed, refund_made
from kopeck.sentences import Sentence

log = logging.getLogger(__name__)
Status = Delivery.Status
SWITCHED_OFF = Sentence("The endpoint is switched off.")
ANSWERED = Sentence("The endpoint answered %(answer)s.")

#: Longer than one try may take.
LEASE = timedelta(minutes=2)
#: After each failure until the next try: three days and three quarters in all, as Standard Webhooks advises.
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
#: The endpoint says that it is gone, and wants nothing more.
GONE = 410
#: For a restart of PostgreSQL only: what an endpoint refuses has its own times, on the row.
BACKOFF = backoff()
#: How many one sweep sends. One endpoint may be silent for 20 seconds at each.
BATCH = 50


@app.task(retry=BACKOFF)
def send(delivery_id: int) -> None:
    """Sends one, and then what else its endpoint is owed by now. Deferred in the transaction that causes it.

    One job is at an endpoint at a time, and a failure ends it: a silent one may take this thread for twenty
    seconds, but not all of them from mails and refunds. What is left to do the sweep does.
    """
    owed = Delivery.objects.filter(status=Status.WAITING, endpoint__deliveries=delivery_id).order_by("due_at")
    if owed.filter(~is_free()).exists():
        return
    number: int | None = delivery_id
    while number is not None and deliver(number):
        stopping.check()
        number = owed.filter(is_free(), due_at__lte=timezone.now()).values_list("pk", flat=True).first()


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="outgoing", pass_context=False)
def send_due(timestamp: int) -> None:
    """Every minute: what failed and is due again, and whatever lost its job or its sender.

    Of an endpoint that has just failed nothing more is tried in this minute: others wait behind it. Each has
    its turn, however much another one is owed.
    """
    due = Delivery.objects.filter(is_free(), status=Status.WAITING, due_at__lte=timezone.now())
    turn = Window(RowNumber(), partition_by="endpoint", order_by="due_at")
    found = due.order_by(turn, "due_at").values_list("pk", "endpoint_id")[:BATCH]
    failing: set[int] = set()
    for number, endpoint in stopping.each(list(found)):
        if endpoint not in failing and deliver(number) is False:
            failing.add(endpoint)


def deliver(delivery_id: int) -> bool | None:
    """Whether it was sent; None: nobody was asked, or somebody else is at it."""
    delivery = Delivery.objects.select_related("endpoint").filter(pk=delivery_id).first()
    is_due = Q(status=Status.WAITING, due_at__lte=timezone.now())
    if delivery is None or not delivery.claim(LEASE, is_due, tries=F("tries") + 1):
        return None
    if not delivery.endpoint.enabled:
        delivery.release(status=Status.FAILED, problem=SWITCHED_OFF())
        return None
    release_database()
    answered, problem = _try(delivery)
    delivery.refresh_from_db(fields=["tries"])
    if answered is not None and 200 <= answered < 300:
        facts: dict[str, Any] = {"status": Status.SENT, "sent_at": timezone.now()}
        # Even if another has the lease by now: it is sent.
        Delivery.objects.filter(pk=delivery.pk).update(
            **facts, answered=answered, problem="", lease_until=None
        )
        return True
    _note(delivery, answered, problem)
    return False


def _try(delivery: Delivery) -> tuple[int | None, str]:
    """The status of the answer, or None and what happened in its place."""
    now, body = timezone.now(), delivery.body
    signature = Webhook(delivery.endpoint.secret).sign(delivery.message_id, now, body)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Kopeck",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    try:
        target = read_target(delivery.endpoint.url)
        status = post(target, resolve(target), body.encode(), headers)
    except Refused as refusal:
        return None, str(refusal)
    except (OSError, HTTPException, ValueError) as trouble:
        # A library quotes what the endpoint sent, and that may be anything.
        said = "".join(letter if letter.isprintable() else "?" for letter in str(trouble))
        return None, f"{type(trouble).__name__}: {said}"[:500]
    return status, ANSWERED(answer=status)


def _note(delivery: Delivery, answered: int | None, problem: str) -> None:
    is_last = delivery.tries > len(PAUSES) or answered == GONE
    pause = PAUSES[min(delivery.tries, len(PAUSES)) - 1]
    delivery.release(
        status=Status.FAILED if is_last else Status.WAITING,
        due_at=timezone.now() + pause,
        answered=answered,
        problem=problem,
    )
    if answered == GONE:
        Endpoint.objects.filter(pk=delivery.endpoint_id).update(enabled=False)
    elif delivery.tries == 1:  # before the sweep: most endpoints were only being restarted
        send.configure(schedule_in={"seconds": PAUSES[0].seconds + 1}).defer(delivery_id=delivery.pk)
    log.warning("webhook %s of order %s is not delivered: %s", delivery.pk, delivery.order_id, problem)


# Receivers run with the order's row locked, in the transaction that does what they tell of.


@receiver(order_paid)
def owe_paid(sender: type[Payment], payment: Payment, order: Order, **more: Any) -> None:
    _owe(Event.PAID, order)


@receiver(refund_made)
def owe_refunded(sender: type[Refund], refund: Refund, order: Order, **more: Any) -> None:
    _owe(Event.REFUNDED, order, refund=refund.summary())


@receiver(order_sent)
def owe_sent(sender: type[Shipment], shipment: Shipment, **more: Any) -> None:
    _owe(Event.SENT, shipment.order, shipment=payloads.shipment(shipment))


@receiver(dispute_changed)
def owe_disputed(sender: type[Dispute], dispute: Dispute, order: Order, **more: Any) -> None:
    _owe(Event.DISPUTED, order, dispute=payloads.dispute(dispute))


_OWE = rows.insert_and_defer(OWE, send, "delivery_id")


def _owe(event: Event, order: Order, **more: Any) -> None:
    body = payloads.body_of(event, order, **more)
    rows.read(_OWE, [order.pk, f"msg_{uuid4().hex}", event.value, body, event.value])
