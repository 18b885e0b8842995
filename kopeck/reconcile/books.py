"""The shop's own books: orders, payments and refunds against each other, and money that is held.

Asks Stripe only about held payments: how much of their money is still there.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from kopeck.money import in_words
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.reconcile.look import Look
from kopeck.reconcile.models import Difference
from kopeck.refunds import review
from kopeck.refunds.models import Dispute, Refund, refunded

Status = Payment.Status
#: Held payments that were refunded are looked at for so long.
REMEMBERED = timedelta(days=30)


def examine(look: Look) -> None:
    """Compares what the account's payments and their orders say of each other. StripeUnavailable."""
    _held(look)
    _waiting_for_nothing(look)
    _without_payment(look)
    _without_order(look)
    _states(look)
    _kept(look)


def _held(look: Look) -> None:
    """Money that came on top, or in another amount, is told of until it is refunded."""
    given = Refund.objects.filter(payment=OuterRef("pk"), status__in=Refund.MADE).values("payment")
    told = Difference.objects.filter(
        code="needs_review", object_id=OuterRef("stripe_id"), account=OuterRef("account"), gone=None
    )
    payments = Payment.objects.filter(account=look.account, status=Status.NEEDS_REVIEW).annotate(
        back=Coalesce(given.annotate(sum=Sum("amount")).values("sum"), 0)
    )
    recent = Q(created__gt=timezone.now() - REMEMBERED)
    for payment in list(payments.filter(Q(back__lt=F("amount")) | recent | Exists(told))):
        with look.at("payment", payment.stripe_id or ""):
            money_there = review.at_stripe(payment)
            if money_there.left:
                money = in_words(money_there.left, money_there.currency)
                said = f"Order {payment.order_id}: {payment.problem} {money} is not refunded."
                look.find("needs_review", "payment", payment.stripe_id or "", said, order=payment.order_id)


def _waiting_for_nothing(look: Look) -> None:
    """Orders that wait for a bank that nobody has asked can be paid again."""
    for order in list(_orders(look).filter(status=Order.Status.PROCESSING)):
        with look.at("order", str(order.pk)):
            if not review.waits_for_nothing(order):
                continue
            said = f"Order {order.pk} waits for a payment, and there is none under way"
            released = not look.dry_run and review.release(order.pk)
            end = "; it can be paid again now." if released else "."
            look.find(
                "waits_for_nothing", "order", str(order.pk), f"{said}{end}", order=order.pk, repaired=released
            )


def _orders(look: Look) -> QuerySet[Order]:
    """The orders whose newest payment is of this account; those without any, with the first account."""
    newest = Payment.objects.filter(order=OuterRef("pk")).order_by("-attempt").values("account")[:1]
    orders = Order.objects.annotate(account=newest)
    mine = Q(account=look.account)
    return orders.filter(mine | Q(account=None) if look.is_first else mine)


def _without_payment(look: Look) -> None:
    paid = Payment.objects.filter(order=OuterRef("pk"), status=Status.PAID)
    for order in _orders(look).filter(~Exists(paid), status__in=Order.WAS_PAID):
        said = f"Order {order.pk} is {order.status}, and no payment of it is paid."
        look.find("order_without_payment", "order", str(order.pk), said, order=order.pk)


def _without_order(look: Look) -> None:
    paid = Payment.objects.filter(account=look.account, status=Status.PAID).select_related("order")
    wrong = ~Q(order__status__in=Order.WAS_PAID) | ~Q(amount=F("order__total"))
    for payment in paid.filter(wrong | ~Q(currency=F("order__currency"))):
        order = payment.order
        said = f"Order {order.pk} is {order.status} at {in_words(order.total, order.currency)}, "
        said += f"and its payment {payment} took {in_words(payment.amount, payment.currency)}."
        look.find("order_differs", "order", str(order.pk), said, order=order.pk)


def _states(look: Look) -> None:
    """A paid order's state follows from what went back of its payment."""
    given = Refund.objects.filter(payment=OuterRef("pk"), status__in=Refund.MADE)
    moved = Q(order__status__in=[Order.Status.REFUNDED, Order.Status.PARTLY_REFUNDED])
    paid = Payment.objects.filter(account=look.account, status=Status.PAID).filter(Exists(given) | moved)
    for payment in list(paid.select_related("order")):
        with look.at("order", str(payment.order_id)):
            order, back = payment.order, refunded(payment)
            if order.status not in Order.WAS_PAID or order.status_with(back) == order.status:
                continue
            said = (
                f"Order {order.pk} was {order.status}, and {in_words(back, order.currency)} "
                f"of {in_words(order.total, order.currency)} went back"
            )
            if not look.dry_run:
                with transaction.atomic():
                    order = Order.objects.select_for_update().get(pk=order.pk)
                    order.mark_refunded(refunded(payment))
            agreed = order.status == order.status_with(refunded(payment))
            end = f"; it is {order.status} now." if agreed else "."
            look.find("refund_state", "order", str(order.pk), f"{said}{end}", order=order.pk, repaired=agreed)


def _kept(look: Look) -> None:
    """What was paid for something sold out and could not be refunded, unless the bank has taken it."""
    refunds = Refund.objects.filter(payment=OuterRef("pk"))
    refused = refunds.filter(status__in=[Refund.Status.REFUSED, Refund.Status.FAILED])
    under_way = refunds.filter(status__in=Refund.CLAIMED, source=Refund.Source.SHOP)
    lost = Dispute.objects.filter(payment=OuterRef("pk"), status=Dispute.Status.LOST)
    kept = Payment.objects.filter(Exists(refused), ~Exists(under_way), ~Exists(lost), account=look.account)
    orders = Order.objects.filter(status__in=[Order.Status.PAID, Order.Status.PARTLY_REFUNDED])
    for payment in kept.filter(status=Status.PAID, order__in=orders.exclude(sold_out="")):
        said = f"Order {payment.order_id} was paid when it was sold out, and its money was not refunded."
        look.find("not_refunded", "payment", payment.stripe_id or "", said, order=payment.order_id)
