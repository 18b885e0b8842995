"""What a request is to do about an order's payment: decided with the order locked, and for a moment only.

Stripe is not asked here. The one who is told to ask holds the attempt's lease, and its row with the inputs is
committed before that.
"""

from datetime import timedelta
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from kopeck.database import rows
from kopeck.errors import ShopError
from kopeck.mirror import orders as mirror
from kopeck.orders.models import Order, locked
from kopeck.payments import stock
from kopeck.payments.inputs import Client, intent_inputs, session_inputs
from kopeck.payments.models import Payment, is_used_up
from kopeck.payments.refusals import currency_not_accepted
from kopeck.stripe_api.accounts import Account, for_currency

Kind, Status = Payment.Kind, Payment.Status
NO_IDS = mirror.MirroredIds(None, ())

#: How long a session can be paid. Stripe wants 30 minutes from when it is asked; the rest is for retries.
SESSION_LIFE = timedelta(minutes=35)
#: A session with less than this left is not handed out again.
TOO_LATE = timedelta(minutes=1)
#: Longer than one try at Stripe; then the one who asks counts as dead. If it only tries again meanwhile, no
#: harm is done: both ask with the same key. Shorter than anybody waits for another (attempts.PATIENCE), so
#: that a wait for the dead ends with an answer.
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
    REFUSE = auto()


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


def to_start_new(order: Order, kind: Payment.Kind, client: Client) -> tuple[Turn, Any]:
    """As `to_start`, of an order that this transaction has placed and nobody else sees.

    A refusal is the turn of its own, for the order stays all the same; unless the client may make none.
    """
    first: tuple[Turn, Any]
    try:
        first = _begin(order, client, kind, 1)
    except ShopError as refusal:
        first = Turn.REFUSE, refusal
    if first[0] is not Turn.CREATE:
        client.admit(None)
    return first


def to_close(payment: Payment) -> tuple[Turn, Any]:
    """The next turn to the end of this payment; HAND_OUT where there is nothing to close (any more)."""
    with transaction.atomic():
        order, live = _lock(payment.order_id)
        # What a bank is at work on, or has paid, can't be closed: the change finds that out by itself.
        if live is None or not live.is_live or live.pk != payment.pk or order.status not in Order.PAYABLE:
            return Turn.HAND_OUT, None
        return (Turn.EXPIRE, live) if live.stripe_id else _create_or_wait(live)


#: An order's live payment, or else the latest: its number is the last.
LIVE_OR_LAST = f"""
SELECT {rows.columns(Payment, "p")} FROM payments_payment p WHERE order_id = %s
ORDER BY (status = ANY(%s)) DESC, attempt DESC LIMIT 1
"""  # noqa: S608 - the model's own names
INSERT = f"INSERT INTO {rows.insertion(Payment)} VALUES {rows.places(Payment)} RETURNING id"  # noqa: S608


def _lock(order_id: int) -> tuple[Order, Payment | None]:
    """The order, locked, and the payment that it is about. In two statements: the one that waited for the
    lock saw the time before.
    """
    order = locked(order_id)
    found = rows.read(LIVE_OR_LAST, [order_id, list(Payment.LIVE)], Payment)
    if not found:
        return order, None
    payment: Payment = found[0][0]
    payment.order = order
    return order, payment


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
    if not order.is_new and order.refresh():
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
    ((number,),) = rows.read(INSERT, rows.values(payment))
    rows.stored(payment, number)
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
