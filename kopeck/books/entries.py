"""What the shop knows of each movement: the order that it paid, its taxes by rate, the refund, the dispute.

A movement of which the shop knows nothing is an entry like any other: nothing is left out. Amounts in minor
units; what goes out is negative.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from kopeck.books.movements import Movement
from kopeck.books.taxes import split_next
from kopeck.orders.lines import OrderLine, OrderTax
from kopeck.orders.models import Order
from kopeck.payments.inputs import key_in
from kopeck.payments.models import Payment
from kopeck.refunds import allocation
from kopeck.refunds.models import Refund

Status = Payment.Status


class Kind(models.TextChoices):
    """What an entry is. `docs/books.md` says more of each."""

    SALE = "sale", _("sales")
    REFUND = "refund", _("refunds")
    REFUND_FAILED = "refund_failed", _("refunds that failed")
    DISPUTE = "dispute", _("disputes")
    DISPUTE_REVERSAL = "dispute_reversal", _("disputes won")
    SURPLUS = "surplus", _("payments that paid no order")
    PAYOUT = "payout", _("payouts")
    STRIPE_FEE = "stripe_fee", _("other fees of Stripe")
    OTHER = "other", _("other movements")
    UNMATCHED = "unmatched", _("movements that the shop does not know")
    NOT_AT_STRIPE = "not_at_stripe", _("paid orders without a movement")
    OPENING = "opening", _("opening balance")
    CLOSING = "closing", _("closing balance")


#: By Stripe's type of a balance transaction.
KINDS = {
    "charge": Kind.SALE,
    "payment": Kind.SALE,
    "refund": Kind.REFUND,
    "payment_refund": Kind.REFUND,
    "refund_failure": Kind.REFUND_FAILED,
    "payout": Kind.PAYOUT,
    "payout_cancel": Kind.PAYOUT,
    "payout_failure": Kind.PAYOUT,
    "stripe_fee": Kind.STRIPE_FEE,
}
#: Those of an order.
OF_ORDERS = (Kind.SALE, Kind.REFUND, Kind.REFUND_FAILED, Kind.DISPUTE, Kind.DISPUTE_REVERSAL)


@dataclass(slots=True)
class Entry:
    """A row of a statement. `amount` to `balance` are in `currency`, Stripe's; `sale` to `taxes` in
    `sale_currency`, the order's. None: there is nothing of the kind.
    """

    kind: Kind
    account: str
    at: datetime | None = None
    order: int | None = None
    receipt: int | None = None
    currency: str = ""
    amount: int | None = None
    fee: int | None = None
    net: int | None = None
    balance: int | None = None
    sale_currency: str = ""
    sale: int | None = None
    discount: int | None = None
    delivery: int | None = None
    tax: int | None = None
    taxes: dict[str, int] = field(default_factory=dict)
    note: str = ""
    stripe_type: str = ""
    stripe_id: str = ""
    stripe_source: str = ""

    def of(self, order: Order) -> None:
        self.order, self.receipt = order.pk, order.receipt


def kind_of(movement: Movement) -> Kind:
    """By what Stripe says alone."""
    said = movement.said
    if said["type"] == "adjustment" and movement.source.get("object") == "dispute":
        return Kind.DISPUTE if said["amount"] < 0 else Kind.DISPUTE_REVERSAL
    return KINDS.get(said["type"], Kind.OTHER)


class Known:
    """What the shop has of some payments' orders: read by a few statements for all of them."""

    def __init__(self, payments: Iterable[Payment]) -> None:
        numbers = {payment.order_id for payment in payments}
        self.taxes: dict[int, dict[str, int]] = defaultdict(dict)
        for tax in OrderTax.objects.filter(order__in=numbers):
            name = f"{tax.display_name} {tax.shown_percentage} %{' included' * tax.inclusive}"
            of_order = self.taxes[tax.order_id]
            of_order[name] = of_order.get(name, 0) + tax.amount
        deliveries = OrderLine.objects.filter(order__in=numbers, item=None)
        self.deliveries = {line.order_id: line for line in deliveries}
        self.refunds: dict[int, list[Refund]] = defaultdict(list)
        for refund in Refund.objects.filter(order__in=numbers).exclude(status=Refund.Status.REFUSED):
            self.refunds[refund.payment_id].append(refund)

    def sold(self, entry: Entry, order: Order) -> None:
        """Writes what was sold by the order."""
        delivery = self.deliveries.get(order.pk)
        entry.sale_currency, entry.sale = order.currency, order.total
        entry.discount, entry.tax = order.discount_total, order.tax_total
        entry.delivery = delivery.total if delivery else 0
        entry.taxes = dict(self.taxes[order.pk])
        if entry.currency == order.currency and entry.amount != order.total:
            entry.note = "Stripe took another amount than the order's total."

    def refunded(self, entry: Entry, payment: Payment, refund_id: str, sign: int) -> None:
        """Writes what of the order's sale was taken back; `sign` is -1, or 1 where that failed."""
        before = 0
        for refund in self.refunds[payment.pk]:
            tax = sum(part.tax for part in refund.parts)
            if refund.stripe_id == refund_id:
                break
            before += tax
        else:
            entry.kind, entry.note = Kind.UNMATCHED, "The shop has not heard of this refund yet."
            return
        delivery = self.deliveries.get(payment.order_id)
        entry.sale_currency, entry.sale, entry.tax = refund.currency, sign * refund.amount, sign * tax
        entry.discount = sign * sum(part.discount for part in refund.parts)
        entry.delivery = sign * sum(
            part.amount for part in refund.parts if delivery and part.line == delivery.pk
        )
        by_rate = split_next(before, tax, self.taxes[payment.order_id])
        entry.taxes = {rate: sign * share for rate, share in by_rate.items()}
        if refund.amount != allocation.total(refund.parts):
            entry.note = "Which lines were refunded is not known in full."


