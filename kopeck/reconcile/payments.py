"""Sessions and intents at Stripe against our payments, one by one: repaired where that is safe, else told.

Every repair goes through `sync.apply`, as a webhook does. What could still be paid though it must not be is
closed at Stripe first.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from kopeck.money import in_words
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.inputs import key_in
from kopeck.payments.models import Payment
from kopeck.payments.sync import Truth
from kopeck.reconcile.look import Look, look_up
from kopeck.refunds import sync as refund_news
from kopeck.refunds.models import refunded
from kopeck.refunds.review import left_at_stripe
from kopeck.stripe_api.client import gateway, shop_mark

log = logging.getLogger(__name__)
Status, Kind = Payment.Status, Payment.Kind
#: Our payments' kinds by what Stripe's objects are called here.
KINDS = {"session": Kind.CHECKOUT, "intent": Kind.INTENT}
NAMES = {kind: name for name, kind in KINDS.items()}
#: Longer than the two calls that close an object together.
LEASE = timedelta(seconds=60)


def examine(look: Look, kind: str, objects: list[dict[str, Any]]) -> None:
    """Compares a page of sessions or intents. StripeUnavailable."""
    ours = _Ours(look.account, objects)
    for now in objects:
        with look.at(kind, now["id"]):
            _examine(look, kind, ours.of(now), now)


def _examine(look: Look, kind: str, payment: Payment | None, now: dict[str, Any]) -> None:
    if payment is None:
        _stray(look, kind, now)
    elif KINDS[kind] != payment.kind:
        _intent_of_session(look, payment, now)
    elif payment.stripe_id not in (None, now["id"]):
        _twin(look, kind, payment, now)
    else:
        compare(look, payment, now)
        if kind == "intent":
            _refunds_add_up(look, payment, now)


class _Ours:
    """Our payments of some objects: by Stripe's id, by the intent's, by our key in the metadata."""

    def __init__(self, account: str, objects: list[dict[str, Any]]) -> None:
        ids = [now["id"] for now in objects]
        keys = [key for now in objects if (key := key_in(now.get("metadata")))]
        found = Payment.objects.filter(
            Q(stripe_id__in=ids) | Q(payment_intent__in=ids) | Q(key__in=keys), account=account
        ).select_related("order")
        self._known: dict[Any, Payment] = {}
        for payment in found:
            self._known[payment.key] = payment
            if payment.payment_intent:
                self._known.setdefault(payment.payment_intent, payment)
        self._known |= {payment.stripe_id: payment for payment in self._known.values() if payment.stripe_id}

    def of(self, now: dict[str, Any]) -> Payment | None:
        return self._known.get(now["id"]) or self._known.get(key_in(now.get("metadata")))


def compare(look: Look, payment: Payment, now: dict[str, Any], *, mine: bool = False) -> None:
    """One payment against what a list said of it; asked again before anything is made of a difference.

    `mine`: the caller holds the lease of an attempt without an id.
    """
    if _agrees(payment, _read(payment, now)):
        return _figures(look, payment, _read(payment, now))
    name = NAMES[Kind(payment.kind)]
    now = gateway(payment.account).retrieve(name, now["id"])
    payment = Payment.objects.select_related("order").get(pk=payment.pk)  # it may have moved meanwhile
    truth = _read(payment, now)
    if _agrees(payment, truth):
        return _figures(look, payment, truth)
    code, said = _difference(payment, truth, now["id"])
    if look.dry_run:
        return look.find(code, name, now["id"], said, order=payment.order_id)
    if not payment.stripe_id and not mine and not _claim(payment):
        return None  # a request is at it this very moment
    claimed = payment
    try:
        payment, truth = _repair(payment, truth, now)
    finally:
        if not mine:
            claimed.release()
    agreed = _agrees(payment, truth)
    end = (
        f"now it is {payment.status}" if agreed else f"it stays {payment.status}, a person has to look at it"
    )
    look.find(code, name, now["id"], f"{said}; {end}.", order=payment.order_id, repaired=agreed)
    return None


def _read(payment: Payment, now: dict[str, Any]) -> Truth:
    return sync.read_session(now) if payment.kind == Kind.CHECKOUT else sync.read_intent(now)


def _agrees(payment: Payment, truth: Truth) -> bool:
    """Whether the row says what Stripe says, and nothing can be paid that must not be."""
    if not payment.stripe_id:
        return False
    match truth.status:
        case Status.PAID:
            return payment.status in (Status.PAID, Status.NEEDS_REVIEW)
        case Status.OPEN | Status.FAILED if _payable(payment, truth):
            return payment.status == Status.OPEN and not _must_close(payment, truth)
    return payment.status == truth.status


def _payable(payment: Payment, truth: Truth) -> bool:
    # An intent whose card was refused takes another one.
    return truth.status == Status.OPEN or (truth.status == Status.FAILED and payment.kind == Kind.INTENT)


def _must_close(payment: Payment, truth: Truth) -> bool:
    """Whether what can still be paid at Stripe would be paid for nothing, or at a wrong total."""
    if not _payable(payment, truth) or payment.status == Status.PROCESSING:
        return False
    return (
        not payment.is_live
        or not payment.stripe_id
        or not payment.fingerprint
        or payment.order.status not in Order.PAYABLE
        or (truth.amount, truth.currency) != (payment.amount, payment.currency)
    )


def _difference(payment: Payment, truth: Truth, stripe_id: str) -> tuple[str, str]:
    at_stripe = f"Order {payment.order_id}: at Stripe {stripe_id} is {truth.status}"
    if not payment.stripe_id:
        return "id_not_stored", f"{at_stripe}, and its id was never stored here"
    if not _must_close(payment, truth):
        return "status_differs", f"{at_stripe}, here it was {payment.status}"
    if payment.is_live and (truth.amount, truth.currency) != (payment.amount, payment.currency):
        theirs, mine = in_words(truth.amount, truth.currency), in_words(payment.amount, payment.currency)
        said = f"{at_stripe} at {theirs}, here it costs {mine}"
        return "amount_differs", said
    return "still_payable", f"{at_stripe}, here the order was {payment.order.status} and it {payment.status}"


def _claim(payment: Payment) -> bool:
    """Takes the lease of an attempt without an id, as a request does that creates it: one of us acts."""
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=payment.order_id)
        return payment.claim(LEASE, Q(stripe_id=None))


def _repair(payment: Payment, truth: Truth, now: dict[str, Any]) -> tuple[Payment, Truth]:
    if _must_close(payment, truth):
        now = gateway(payment.account).expire(payment.kind, now["id"])
    payment = sync.apply(payment, now, revive=True)
    return payment, _read(payment, now)


def _figures(look: Look, payment: Payment, truth: Truth) -> None:
    """Amounts, currency and intent of what both sides call paid, or on its way."""
    if truth.status not in (Status.PAID, Status.PROCESSING) or payment.status == Status.NEEDS_REVIEW:
        return  # a held one is told of until its money is refunded
    name, id = NAMES[Kind(payment.kind)], payment.stripe_id or ""
    if (truth.amount, truth.currency) != (payment.amount, payment.currency):
        theirs, mine = in_words(truth.amount, truth.currency), in_words(payment.amount, payment.currency)
        said = f"Order {payment.order_id}: Stripe took {theirs} by {id}, here it is {mine}."
        look.find("amount_differs", name, id, said, order=payment.order_id)
    if truth.status == Status.PAID and truth.payment_intent != payment.payment_intent:
        said = f"Order {payment.order_id}: {id} was paid by {truth.payment_intent or 'no intent'}, "
        said += f"here by {payment.payment_intent or 'none'}."
        look.find("intent_differs", name, id, said, order=payment.order_id)


def _intent_of_session(look: Look, payment: Payment, intent: dict[str, Any]) -> None:
    """An intent that belongs to a Checkout Session of ours: the session tells, the intent shows the money."""
    if intent["status"] != "succeeded":
        return
    if payment.status not in (Status.PAID, Status.NEEDS_REVIEW):
        for session in _sessions_of(look.account, intent["id"]):
            compare(look, payment, session)
    elif payment.payment_intent != intent["id"]:
        _twin(look, "intent", payment, intent)
    else:
        _refunds_add_up(look, payment, intent)


def _sessions_of(account: str, intent: str) -> list[dict[str, Any]]:
    return gateway(account).page("session", payment_intent=intent)[0]


def _twin(look: Look, kind: str, payment: Payment, now: dict[str, Any]) -> None:
    """A second object of one attempt: Stripe was asked twice, with its idempotency key forgotten between."""
    said = f"Order {payment.order_id}: {now['id']} was made besides {payment.stripe_id}"
    _close_or_tell(look, kind, now, "second_object", said, payment.order_id)


def _stray(look: Look, kind: str, now: dict[str, Any]) -> None:
    """An object with our mark that has no row: a database from before it was made."""
    metadata = now.get("metadata") or {}
    if metadata.get("kopeck_shop") != shop_mark():
        return
    if kind == "intent" and _sessions_of(look.account, now["id"]):
        return  # its session is told of
    number = str(metadata.get("kopeck_order", ""))
    known = number.isdecimal() and len(number) < 19
    order = Order.objects.filter(pk=number).first() if known else None
    if order is None:
        said = f"{now['id']} is of order {number or '?'}, which is not known here"
        _close_or_tell(look, kind, now, "unknown_order", said, None)
    else:
        said = f"Order {order.pk}: {now['id']} is of an attempt that is not known here"
        _close_or_tell(look, kind, now, "unknown_attempt", said, order.pk)


def _close_or_tell(
    look: Look, kind: str, now: dict[str, Any], code: str, said: str, order: int | None
) -> None:
    """What can still be paid is closed; what was paid is told of until its money is refunded."""
    read = sync.read_session if kind == "session" else sync.read_intent
    truth = read(now)
    wire = gateway(look.account)
    if truth.status in (Status.OPEN, Status.FAILED) and now["status"] != "complete":
        if look.dry_run:
            return look.find(code, kind, now["id"], f"{said}, and can be paid", order=order)
        truth = read(wire.expire(KINDS[kind], now["id"]))
        if truth.status == Status.EXPIRED:
            said = f"{said}; it could be paid and is closed now."
            return look.find(code, kind, now["id"], said, order=order, repaired=True)
    if truth.status not in (Status.PAID, Status.PROCESSING):
        return None
    now = wire.retrieve(kind, now["id"])
    if truth.status == Status.PAID and not left_at_stripe(now.get("payment_intent", now)):
        return None
    money = in_words(truth.amount, truth.currency)
    said = f"{said}; it is {truth.status} at Stripe: {money}. Refund it in Stripe's Dashboard."
    return look.find(code, kind, now["id"], said, order=order)


def _refunds_add_up(look: Look, payment: Payment, intent: dict[str, Any]) -> None:
    """What Stripe says went back of a charge, against the sum of our refunds."""
    settled = payment.status in (Status.PAID, Status.NEEDS_REVIEW) and payment.payment_intent == intent["id"]
    if not settled or _back(intent) == refunded(payment):
        return
    intent = gateway(payment.account).retrieve("intent", intent["id"])
    mine, theirs, id = refunded(payment), _back(intent), intent["id"]
    if mine == theirs:
        return
    said = f"Order {payment.order_id}: {in_words(theirs, payment.currency)} went back at Stripe, "
    said += f"here {in_words(mine, payment.currency)}"
    if not look.dry_run:
        refund_news.learn_payment(payment)
        theirs = _back(gateway(payment.account).retrieve("intent", id))
    agreed = refunded(payment) == theirs
    end = "; here as well now." if agreed else f" ({id}). Look at its refunds in Stripe's Dashboard."
    look.find("refunds_differ", "intent", id, f"{said}{end}", order=payment.order_id, repaired=agreed)


def _back(intent: dict[str, Any]) -> int:
    charge = intent.get("latest_charge")
    return int(charge["amount_refunded"]) if isinstance(charge, dict) else 0


def unseen(look: Look, kind: str, since: Any) -> Iterator[tuple[int, str]]:
    """(pk, Stripe's id) of our payments that the walk should have met, and of all that are still live."""
    mine = Payment.objects.filter(account=look.account, kind=KINDS[kind], stripe_id__isnull=False)
    mine = mine.filter(
        Q(status__in=Payment.LIVE) | Q(status__in=["paid", "needs_review"], created__gte=since)
    )
    for pk, stripe_id in list(mine.values_list("pk", "stripe_id")):
        if stripe_id and stripe_id not in look.seen:
            yield pk, stripe_id


def ask(look: Look, kind: str, stripe_id: str) -> None:
    """Compares one session or intent that no list has shown."""
    if now := look_up(look.account, kind, stripe_id):
        return examine(look, kind, [now])
    with look.at(kind, stripe_id):
        _missing(look, kind, stripe_id)
    return None


def _missing(look: Look, kind: str, stripe_id: str) -> None:
    payment = Payment.objects.filter(account=look.account, stripe_id=stripe_id).first()
    if payment is None or not (payment.is_live or payment.status in (Status.PAID, Status.NEEDS_REVIEW)):
        return
    said = f"Order {payment.order_id}: {stripe_id} is {payment.status} here, and Stripe knows no such object"
    if payment.is_live and not look.dry_run:
        payment = sync.refresh(payment)
        said = f"{said}; now it is {payment.status}."
        repaired = not payment.is_live
    else:
        said, repaired = f"{said}. Are these the keys of another account?", False
    look.find("unknown_at_stripe", kind, stripe_id, said, order=payment.order_id, repaired=repaired)
