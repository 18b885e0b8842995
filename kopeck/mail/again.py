"""Receipts that a buyer asks for once more."""

from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from kopeck.mail.jobs import send
from kopeck.mail.models import Mail
from kopeck.orders.models import Order


def receipts(orders: list[int], *, by: str) -> int:
    """Sends the receipts of these orders again, the same words under a new Message-ID; how many there are.

    One that nobody has sent yet is on its way already, and is left to that.
    """
    count, done = 0, (Mail.Status.SENT, Mail.Status.FAILED, Mail.Status.NO_ADDRESS)
    for number in orders:
        with transaction.atomic():
            mail = Mail.objects.select_for_update().filter(order=number, kind=Mail.Kind.RECEIPT).first()
            if mail is None or mail.status not in done:
                continue
            # Another key: a mail server takes a second copy under one Message-ID for the same mail.
            mail.key, mail.status, mail.sent_at, mail.tries = uuid4(), Mail.Status.WAITING, None, 0
            mail.due_at, mail.problem = timezone.now(), ""
            mail.save(update_fields=["key", "status", "sent_at", "tries", "due_at", "problem"])
            Order(pk=number).note(f"{by} sends the receipt again.")
            send.defer(mail_id=mail.pk)
            count += 1
    return count
