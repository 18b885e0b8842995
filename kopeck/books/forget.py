"""Removes what is known of a buyer, by the e-mail address, and leaves the books whole.

Orders, lines, sums, taxes, receipts' numbers, payments and refunds stay, without a name on them. An order
that still needs its buyer is left alone, and said. Each order is a transaction of its own, so a second run
goes on where one was cut off, and a run with nothing left to do changes nothing.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Max, Min, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kopeck import stopping
from kopeck.errors import ShopError
from kopeck.mail.models import Mail
from kopeck.orders.lines import OrderNote
from kopeck.orders.models import EMAIL_LENGTH, Order, locked
from kopeck.orders.shipment import Shipment, may_be_sent
from kopeck.payments.models import Payment
from kopeck.refunds.models import Refund
from kopeck.sentences import Sentence
from kopeck.typed import trim
from kopeck.webhooks.models import StripeEvent

log = logging.getLogger(__name__)
#: What stands in a text in place of the address.
REMOVED = "[removed]"
FORGOTTEN = Sentence("The buyer's personal data was removed.")
#: The inputs of a payment that hold the address.
INPUTS = ("customer_email", "receipt_email")
#: Events that are looked through by one statement.
BATCH = 1000
#: Texts that staff, Stripe or the mail server wrote, in which the address may stand.
TEXTS: tuple[tuple[type[models.Model], str], ...] = (
    (OrderNote, "text"),
    (Payment, "problem"),
    (Refund, "comment"),
    (Refund, "problem"),
)
#: Of some events those that name the address: what is processed needs its payload no more, and what is not
#: loses the address alone.
_EVENTS = """
UPDATE webhooks_stripeevent SET payload = CASE WHEN status = ANY(%(settled)s) THEN NULL
    ELSE regexp_replace(payload::text, %(pattern)s, %(removed)s, 'gi')::jsonb END
WHERE id >= %(first)s AND id < %(last)s AND payload IS NOT NULL
    AND payload::text ~* %(pattern)s
"""


@dataclass(slots=True)
class Forgotten:
    """How many rows of each kind were changed, and the orders that were left alone, each with its reason."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: dict[int, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """How much was removed, as a sentence."""
        if not self.counts:
            return _("There was nothing to remove.")
        n = self.counts
        parts = [
            ngettext("%(n)s order", "%(n)s orders", n["orders"]) % {"n": n["orders"]},
            ngettext("%(n)s shipment", "%(n)s shipments", n["shipments"]) % {"n": n["shipments"]},
            ngettext("%(n)s mail", "%(n)s mails", n["mails"]) % {"n": n["mails"]},
            ngettext("%(n)s payment", "%(n)s payments", n["payments"]) % {"n": n["payments"]},
            ngettext("%(n)s note", "%(n)s notes", n["texts"]) % {"n": n["texts"]},
            ngettext("%(n)s event", "%(n)s events", n["events"]) % {"n": n["events"]},
        ]
        return _("Personal data was removed from: %(places)s.") % {"places": ", ".join(parts)}

    @property
    def left_alone(self) -> list[str]:
        """A sentence for each order that was left alone."""
        said = _("Order %(number)s is left alone: %(reason)s.")
        return [said % {"number": number, "reason": reason} for number, reason in self.kept.items()]


def read_address(typed: str) -> str:
    """ShopError for what is no e-mail address."""
    address = trim(typed)
    local, at, host = address.rpartition("@")
    if not (local and at and host) or len(address) > EMAIL_LENGTH or re.search(r"[\s\0]", address):
        raise ShopError("bad_address", _("This is no e-mail address."), status=422)
    return address


def orders_of(address: str) -> list[int]:
    """The numbers of the orders that were made under this address, or mailed to it."""
    mailed = Mail.objects.filter(to__iexact=address).values_list("order_id", flat=True)
    mine = Order.objects.filter(email__iexact=address).values_list("pk", flat=True)
    return sorted({*mine, *mailed})


def reason_to_keep(order: Order) -> str:
    """Why the order still needs its buyer; "" where it does not."""
    if order.payments.filter(status__in=Payment.LIVE).exists():
        return _("it can still be paid, or a bank is working on its payment")
    if order.disputes.filter(closed=None).exists():
        return _("its dispute is open")
    to_send = Shipment.objects.filter(order=order, sent_at=None, forgotten=None)
    if may_be_sent(order) and to_send.exists():
        return _("it is still to be sent")
    return ""


def _being_written_to(order: Order) -> str:
    """The same, of mails that leave at this moment: their sender would write their words down again.

    Locks them, so that no other sender takes one before its words are gone.
    """
    mails = Mail.objects.select_for_update().filter(order=order).order_by("pk")
    return _("a mail to its buyer is being sent") if any(mail.is_leased for mail in list(mails)) else ""


def forget(address: str, tell: Callable[[Order], None] = lambda order: None) -> Forgotten:
    """Removes the personal data of the buyer with this address.

    `tell` is called with each order of which something was removed, in the transaction that does it.
    """
    done = Forgotten()
    for number in stopping.each(orders_of(address)):
        with transaction.atomic():
            order = locked(number)
            if reason := _being_written_to(order) or reason_to_keep(order):
                done.kept[number] = reason
                continue
            counts = _forget_order(order, address)
            done.counts.update(counts)
            if any(counts.values()):
                tell(order)
    done.counts["events"] += _forget_events(address)
    done.counts = +done.counts
    log.info("a buyer's data is removed: %s; %s orders are left alone", dict(done.counts), len(done.kept))
    return done


def _forget_order(order: Order, address: str) -> dict[str, int]:
    """How many rows were changed. Called with the order's row locked."""
    mine: dict[str, Any] = {"email": "", "visitor": ""}
    letter: dict[str, Any] = {"to": "", "subject": "", "text": "", "html": "", "problem": ""}
    counts = {
        "orders": Order.objects.filter(pk=order.pk).exclude(**mine).update(**mine),
        "shipments": Shipment.forget(Shipment.objects.filter(order=order, forgotten=None)),
        "mails": Mail.objects.filter(order=order).exclude(**letter).update(**letter),
        "payments": sum(_forget_payment(payment) for payment in order.payments.all()),
        "texts": sum(_remove(model, name, order, address) for model, name in TEXTS),
        "events": _settled_events(order).update(payload=None),
    }
    if counts["orders"] or counts["mails"]:
        order.note(FORGOTTEN())
    return counts