def entries(account: str, movements: list[Movement]) -> list[tuple[Entry, Payment | None]]:
    """An entry for each of these movements, with the payment that it is about."""
    found = _payments(account, movements)
    known = Known(found.values())
    return [_entry(account, movement, found, known) for movement in movements]


def _payments(account: str, movements: list[Movement]) -> dict[str, Payment]:
    """By payment intent, the shop's payments that these movements are about.

    Of one that the shop has not heard of yet, Stripe has copied our key from the intent to the charge.
    """
    intents: dict[str, UUID | None] = {}
    for movement in movements:
        if intent := movement.source.get("payment_intent"):
            intents[intent] = key_in(movement.source.get("metadata")) or intents.get(intent)
    keys = {key: intent for intent, key in intents.items() if key}
    ours = Payment.objects.filter(Q(payment_intent__in=intents) | Q(key__in=keys), account=account)
    return {
        payment.payment_intent or keys.get(payment.key, ""): payment
        for payment in ours.select_related("order")
    }


def _entry(
    account: str, movement: Movement, found: dict[str, Payment], known: Known
) -> tuple[Entry, Payment | None]:
    said, source = movement.said, movement.source
    payment = found.get(source.get("payment_intent") or "")
    entry = Entry(
        kind_of(movement),
        account,
        at=datetime.fromtimestamp(said["created"], UTC),
        currency=said["currency"],
        amount=said["amount"],
        fee=said["fee"],
        net=said["net"],
        balance=movement.balance,
        stripe_type=said.get("reporting_category") or said["type"],
        stripe_id=said["id"],
        stripe_source=source.get("id") or str(said.get("source") or ""),
    )
    if payment is not None:
        entry.of(payment.order)
        _match(entry, payment, known)
    elif entry.kind in OF_ORDERS:
        entry.kind = Kind.UNMATCHED
    elif said.get("description"):
        entry.note = f"Stripe says: {said['description']}"
    return entry, payment


def _match(entry: Entry, payment: Payment, known: Known) -> None:
    """Says what the movement is to the payment's order."""
    if payment.status == Status.NEEDS_REVIEW:
        entry.kind, entry.receipt, entry.note = Kind.SURPLUS, None, payment.problem
    elif payment.status != Status.PAID:
        entry.kind, entry.note = Kind.UNMATCHED, "The shop has not heard of this payment yet."
    elif entry.kind == Kind.SALE:
        known.sold(entry, payment.order)
    elif entry.kind in (Kind.REFUND, Kind.REFUND_FAILED):
        sign = -1 if entry.kind == Kind.REFUND else 1
        known.refunded(entry, payment, entry.stripe_source, sign)


def without_movement(account: str, payments: list[Payment]) -> list[Entry]:
    """An entry for each payment of an order that Stripe lists nothing of: what cost nothing is a sale."""
    known, found = Known(payments), []
    for payment in payments:
        entry = Entry(Kind.NOT_AT_STRIPE, account, at=payment.paid_at)
        entry.of(payment.order)
        if payment.amount:
            entry.note = "Stripe lists no movement for it in this period."
        else:
            entry.kind, entry.amount = Kind.SALE, None
            known.sold(entry, payment.order)
        found.append(entry)
    return found
