"""Sends mails: a lease on the row, then the mail server with nothing held, then what became of it.

A worker that dies in between leaves a lease that ends; the next try sends the same words, which were kept,
under the same Message-ID. A sweep claims several by one statement, and releases at once what it does not
begin.
"""

import logging
from collections import deque
from datetime import timedelta
from email.utils import parseaddr
from operator import attrgetter
from smtplib import SMTPRecipientsRefused
from time import monotonic
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F, prefetch_related_objects
from django.dispatch import receiver
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck import stopping
from kopeck.database import rows
from kopeck.database.leases import is_free
from kopeck.database.retries import backoff
from kopeck.database.slow import release_database
from kopeck.mail.models import CLAIM, OWE, Mail
from kopeck.mail.texts import write
from kopeck.orders.models import Order
from kopeck.orders.receipts import number_all
from kopeck.orders.shipment import Shipment
from kopeck.orders.signals import order_sent
from kopeck.payments.models import Payment
from kopeck.payments.signals import order_paid
from kopeck.refunds.models import Refund
from kopeck.refunds.signals import refund_made

log = logging.getLogger(__name__)
Status = Mail.Status

#: Longer than a mail server may take (EMAIL_TIMEOUT holds for each of its answers).
LEASE = timedelta(minutes=5)
#: Tried after 1, 4, 16 ... minutes and then every six hours: for a day and a half in all.
MAX_TRIES, LONGEST_WAIT = 11, timedelta(hours=6)
#: For a restart of PostgreSQL only: what the mail server refuses has its own times, on the row.
BACKOFF = backoff()
#: How many mails one sweep sends, how many of them are claimed and written by one statement each, and after
#: how many failures it takes the mail server for dead.
BATCH, TOGETHER, PATIENCE = 100, 20, 3


@app.task(retry=BACKOFF)
def send(mail_id: int) -> None:
    """Sends one mail. Deferred in the transaction that causes it; what fails is left to `send_due`."""
    deliver(mail_id)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="mails", pass_context=False)
def send_due(timestamp: int) -> None:
    """Every minute: mails that failed and are due again, and those whose job or sender was lost."""
    due = Mail.objects.filter(is_free(), status=Status.WAITING, due_at__lte=timezone.now()).order_by("due_at")
    numbers, failures = list(due.values_list("pk", flat=True)[:BATCH]), 0
    for start in stopping.each(range(0, len(numbers), TOGETHER)):
        done = _deliver(numbers[start : start + TOGETHER], PATIENCE - failures)
        failures += sum(not is_sent for is_sent in done.values())
        if failures >= PATIENCE:
            break


def deliver(mail_id: int) -> bool | None:
    """Whether it was sent; None: nothing was to be done, or somebody else is at it."""
    return _deliver([mail_id], PATIENCE).get(mail_id)


def _deliver(numbers: list[int], patience: int) -> dict[int, bool]:
    """Of those of these mails that are to be sent now, whether each was. The rest is released when the
    process is asked to stop, after `patience` failures, or when half of the lease is over.
    """
    mails, until, found = _claim(numbers), monotonic() + LEASE.total_seconds() / 2, dict[int, bool]()
    rest = deque(_written(_numbered(mails), found))
    try:
        while rest and list(found.values()).count(False) < patience and monotonic() < until:
            stopping.check()
            mail = rest.popleft()
            found[mail.pk] = _send(mail)
    finally:
        if rest:
            held = Mail.objects.filter(pk__in=[mail.pk for mail in rest], lease_until=rest[0].lease_until)
            held.update(lease_until=None, tries=F("tries") - 1)
    return found


def _send(mail: Mail) -> bool:
    try:
        release_database()
        _message(mail).send()
    except Exception as trouble:
        _note(mail, trouble)
        return False
    # Even if another has the lease by now: it is sent.
    mail.status, mail.sent_at, mail.problem, mail.lease_until = Status.SENT, timezone.now(), "", None
    rows.update(mail, "status", "sent_at", "problem", "lease_until")
    log.info("mail %s of order %s (%s) is sent", mail.pk, mail.order_id, mail.kind)
    return True


