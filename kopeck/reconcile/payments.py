"""Sessions and intents at Stripe against our payments, one by one: repaired where that is safe, else told.

Every repair goes through `sync.apply`, as a webhook does. What could still be paid though it must not be is
closed at Stripe first.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from kopeck.money import in_words
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.inputs import key_in
from kopeck.payments.models import Payment
from kopeck.payments.sync import Truth
from kopeck.reconcile.kinds import HERE_TOO, NOW_IT_IS, Listed
from kopeck.reconcile.models import Code, Run
from kopeck.reconcile.orders import back
from kopeck.refunds import sync as refund_sync
from kopeck.refunds.models import refunded
from kopeck.refunds.review import left_at_stripe
from kopeck.sentences import Said, Sentence
from kopeck.stripe_api.client import gateway, shop_mark

Status, Kind = Payment.Status, Payment.Kind
#: Our payments' kinds by what Stripe's objects are called here.
KINDS = {"session": Kind.CHECKOUT, "intent": Kind.INTENT}
NAMES = {kind: name for name, kind in KINDS.items()}
SETTLED = (Status.PAID, Status.NEEDS_REVIEW)
#: Longer than the two calls that close an object together.
LEASE = timedelta(seconds=60)

UNKNOWN_AT_STRIPE = Sentence("Order %(order)s: %(id)s is %(status)s here, and Stripe knows no such object")
OTHER_KEYS = Sentence("Are these the keys of another account?")
NOT_STORED = Sentence("Order %(order)s: at Stripe %(id)s is %(status)s, and its id was never stored here")
DIFFERS = Sentence("Order %(order)s: at Stripe %(id)s is %(status)s, here it was %(here)s")
COSTS = Sentence("Order %(order)s: at Stripe %(id)s is %(status)s at %(theirs)s, here it costs %(ours)s")
PAYABLE = Sentence(
    "Order %(order)s: at Stripe %(id)s is %(status)s, here the order was %(was)s and it %(here)s"
)
STAYS = Sentence("a person has to look at it: it stays %(status)s.")
TOOK = Sentence("Order %(order)s: Stripe took %(theirs)s by %(id)s, here it is %(ours)s.")
PAID_BY = Sentence("Order %(order)s: %(id)s was paid by %(theirs)s, here by %(ours)s.")
NO_INTENT, NONE = Sentence("no intent"), Sentence("none")
BESIDES = Sentence("Order %(order)s: %(id)s was made besides %(other)s")
NO_ORDER = Sentence("%(id)s is of order %(order)s, which is not known here")
NO_ATTEMPT = Sentence("Order %(order)s: %(id)s is of an attempt that is not known here")
CAN_BE_PAID = Sentence("it can be paid.")
CLOSED = Sentence("it could be paid and is closed now.")
REFUND_IT = Sentence("it is %(status)s at Stripe: %(amount)s. Refund it in Stripe's Dashboard.")
OTHER_SUM = Sentence("Order %(order)s: %(theirs)s was refunded at Stripe, here %(ours)s")
LOOK_AT_REFUNDS = Sentence("Look at its refunds in Stripe's Dashboard.")


class _Payable(Listed):
    """What a buyer can pay."""

    def ours(self, account: str, objects: list[dict[str, Any]]) -> dict[str, Payment]:
        """By Stripe's id, by the intent's, by our key in the metadata."""
        keys = {now["id"]: key_in(now.get("metadata")) for now in objects}
        found = Payment.objects.filter(
            Q(stripe_id__in=keys) | Q(payment_intent__in=keys) | Q(key__in=filter(None, keys.values())),
            account=account,
        )
        found = found.select_related("order").annotate(back=back())
        known: dict[Any, Payment] = {payment.payment_intent: payment for payment in found}
        known |= {payment.key: payment for payment in found}
        known |= {payment.stripe_id: payment for payment in found}
        pairs = ((stripe_id, known.get(stripe_id) or known.get(key)) for stripe_id, key in keys.items())
        return {stripe_id: payment for stripe_id, payment in pairs if payment}

    def check_one(self, run: Run, row: Payment | None, now: dict[str, Any]) -> None:
        if row is None:
            _stray(run, now)
        elif KINDS[self.name] != row.kind:
            _intent_of_session(run, row, now)
        elif row.stripe_id not in (None, now["id"]):
            _twin(run, row, now)
        else:
            compare(run, row, now)
            if row.kind == Kind.INTENT:
                _refunds_add_up(run, row, now)

    def unseen(self, account: str, begin: datetime) -> Iterable[str]:
        mine = Payment.objects.filter(account=account, kind=KINDS[self.name], stripe_id__isnull=False)
        # One query for each: an OR of both would read the whole table.
        ways = (Q(status__in=Payment.LIVE), Q(status__in=SETTLED, created__gte=begin))
        return [str(found) for way in ways for found in mine.filter(way).values_list("stripe_id", flat=True)]

    def missing(self, run: Run, stripe_id: str) -> None:
        statuses = (*Payment.LIVE, *SETTLED)
        found = Payment.objects.filter(account=run.account, stripe_id=stripe_id, status__in=statuses)
        if (payment := found.first()) is None:
            return
        said = UNKNOWN_AT_STRIPE(order=payment.order_id, id=stripe_id, status=payment.get_status_display)
        repaired = False
        if payment.is_live and run.may_repair:
            payment = sync.refresh(payment)
            said = Said(f"{said}; {NOW_IT_IS(status=payment.get_status_display)}")
            repaired = not payment.is_live
        else:
            said = Said(f"{said}. {OTHER_KEYS()}")
        run.find(Code.UNKNOWN_AT_STRIPE, stripe_id, said, order=payment.order_id, repaired=repaired)


class Sessions(_Payable):
    name = "session"


class Intents(_Payable):
    name = "intent"


def compare(run: Run, payment: Payment, now: dict[str, Any], *, mine: bool = False) -> None:
    """One payment against what a list said of it; asked again before anything is made of a discrepancy.

    `mine`: the caller holds the lease of an attempt without an id.
    """
    if _agrees(payment, _read(payment, now)):
        return _amounts(run, payment, _read(payment, now))
    now = gateway(payment.account).retrieve(payment.kind, now["id"])
    payment = Payment.objects.select_related("order").get(pk=payment.pk)  # it may have moved meanwhile
    truth = _read(payment, now)
    if _agrees(payment, truth):
        return _amounts(run, payment, truth)
    name, (code, said) = NAMES[Kind(payment.kind)], _what_differs(payment, truth, now["id"])
    if not run.may_repair:
        return run.find(code, now["id"], said, kind=name, order=payment.order_id)
    if not payment.stripe_id and not mine and not _claim(payment):
        return None  # a request is at it this very moment
    claimed = payment
    try:
        payment, truth = _repair(payment, truth, now)
    finally:
        if not mine:
            claimed.release()
    agreed = _agrees(payment, truth)
    end = (NOW_IT_IS if agreed else STAYS)(status=payment.get_status_display)
    said = Said(f"{said}; {end}")
    run.find(code, now["id"], said, kind=name, order=payment.order_id, repaired=agreed)
    return None


def _read(payment: Payment, now: dict[str, Any]) -> Truth:
    return sync.read_session(now) if payment.kind == Kind.CHECKOUT else sync.read_intent(now)


def _agrees(payment: Payment, truth: Truth) -> bool:
    """Whether the row says what Stripe says, and nothing can be paid that must not be."""
    if not payment.stripe_id:
        return False
    match truth.status:
        case Status.PAID:
            return payment.status in SETTLED
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


def _what_differs(payment: Payment, truth: Truth, stripe_id: str) -> tuple[Code, Said]:
    """A code, and the beginning of a sentence."""
    at_stripe = {"order": payment.order_id, "id": stripe_id, "status": _status(truth)}
    if not payment.stripe_id:
        return Code.ID_NOT_STORED, NOT_STORED(**at_stripe)
    if not _must_close(payment, truth):
        return Code.STATUS_DIFFERS, DIFFERS(**at_stripe, here=payment.get_status_display)
    if payment.is_live and (truth.amount, truth.currency) != (payment.amount, payment.currency):
        theirs, mine = in_words(truth.amount, truth.currency), in_words(payment.amount, payment.currency)
        return Code.AMOUNT_DIFFERS, COSTS(**at_stripe, theirs=theirs, ours=mine)
    was = payment.order.get_status_display
    return Code.STILL_PAYABLE, PAYABLE(**at_stripe, was=was, here=payment.get_status_display)


def _status(truth: Truth) -> Callable[[], str]:
    """Stripe's side of a payment in our words: for a sentence."""
    return lambda: str(truth.status.label)


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


