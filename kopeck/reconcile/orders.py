"""The shop's own orders, payments and refunds against each other, and payments that need review.

Each run reads what was paid or refunded since the time it goes back to, and what was told before and is there
still: a night costs the same however old the shop is. `manage.py reconcile --all` reads everything.
Stripe is only asked about payments that need review: how much of their money is still there.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from kopeck.money import in_words
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.reconcile.kinds import IT_IS_NOW, Kind
from kopeck.reconcile.models import Code, Discrepancy, Run
from kopeck.refunds import review
from kopeck.refunds.models import Dispute, Refund, refunded
from kopeck.sentences import Said, Sentence

Status = Payment.Status
#: Payments that need review are asked about for so long though they were refunded, and looked at where not.
REMEMBERED, REVIEWED = timedelta(days=30), timedelta(days=92)

IN_REVIEW = Sentence("Order %(order)s: %(problem)s %(amount)s is not refunded.")
WAITS = Sentence("Order %(order)s waits for a payment, and there is none under way")
PAYABLE_AGAIN = Sentence("it can be paid again now.")
NO_PAYMENT = Sentence("Order %(order)s is %(status)s, and no payment of it is paid.")
DIFFERS = Sentence("Order %(order)s is %(status)s at %(total)s, and its payment %(id)s took %(amount)s.")
STATE = Sentence("Order %(order)s was %(status)s, and %(amount)s of %(total)s was refunded")
KEPT = Sentence("Order %(order)s was paid when it was sold out, and its money was not refunded.")


class Orders(Kind):
    name = "order"

    def compare(self, run: Run, since: datetime, until: datetime | None) -> datetime | None:
        for check in (_in_review, _waiting_for_nothing, _without_payment, _without_order, _states, _kept):
            check(run, since)
        return run.started  # it saw all that there was by then: the next run begins there


def back() -> Coalesce:
    """What was refunded of a payment, in minor units."""
    made = Refund.objects.filter(payment=OuterRef("pk"), status__in=Refund.MADE).values("payment")
    return Coalesce(made.annotate(sum=Sum("amount")).values("sum"), 0)


def _told(run: Run, code: Code) -> list[int]:
    """The orders of which an earlier run told the same, and both sides have not agreed since."""
    told = Discrepancy.objects.filter(account=run.account, code=code, gone=None, order__isnull=False)
    return list(told.values_list("order_id", flat=True))


def _in_review(run: Run, since: datetime) -> None:
    """Money that came on top, or in another amount, is told of until it is refunded."""
    now = timezone.now()
    payments = Payment.objects.filter(account=run.account, status=Status.NEEDS_REVIEW)
    young = payments.annotate(back=back()).filter(created__gt=min(since, now - REVIEWED))
    found: set[Payment] = set(young.filter(Q(back__lt=F("amount")) | Q(created__gt=now - REMEMBERED)))
    # What was refunded comes back where the refund fails after weeks.
    failed = Q(status__in=[Refund.Status.FAILED, Refund.Status.CANCELED, Refund.Status.REFUSED])
    undone = Refund.objects.filter(failed, account=run.account, asked_at__gte=since).values("payment")
    for news in (Q(order__in=_told(run, Code.NEEDS_REVIEW)), Q(pk__in=undone)):
        found |= set(payments.filter(news))
    for payment in sorted(found, key=lambda payment: -payment.pk):
        with run.at(payment.stripe_id or ""):
            money_there = review.at_stripe(payment)
            if money_there.left:
                money = in_words(money_there.left, money_there.currency)
                said = IN_REVIEW(order=payment.order_id, problem=payment.problem, amount=money)
                run.find(Code.NEEDS_REVIEW, payment.stripe_id or "", said, order=payment.order_id)


def _waiting_for_nothing(run: Run, since: datetime) -> None:
    """Orders that wait for a bank that nobody has asked can be paid again."""
    for order in list(_orders(run).filter(status=Order.Status.PROCESSING)):
        with run.at(str(order.pk)):
            if not review.waits_for_nothing(order):
                continue
            said = WAITS(order=order.pk)
            released = run.may_repair and review.release(order.pk)
            said = Said(f"{said}; {PAYABLE_AGAIN()}" if released else f"{said}.")
            run.find(Code.WAITS_FOR_NOTHING, str(order.pk), said, order=order.pk, repaired=released)


def _orders(run: Run) -> QuerySet[Order]:
    """The orders whose newest payment is of this account; those without any, with the first account."""
    newest = Payment.objects.filter(order=OuterRef("pk")).order_by("-attempt").values("account")[:1]
    orders = Order.objects.annotate(account=newest)
    mine = Q(account=run.account)
    is_first = run.account == next(iter(settings.STRIPE_ACCOUNTS))
    return orders.filter(mine | Q(account=None) if is_first else mine)


def _without_payment(run: Run, since: datetime) -> None:
    paid = Payment.objects.filter(order=OuterRef("pk"), status=Status.PAID)
    unpaid = _orders(run).filter(~Exists(paid), status__in=Order.WAS_PAID)
    # One query for each: an OR of both would read the whole table.
    for news in (Q(paid_at__gte=since), Q(pk__in=_told(run, Code.ORDER_WITHOUT_PAYMENT))):
        for order in unpaid.filter(news):
            said = NO_PAYMENT(order=order.pk, status=order.get_status_display)
            run.find(Code.ORDER_WITHOUT_PAYMENT, str(order.pk), said, order=order.pk)


def _without_order(run: Run, since: datetime) -> None:
    paid = Payment.objects.filter(account=run.account, status=Status.PAID).select_related("order")
    wrong = ~Q(order__status__in=Order.WAS_PAID) | ~Q(amount=F("order__total"))
    different = paid.filter(wrong | ~Q(currency=F("order__currency")))
    for news in (Q(paid_at__gte=since), Q(order__in=_told(run, Code.ORDER_DIFFERS))):
        for payment in different.filter(news):
            order = payment.order
            said = DIFFERS(
                order=order.pk,
                status=order.get_status_display,
                total=in_words(order.total, order.currency),
                id=payment,
                amount=in_words(payment.amount, payment.currency),
            )
            run.find(Code.ORDER_DIFFERS, str(order.pk), said, order=order.pk)


def wrong_states(account: str) -> QuerySet[Payment]:
    """Paid payments whose order is in another state than what was refunded of them makes it.

    `Order.status_with` in SQL: one query, however many refunds there ever were.
    """
    moved = [Order.Status.REFUNDED, Order.Status.PARTLY_REFUNDED]
    made = Refund.objects.filter(payment=OuterRef("pk"), status__in=Refund.MADE)
    paid = Payment.objects.filter(account=account, status=Status.PAID, order__status__in=Order.WAS_PAID)
    paid = paid.filter(Exists(made) | Q(order__status__in=moved)).annotate(back=back())
    some = Q(back__gt=0)
    whole = Q(back__gte=F("order__total")) & (some | ~Q(order__sold_out=""))
    right = (
        (whole & Q(order__status=Order.Status.REFUNDED))
        | (~whole & some & Q(order__status=Order.Status.PARTLY_REFUNDED))
        | (~whole & ~some & Q(order__status=Order.Status.PAID))
    )
    return paid.exclude(right).select_related("order")


def _states(run: Run, since: datetime) -> None:
    """A paid order's state follows from what was refunded of its payment."""
    refunds = Refund.objects.filter(account=run.account)
    asked = refunds.filter(asked_at__gte=since).values("payment")
    made = refunds.filter(created__gte=since).values("payment")
    told, wrong = _told(run, Code.REFUND_STATE), wrong_states(run.account)
    news = (Q(paid_at__gte=since), Q(pk__in=asked), Q(pk__in=made), Q(order__in=told))
    for payment in {payment for new in news for payment in wrong.filter(new)}:
        with run.at(str(payment.order_id)):
            order, back = payment.order, refunded(payment)
            said = STATE(
                order=order.pk,
                status=order.get_status_display,
                amount=in_words(back, order.currency),
                total=in_words(order.total, order.currency),
            )
            if run.may_repair:
                with transaction.atomic():
                    order = Order.objects.select_for_update().get(pk=order.pk)
                    order.mark_refunded(refunded(payment))
            agreed = order.status == order.status_with(refunded(payment))
            now = IT_IS_NOW(status=order.get_status_display)
            said = Said(f"{said}; {now}" if agreed else f"{said}.")
            run.find(Code.REFUND_STATE, str(order.pk), said, order=order.pk, repaired=agreed)


def _kept(run: Run, since: datetime) -> None:
    """What was paid for something sold out and could not be refunded, unless the bank has taken it."""
    refunds = Refund.objects.filter(payment=OuterRef("pk"))
    refused = refunds.filter(status__in=[Refund.Status.REFUSED, Refund.Status.FAILED])
    under_way = refunds.filter(status__in=Refund.CLAIMED, source=Refund.Source.SHOP)
    lost = Dispute.objects.filter(payment=OuterRef("pk"), status=Dispute.Status.LOST)
    kept = Payment.objects.filter(Exists(refused), ~Exists(under_way), ~Exists(lost), account=run.account)
    for payment in kept & review.late():
        said = KEPT(order=payment.order_id)
        run.find(Code.NOT_REFUNDED, payment.stripe_id or "", said, order=payment.order_id)
