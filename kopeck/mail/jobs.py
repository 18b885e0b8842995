"""Sends mails: a lease on the row, then the mail server with nothing held, then what became of it.

Whoever dies in between leaves a lease that ends; the next try sends the same words, which were kept, under
the same Message-ID.
"""

import logging
from datetime import timedelta
from email.utils import parseaddr
from smtplib import SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from kopeck import rows, stopping
from kopeck.leases import is_free
from kopeck.mail.models import OWE, Mail
from kopeck.mail.texts import write
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.payments.signals import order_paid
from kopeck.refunds.models import Refund
from kopeck.refunds.signals import refund_made
from kopeck.slow import release_database

log = logging.getLogger(__name__)
Status = Mail.Status

#: Longer than a mail server may take (EMAIL_TIMEOUT holds for each of its answers).
LEASE = timedelta(minutes=5)
#: Tried after 1, 4, 16 ... minutes and then every six hours: for a day and a half in all.
MAX_TRIES, LONGEST_WAIT = 11, timedelta(hours=6)
#: For a restart of PostgreSQL only: what the mail server refuses has its own times, on the row.
BACKOFF = RetryStrategy(
    max_attempts=5, exponential_wait=4, retry_exceptions=(OperationalError, InterfaceError)
)
#: How many mails one sweep sends, and after how many failures it takes the mail server for dead.
BATCH, PATIENCE = 100, 3


@app.task(retry=BACKOFF)
def send(mail_id: int) -> None:
    """Sends one mail. Deferred in the transaction that causes it; what fails is left to `send_due`."""
    deliver(mail_id)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="mails", pass_context=False)
def send_due(timestamp: int) -> None:
    """Every minute: mails that failed and are due again, and those whose job or sender was lost."""
    due = Mail.objects.filter(is_free(), status=Status.WAITING, due_at__lte=timezone.now()).order_by("due_at")
    failures = 0
    for number in stopping.each(list(due.values_list("pk", flat=True)[:BATCH])):
        failures += deliver(number) is False
        if failures == PATIENCE:
            break


def deliver(mail_id: int) -> bool | None:
    """Whether it was sent; None: nothing was to be done, or somebody else is at it."""
    mail = _claim(mail_id)
    if mail is None:
        return None
    try:
        if not mail.text:
            write(mail)
            mail.save(update_fields=["subject", "text", "html"])
        release_database()
        _message(mail).send()
    except Exception as trouble:
        _note(mail, trouble)
        return False
    # Whoever has the lease by now: it is sent.
    Mail.objects.filter(pk=mail.pk).update(
        status=Status.SENT, sent_at=timezone.now(), problem="", lease_until=None
    )
    log.info("mail %s of order %s (%s) is sent", mail.pk, mail.order_id, mail.kind)
    return True


def _claim(mail_id: int) -> Mail | None:
    """The mail, with its lease and an address to send it to; None where it is not to be sent now."""
    mail = Mail.objects.select_related("order").filter(pk=mail_id, status=Status.WAITING).first()
    if mail is None:
        return None
    due, to = Q(status=Status.WAITING, due_at__lte=timezone.now()), mail.to or mail.order.email
    if to:
        return mail if mail.claim(LEASE, due, to=to, tries=mail.tries + 1) else None
    Mail.objects.filter(due, pk=mail_id).update(status=Status.NO_ADDRESS)
    return None


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


def owe_sent(payment: Payment) -> None:
    """The goods are on their way: told once, in the transaction that marks the shipment as sent."""
    _owe(payment, Mail.Kind.SENT)


def _owe(payment: Payment, kind: Mail.Kind, refund: Refund | None = None) -> None:
    mail = Mail(order_id=payment.order_id, kind=kind, refund=refund, payment=payment)
    for (number,) in rows.read(OWE, rows.values(mail)):  # none where it is owed already
        send.defer(mail_id=number)
