"""What a request is to do about an order's payment: decided with the order locked, and for a moment only.

Stripe is not asked here. Whoever is told to ask holds the attempt's lease, and its row with the inputs is
committed before that.
"""

from datetime import timedelta
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, When
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.mirror import orders as mirror
from kopeck.orders.models import Order
from kopeck.payments import stock
from kopeck.payments.inputs import Client, intent_inputs, session_inputs
from kopeck.payments.models import Payment, is_used_up
from kopeck.payments.refusals import currency_not_accepted
from kopeck.stripe_api.accounts import Account, for_currency

Kind, Status = Payment.Kind, Payment.Status
NO_IDS = mirror.MirroredIds(None, ())
LIVE_FIRST = Case(When(status__in=Payment.LIVE, then=0), default=1)

#: How long a session can be paid. Stripe wants 30 minutes from when it is asked; the rest is for retries.
SESSION_LIFE = timedelta(minutes=35)
#: A session with less than this left is not handed out again.
TOO_LATE = timedelta(minutes=1)
#: Longer than one try at Stripe; then whoever asks counts as dead. Who only tries again meanwhile does no
#: harm: both ask with the same key. Shorter than anybody waits for another (attempts.PATIENCE), so that who
#: waits for the dead gets an answer.
LEASE = timedelta(seconds=15)


class Turn(Enum):
    """What a request should do about an order's payment."""

    HAND_OUT = auto()
    CREATE = auto()
    WAIT = auto()
    EXPIRE = auto()
    ASK = auto()
    MIRROR = auto()
    DEARER = auto()


def to_start(order_id: int, kind: Payment.Kind, client: Client) -> tuple[Turn, Any]:
    """The next turn to an open payment of this kind, and the payment that it is about. Raises ShopError."""
    with transaction.atomic():
        order, live = _lock(order_id)
        _refuse_unpayable(order)
        if live is None or not live.is_live:
            return _begin(order, client, kind, live.attempt + 1 if live else 1)
        if not live.stripe_id:
            return _create_or_wait(live)
        if live.fingerprint != order.terms or live.kind != kind:
            return Turn.EXPIRE, live
        now = timezone.now()
        if live.expires_at <= now:
            return Turn.ASK, live
        return Turn.EXPIRE if live.expires_at - TOO_LATE <= now else Turn.HAND_OUT, live


def to_close(payment: Payment) -> tuple[Turn, Any]:
    """The next turn to the end of this payment; HAND_OUT where there is nothing to close (any more)."""
    with transaction.atomic():
        order, live = _lock(payment.order_id)
        # What a bank is at work on, or has paid, can't be closed: the change finds that out by itself.
        if live is None or not live.is_live or live.pk != payment.pk or order.status not in Order.PAYABLE:
            return Turn.HAND_OUT, None
        return (Turn.EXPIRE, live) if live.stripe_id else _create_or_wait(live)


def _lock(order_id: int) -> tuple[Order, Payment | None]:
    """The order, locked, and its live payment, or else the latest: its number is the last."""
    order = Order.objects.select_for_update().get(pk=order_id)
    return order, order.payments.order_by(LIVE_FIRST, "-attempt").first()


def _create_or_wait(live: Payment) -> tuple[Turn, Payment]:
    return (Turn.CREATE if live.claim(LEASE) else Turn.WAIT), live


def _refuse_unpayable(order: Order) -> None:
    if order.status in Order.WAS_PAID:
        raise ShopError("order_paid", _("This order is paid already."), status=409)
    if order.status == Order.Status.PROCESSING:
        raise ShopError("order_processing", _("The payment of this order is being processed."), status=409)
    if order.status == Order.Status.CANCELLED:
        raise ShopError("order_cancelled", _("This order was cancelled."), status=409)


def _begin(order: Order, client: Client, kind: Payment.Kind, number: int) -> tuple[Turn, Payment | None]:
    """A new attempt, unless the order became dearer or Stripe lacks its coupon or a tax rate."""
    if order.refresh():
        return Turn.DEARER, None
    account = account_of(order)  # by the currency that the items have now
    if kind == Kind.INTENT and not order.total:
        raise ShopError("nothing_to_pay", _("This order costs nothing: complete it at Checkout."), status=409)
    # A PaymentIntent takes no coupon and no tax rate: its amount is ours.
    ids = mirror.ids_of(account.name, order) if kind == Kind.CHECKOUT else NO_IDS
    if ids is None:
        return Turn.MIRROR, None
    # Each locks its rows, after the order's: everywhere in this order, or two could wait for each other.
    _refuse_used_up(order)
    stock.hold(order, shown=client.is_shown, address=client.address)
    client.admit(order)
    order.mark_open()
    payment = _new_attempt(order, account, kind, client, number)
    payment.inputs = (
        session_inputs(order, payment, ids) if kind == Kind.CHECKOUT else intent_inputs(order, payment)
    )
    payment.save(force_insert=True)
    return Turn.CREATE, payment


def _refuse_used_up(order: Order) -> None:
    """Refuses a discount whose last use others have. From then on the use is this order's."""
    if is_used_up(order):
        message = _("This code has been used as often as it may be. Take it off to pay without it.")
        raise ShopError("discount_used_up", message, status=409)


def account_of(order: Order) -> Account:
    """The Stripe account of the order's currency. Raises ShopError 422."""
    account = for_currency(settings.STRIPE_ACCOUNTS, order.currency)
    if account is None:
        raise currency_not_accepted(order.currency)
    return account


def _new_attempt(order: Order, account: Account, kind: Payment.Kind, client: Client, number: int) -> Payment:
    now = timezone.now()
    return Payment(
        order=order,
        account=account.name,
        kind=kind,
        amount=order.total,
        currency=order.currency,
        attempt=number,
        fingerprint=order.terms,
        expires_at=now + SESSION_LIFE,
        lease_until=now + LEASE,
        asked_from=client.address,
        base_url=client.base_url[:300],
        language=get_language() or "",
    )
