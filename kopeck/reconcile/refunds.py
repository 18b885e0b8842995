"""Refunds and disputes at Stripe against our rows, repaired as an event repairs them: by `refunds.sync`."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db.models import Q
from django.utils import timezone

from kopeck.money import in_words
from kopeck.payments.models import Payment
from kopeck.reconcile.kinds import HERE_TOO, NOW_IT_IS, Listed
from kopeck.reconcile.models import Code, Run
from kopeck.refunds import disputes
from kopeck.refunds import request as refunds
from kopeck.refunds import sync as refund_sync
from kopeck.refunds.models import Dispute, Refund
from kopeck.sentences import Said, Sentence
from kopeck.stripe_api.client import StripeRefused, gateway

#: A refund that was requested a moment ago is being sent.
MOMENT = timedelta(minutes=2)

DIFFERS = Sentence(
    "Order %(order)s: %(what)s %(id)s of %(amount)s is %(status)s at Stripe, here it was %(here)s, %(ours)s"
)
NOT_KNOWN = Sentence(
    "Order %(order)s: %(what)s %(id)s of %(amount)s is %(status)s at Stripe, here it was not known"
)
LOOK = Sentence("Look at it in Stripe's Dashboard.")
UNKNOWN = Sentence("Order %(order)s: %(what)s %(id)s is %(status)s here, and Stripe knows none.")
NOT_CONFIRMED = Sentence("Order %(order)s: a refund of %(amount)s was not confirmed")
REFUSED = Sentence("Stripe refuses it: %(problem)s")


class _OfPayments(Listed):
    """Refunds fail after weeks, and disputes are decided after months."""

    age = timedelta(days=92)
    model: ClassVar[Any]
    code: ClassVar[Code]
    #: The model's field with the time of its making.
    made: ClassVar[str]
    #: Our rows that Stripe must know, and those of them that are asked about at any age.
    known: ClassVar[Q]
    open: ClassVar[Q]

    @staticmethod
    @abstractmethod
    def apply(payment: Payment, answer: dict[str, Any]) -> Any:
        """Writes what Stripe says; the row."""

    def ours(self, account: str, objects: list[dict[str, Any]]) -> Mapping[str, Any]:
        ids = [now["id"] for now in objects]
        return {row.stripe_id: row for row in self.model.objects.filter(account=account, stripe_id__in=ids)}

    def check_one(self, run: Run, row: Any, now: dict[str, Any]) -> None:
        payment = None if _is_same(row, now) else refund_sync.payment_of(run.account, now, ask=False)
        if payment is None:
            return
        now = gateway(run.account).retrieve(self.name, now["id"])
        row = self.ours(run.account, [now]).get(now["id"])
        if _is_same(row, now):
            return
        said = self.differs(payment, row, now)
        agreed = False
        if run.may_repair:
            payment = refund_sync.payment_of(run.account, now) or payment
            agreed = _is_same(self.apply(payment, now), now)
        said = Said(f"{said}; {HERE_TOO()}" if agreed else f"{said}. {LOOK()}")
        run.find(self.code, now["id"], said, order=payment.order_id, repaired=agreed)

    def differs(self, payment: Payment, row: Any, now: dict[str, Any]) -> Said:
        """The beginning of a sentence."""
        places = {
            "order": payment.order_id,
            "what": self.name,
            "id": now["id"],
            "amount": in_words(now["amount"], now["currency"]),
            "status": self.model(status=now["status"]).get_status_display,
        }
        if row is None:
            return NOT_KNOWN(**places)
        mine = in_words(row.amount, row.currency)
        return DIFFERS(**places, here=row.get_status_display, ours=mine)

    def unseen(self, account: str, begin: datetime) -> Iterable[str]:
        rows = self.model.objects.filter(account=account, stripe_id__isnull=False)
        young = Q(**{f"{self.made}__gte": begin})
        found = rows.filter(self.known & young | self.open)
        return [str(stripe_id) for stripe_id in found.values_list("stripe_id", flat=True)]

    def missing(self, run: Run, stripe_id: str) -> None:
        rows = self.model.objects.filter(self.known, account=run.account, stripe_id=stripe_id)
        if (row := rows.first()) is not None:
            said = UNKNOWN(order=row.order_id, what=self.name, id=stripe_id, status=row.get_status_display)
            run.find(Code.UNKNOWN_AT_STRIPE, stripe_id, said, order=row.order_id)


class Refunds(_OfPayments):
    name, model, made = "refund", Refund, "created"
    code = Code.REFUND_DIFFERS
    apply = staticmethod(refund_sync.apply)
    known, open = Q(status__in=Refund.MADE), Q(pk__in=[])

    def finish(self, run: Run, begin: datetime) -> None:
        """Goes on with refunds whose request died."""
        dead = Refund.objects.filter(
            account=run.account, status=Refund.Status.CREATING, created__lt=timezone.now() - MOMENT
        )
        for refund in list(dead.select_related("payment")):
            with run.at(str(refund.key)):
                said, done = _send_again(run, refund)
                run.find(Code.REFUND_STUCK, str(refund.key), said, order=refund.order_id, repaired=done)
        super().finish(run, begin)


class Disputes(_OfPayments):
    name, model, made = "dispute", Dispute, "opened"
    code = Code.DISPUTE_DIFFERS
    apply = staticmethod(disputes.apply)
    known = open = Q(closed=None)


def _is_same(row: Any, now: dict[str, Any]) -> bool:
    theirs = now["status"], now["amount"], now["currency"]
    return row is not None and (row.status, row.amount, row.currency) == theirs


def _send_again(run: Run, refund: Refund) -> tuple[Said, bool]:
    money = in_words(refund.amount, refund.currency)
    said = NOT_CONFIRMED(order=refund.order_id, amount=money)
    if not run.may_repair:
        return Said(f"{said}."), False
    try:
        refund = refunds.finish(refund)
    except StripeRefused as refusal:
        return Said(f"{said}; {REFUSED(problem=refusal)}"), True
    now = NOW_IT_IS(status=refund.get_status_display)
    return Said(f"{said}; {now}"), refund.status != Refund.Status.CREATING