def _amounts(run: Run, payment: Payment, truth: Truth) -> None:
    """Amounts, currency and intent of what both sides call paid, or on its way."""
    if truth.status not in (Status.PAID, Status.PROCESSING) or payment.status == Status.NEEDS_REVIEW:
        return  # one that needs review is told of until its money is refunded
    name, id = NAMES[Kind(payment.kind)], payment.stripe_id or ""
    if (truth.amount, truth.currency) != (payment.amount, payment.currency):
        theirs, mine = in_words(truth.amount, truth.currency), in_words(payment.amount, payment.currency)
        said = TOOK(order=payment.order_id, theirs=theirs, id=id, ours=mine)
        run.find(Code.AMOUNT_DIFFERS, id, said, kind=name, order=payment.order_id)
    if truth.status == Status.PAID and truth.payment_intent != payment.payment_intent:
        by = {"theirs": truth.payment_intent or NO_INTENT(), "ours": payment.payment_intent or NONE()}
        said = PAID_BY(order=payment.order_id, id=id, **by)
        run.find(Code.INTENT_DIFFERS, id, said, kind=name, order=payment.order_id)


def _intent_of_session(run: Run, payment: Payment, intent: dict[str, Any]) -> None:
    """An intent that belongs to a Checkout Session of ours: the session tells, the intent shows the money."""
    if intent["status"] != "succeeded":
        return
    if payment.status not in SETTLED:
        for session in _sessions_of(run.account, intent["id"]):
            compare(run, payment, session)
    elif payment.payment_intent != intent["id"]:
        _twin(run, payment, intent)
    else:
        _refunds_add_up(run, payment, intent)