def _forget_payment(payment: Payment) -> bool:
    kept = {name: value for name, value in payment.inputs.items() if name not in INPUTS}
    if kept == payment.inputs and not payment.asked_from:
        return False
    payment.inputs, payment.asked_from = kept, ""
    payment.save(update_fields=["inputs", "asked_from"])
    return True


def _remove(model: type[models.Model], name: str, order: Order, address: str) -> int:
    """Of how many rows of the order the text has lost the address."""
    found = model._default_manager.filter(order=order, **{f"{name}__icontains": address})
    changed = 0
    for number, text in list(found.values_list("pk", name)):
        without, times = re.subn(_pattern(address), REMOVED, text, flags=re.IGNORECASE)
        changed += bool(times)
        model._default_manager.filter(pk=number).update(**{name: without})
    return changed


def _pattern(address: str) -> str:
    """The address as a whole, not as the end or the beginning of another one; for Python and PostgreSQL."""
    return rf"(?<![\w.%+-]){re.escape(address)}(?![\w-])(?!\.\w)"


def _settled_events(order: Order) -> models.QuerySet[StripeEvent]:
    """The processed events of what the order has at Stripe, as far as they say anything still."""
    ids: set[Any] = {*order.refunds.values_list("stripe_id", flat=True)}
    ids |= {*order.disputes.values_list("stripe_id", flat=True)}
    for payment in order.payments.all():
        ids |= {payment.stripe_id, payment.payment_intent}
    settled = StripeEvent.objects.filter(status__in=StripeEvent.SETTLED, payload__isnull=False)
    return settled.filter(object_id__in=ids - {None, ""})


def _forget_events(address: str) -> int:
    """In how many other events the address stood: of charges, say, which the shop has no row of."""
    asked: dict[str, Any] = {
        "settled": list(StripeEvent.SETTLED),
        "pattern": _pattern(json.dumps(address, ensure_ascii=False)[1:-1]),
        "removed": REMOVED,
    }
    count = 0
    for first in stopping.each(_events()):
        with connection.cursor() as cursor:
            cursor.execute(_EVENTS, {**asked, "first": first, "last": first + BATCH})
            count += cursor.rowcount
    return count


def _events() -> Iterator[int]:
    """Where each batch of the events begins that have a payload: of a month, and those that failed."""
    ends = StripeEvent.objects.filter(~Q(payload=None)).aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is not None:
        yield from range(ends["first"], ends["last"] + 1, BATCH)
