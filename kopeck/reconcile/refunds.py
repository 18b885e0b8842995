"""Refunds and disputes at Stripe against our rows, repaired as an event repairs them: by `refunds.sync`."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db.models import Q
from django.utils import timezone

from kopeck.money import in_words
from kopeck.payments.models import Payment
from kopeck.reconcile.kinds import Listed
from kopeck.reconcile.models import Run
from kopeck.refunds import disputes
from kopeck.refunds import request as refunds
from kopeck.refunds import sync as refund_sync
from kopeck.refunds.models import Dispute, Refund
from kopeck.stripe_api.client import StripeRefused, gateway

#: A refund that was requested a moment ago is being sent.
MOMENT = timedelta(minutes=2)


class _OfPayments(Listed):
    """Refunds fail after weeks, and disputes are decided after months."""

    age = timedelta(days=92)
    model: ClassVar[Any]
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
        money = in_words(now["amount"], now["currency"])
        before = f"it was {row.status}, {in_words(row.amount, row.currency)}" if row else "it was not known"
        said = f"Order {payment.order_id}: {self.name} {now['id']} of {money} "
        said += f"is {now['status']} at Stripe, here {before}"
        agreed = False
        if run.may_repair:
            payment = refund_sync.payment_of(run.account, now) or payment
            agreed = _is_same(self.apply(payment, now), now)
        end = "; here as well now." if agreed else ". Look at it in Stripe's Dashboard."
        run.find(f"{self.name}_differs", now["id"], f"{said}{end}", order=payment.order_id, repaired=agreed)

    def unseen(self, account: str, begin: datetime) -> Iterable[str]:
        rows = self.model.objects.filter(account=account, stripe_id__isnull=False)
        young = Q(**{f"{self.made}__gte": begin})
        found = rows.filter(self.known & young | self.open)
        return [str(stripe_id) for stripe_id in found.values_list("stripe_id", flat=True)]

    def missing(self, run: Run, stripe_id: str) -> None:
        rows = self.model.objects.filter(self.known, account=run.account, stripe_id=stripe_id)
        if (row := rows.first()) is not None:
            said = f"Order {row.order_id}: {self.name} {stripe_id} is {row.status} here, "
            said += "and Stripe knows none."
            run.find("unknown_at_stripe", stripe_id, said, order=row.order_id)


class Refunds(_OfPayments):
    name, model, made = "refund", Refund, "created"
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
                run.find("refund_stuck", str(refund.key), said, order=refund.order_id, repaired=done)
        super().finish(run, begin)


class Disputes(_OfPayments):
    name, model, made = "dispute", Dispute, "opened"
    apply = staticmethod(disputes.apply)
    known = open = Q(closed=None)


def _is_same(row: Any, now: dict[str, Any]) -> bool:
    theirs = now["status"], now["amount"], now["currency"]
    return row is not None and (row.status, row.amount, row.currency) == theirs


def _send_again(run: Run, refund: Refund) -> tuple[str, bool]:
    money = in_words(refund.amount, refund.currency)
    said = f"Order {refund.order_id}: a refund of {money} was not confirmed"
    if not run.may_repair:
        return f"{said}.", False
    try:
        refund = refunds.finish(refund)
    except StripeRefused as refusal:
        return f"{said}; Stripe refuses it: {refusal}", True
    return f"{said}; now it is {refund.status}.", refund.status != Refund.Status.CREATING
