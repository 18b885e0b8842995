"""Receipts that a buyer asks for once more."""

from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from kopeck.mail.jobs import send
from kopeck.mail.models import Mail
from kopeck.orders.models import locked
from kopeck.sentences import Sentence

RECEIPT_AGAIN = Sentence("%(by)s sends the receipt again.")


@transaction.atomic
def receipt(order_id: int, *, by: str) -> bool:
    """Sends the receipt of this order again, the same words under a new Message-ID; whether there is one.

    One that nobody has sent yet is on its way already, and is left to that.
    """
    order = locked(order_id)  # before its mails, as everywhere: else two could wait for each other
    mail = Mail.objects.select_for_update().filter(order=order, kind=Mail.Kind.RECEIPT).first()
    if mail is None or mail.status not in (Mail.Status.SENT, Mail.Status.FAILED, Mail.Status.NO_ADDRESS):
        return False
    # Another key: a mail server takes a second copy under one Message-ID for the same mail.
    mail.key, mail.status, mail.sent_at, mail.tries = uuid4(), Mail.Status.WAITING, None, 0
    mail.due_at, mail.problem = timezone.now(), ""
    mail.save(update_fields=["key", "status", "sent_at", "tries", "due_at", "problem"])
    order.note(RECEIPT_AGAIN(by=by))
    send.defer(mail_id=mail.pk)
    return True