def _claim(numbers: list[int]) -> list[Mail]:
    """Those that are to be sent now, with a lease and an address, their order and their payment."""
    now = timezone.now()
    mails = []
    for mail, order, payment in rows.read(CLAIM, [now + LEASE, numbers, now, now], Mail, Order, Payment):
        mail.order, mail.payment = order, payment
        mails.append(mail)
    if len(mails) < len(numbers):
        without = Mail.objects.filter(status=Status.WAITING, due_at__lte=now, pk__in=numbers, to="")
        without.filter(order__email="").update(status=Status.NO_ADDRESS)
    return sorted(mails, key=attrgetter("due_at"))


def _numbered(mails: list[Mail]) -> list[Mail]:
    """Those that need no receipt's number, or have it. The others wait for the next sweep: somebody works on
    their order at this moment.
    """
    lacking = [mail for mail in mails if mail.kind == Mail.Kind.RECEIPT and mail.order.receipt is None]
    given = number_all() if lacking else {}
    for mail in lacking:
        mail.order.receipt = given.get(mail.order_id)
        if mail.order.receipt is None:
            mail.order.refresh_from_db(fields=["receipt"])
        if mail.order.receipt is None:
            mail.release(tries=mail.tries - 1)
    return [mail for mail in mails if mail not in lacking or mail.order.receipt is not None]


def _written(mails: list[Mail], failed: dict[int, bool]) -> list[Mail]:
    """Those that have their words, stored before anything is sent. What can't be written has `failed`."""
    prefetch_related_objects([mail.order for mail in mails if not mail.text], "lines", "taxes")
    ready = []
    for mail in mails:
        try:
            if not mail.text:
                write(mail)
                rows.update(mail, "subject", "text", "html")
            ready.append(mail)
        except Exception as trouble:
            _note(mail, trouble)
            failed[mail.pk] = False
    return ready


def _message(mail: Mail) -> EmailMultiAlternatives:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    headers = {"Message-ID": f"<{mail.key}@{domain}>", "Auto-Submitted": "auto-generated"}
    message = EmailMultiAlternatives(mail.subject, mail.text, to=[mail.to], headers=headers)
    message.attach_alternative(mail.html, "text/html")
    return message


def _note(mail: Mail, trouble: Exception) -> None:
    wait = min(timedelta(minutes=4 ** (mail.tries - 1)), LONGEST_WAIT)
    last = mail.tries >= MAX_TRIES or _is_final(trouble)
    mail.release(
        status=Status.FAILED if last else Status.WAITING,
        due_at=timezone.now() + wait,
        problem=f"{type(trouble).__name__}: {trouble}"[:1000],
    )
    log.error("mail %s of order %s is not sent: %s", mail.pk, mail.order_id, type(trouble).__name__)


def _is_final(trouble: Exception) -> bool:
    """Whether the mail server said that this address takes no mail, now or later (5xx)."""
    if not isinstance(trouble, SMTPRecipientsRefused):
        return False
    return all(code >= 500 for code, _said in trouble.recipients.values())


# Receivers run with the order's row locked, in the transaction that does what they tell of: there is a mail
# if and only if there is a job for it.


@receiver(order_paid)
def owe_receipt(sender: type[Payment], payment: Payment, order: Order, **more: Any) -> None:
    """A receipt; an apology where it was paid too late and all of it is refunded: one mail for both."""
    _owe(payment, Mail.Kind.APOLOGY if order.sold_out else Mail.Kind.RECEIPT)


@receiver(refund_made)
def owe_refund(sender: type[Refund], refund: Refund, **more: Any) -> None:
    """Money is on its way back. That of an apology needs no second mail."""
    if refund.cause != "sold_out":
        _owe(refund.payment, Mail.Kind.REFUND, refund)


@receiver(order_sent)
def owe_sent(sender: type[Shipment], shipment: Shipment, **more: Any) -> None:
    """The goods are on their way."""
    payment = Payment.objects.get(order=shipment.order_id, status=Payment.Status.PAID)
    _owe(payment, Mail.Kind.SENT)


#: With the job, in one statement; neither where it is owed already.
_OWE = rows.insert_and_defer(OWE, send, "mail_id")


def _owe(payment: Payment, kind: Mail.Kind, refund: Refund | None = None) -> None:
    mail = Mail(order_id=payment.order_id, kind=kind, refund=refund, payment=payment)
    rows.read(_OWE, rows.values(mail))