def _sessions_of(account: str, intent: str) -> list[dict[str, Any]]:
    return gateway(account).page("session", payment_intent=intent)[0]


def _twin(run: Run, payment: Payment, now: dict[str, Any]) -> None:
    """A second object of one attempt: Stripe was asked twice, with its idempotency key forgotten between."""
    said = BESIDES(order=payment.order_id, id=now["id"], other=payment.stripe_id)
    _close_or_tell(run, now, Code.SECOND_OBJECT, said, payment.order_id)


def _stray(run: Run, now: dict[str, Any]) -> None:
    """An object with our mark that has no row: a database from before it was made."""
    metadata = now.get("metadata") or {}
    if metadata.get("kopeck_shop") != shop_mark():
        return
    if run.kind == "intent" and _sessions_of(run.account, now["id"]):
        return  # its session is told of
    number = str(metadata.get("kopeck_order", ""))
    known = number.isdecimal() and len(number) < 19
    order = Order.objects.filter(pk=number).first() if known else None
    if order is None:
        said = NO_ORDER(id=now["id"], order=number or "?")
        _close_or_tell(run, now, Code.UNKNOWN_ORDER, said, None)
    else:
        said = NO_ATTEMPT(order=order.pk, id=now["id"])
        _close_or_tell(run, now, Code.UNKNOWN_ATTEMPT, said, order.pk)


def _close_or_tell(run: Run, now: dict[str, Any], code: Code, said: Said, order: int | None) -> None:
    """What can still be paid is closed; what was paid is told of until its money is refunded."""
    read = sync.read_session if run.kind == "session" else sync.read_intent
    truth, wire = read(now), gateway(run.account)
    if truth.status in (Status.OPEN, Status.FAILED) and now["status"] != "complete":
        if not run.may_repair:
            return run.find(code, now["id"], Said(f"{said}; {CAN_BE_PAID()}"), order=order)
        truth = read(wire.expire(run.kind, now["id"]))
        if truth.status == Status.EXPIRED:
            said = Said(f"{said}; {CLOSED()}")
            return run.find(code, now["id"], said, order=order, repaired=True)
    if truth.status not in (Status.PAID, Status.PROCESSING):
        return None
    now = wire.retrieve(run.kind, now["id"])
    if truth.status == Status.PAID and not left_at_stripe(now.get("payment_intent", now)):
        return None
    money = in_words(truth.amount, truth.currency)
    said = Said(f"{said}; {REFUND_IT(status=_status(truth), amount=money)}")
    return run.find(code, now["id"], said, order=order)


def _refunds_add_up(run: Run, payment: Any, intent: dict[str, Any]) -> None:
    """What Stripe says was refunded of a charge against the sum of our refunds: `_Payable.back`."""
    settled = payment.status in SETTLED and payment.payment_intent == intent["id"]
    if not settled or _back(intent) == payment.back:
        return
    id, wire = intent["id"], gateway(payment.account)
    theirs, mine = _back(wire.retrieve("intent", id)), refunded(payment)
    if mine == theirs:
        return
    there, here = in_words(theirs, payment.currency), in_words(mine, payment.currency)
    said = OTHER_SUM(order=payment.order_id, theirs=there, ours=here)
    if run.may_repair:
        refund_sync.learn_payment(payment)
        theirs = _back(wire.retrieve("intent", id))
    agreed = refunded(payment) == theirs
    said = Said(f"{said}; {HERE_TOO()}" if agreed else f"{said} ({id}). {LOOK_AT_REFUNDS()}")
    run.find(Code.REFUNDS_DIFFER, id, said, order=payment.order_id, repaired=agreed)


def _back(intent: dict[str, Any]) -> int:
    charge = intent.get("latest_charge")
    return int(charge["amount_refunded"]) if isinstance(charge, dict) else 0
