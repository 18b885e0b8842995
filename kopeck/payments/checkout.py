"""Buy: one open Checkout Session an order, reused while unchanged, expired before anything else is made.

Double clicks, second tabs and 50 requests at once end in the same session: the first to take the attempt's
lease asks Stripe, the others wait for what it writes down. A crash leaves a row with its inputs and its
idempotency key, so the next request finds at Stripe what was made, if it was.
"""

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum, auto
from typing import Any, NoReturn

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.catalog.models import Discount
from kopeck.errors import ShopError
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import mirror, sync
from kopeck.payments.accounts import Account, for_currency
from kopeck.payments.figures import Verdict, compare, read_figures
from kopeck.payments.gateway import StripeRefused, StripeUnavailable, gateway, release_database
from kopeck.payments.inputs import Site, session_inputs
from kopeck.payments.models import Payment

log = logging.getLogger(__name__)
Status = Payment.Status

#: How long a session can be paid. Stripe wants 30 minutes from when it is asked; the rest is for retries.
SESSION_LIFE = timedelta(minutes=35)
#: A session with less than this left is not handed out again.
TOO_LATE = timedelta(minutes=1)
#: Longer than all tries of one call to Stripe together; then its asker is taken for dead.
LEASE = timedelta(seconds=60)
#: How often one request starts anew after a refusal that can be mended (too late, a coupon that is gone).
MAX_HEALED = 2
#: How long a request waits for another one that asks Stripe for the same session.
PATIENCE = 25.0


class Turn(Enum):
    """What a request should do about an order's payment."""

    HAND_OUT = auto()
    CREATE = auto()
    WAIT = auto()
    WITHDRAW = auto()
    ASK = auto()
    MIRROR = auto()
    DEARER = auto()


def buy(wanted: Wanted, *, visitor: str, site: Site) -> Payment:
    """The visitor's open session for this item and quantity. Raises ShopError."""
    for _attempt in range(3):
        order = Order.place_for_buy(wanted, visitor=visitor)
        if not order.holds([wanted]) and not set_lines(order, [wanted], site):
            continue  # it was paid in this very moment: what is bought now is a new order
        try:
            payment = start(order.pk, site)
            if _is_for(payment, wanted):
                return payment  # else a second tab has changed the order since
        except ShopError as refusal:
            if refusal.code not in ("order_paid", "order_processing"):
                raise
    raise ShopError("try_again", _("Your order has just changed. Please press Buy once more."), status=409)


def _is_for(payment: Payment, wanted: Wanted) -> bool:
    (line,) = payment.inputs["line_items"]
    price = line["price_data"]
    asked = (wanted.quantity, wanted.item.price, wanted.item.currency)
    return (line["quantity"], price["unit_amount"], price["currency"]) == asked


def set_lines(order: Order, wanted: list[Wanted], site: Site) -> bool:
    """`change` to these lines; an order that holds them by now keeps its open session."""
    return change(order, lambda it: it.set_lines(wanted), site, done=lambda it: it.holds(wanted))


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


def change(
    order: Order,
    act: Callable[[Order], None],
    site: Site,
    *,
    done: Callable[[Order], bool] = lambda order: False,
) -> bool:
    """Does `act` to the locked order once nothing can be paid for its old total; False if it was paid.

    What `act` raises leaves order and session as they were: it is rehearsed before the session is closed.
    """
    for _attempt in range(5):
        with transaction.atomic():
            locked = Order.objects.select_for_update().get(pk=order.pk)
            if locked.status not in Order.PAYABLE:
                return False
            if done(locked):
                return True
            live = locked.payments.filter(status__in=Payment.LIVE).first()
            if live is None:
                act(locked)
                return True
            with suppress(_Rehearsed), transaction.atomic():
                act(locked)
                raise _Rehearsed
        _withdraw(live if live.stripe_id else start(order.pk, site))
    raise _busy()


def start(order_id: int, site: Site) -> Payment:
    """The open session of this order, made if there is none. Raises ShopError."""
    deadline, healed = time.monotonic() + PATIENCE, 0
    for _attempt in range(8):
        turn, payment = _take_turn(order_id, site)
        match turn:
            case Turn.HAND_OUT:
                handed_out: Payment = payment
                return handed_out
            case Turn.CREATE:
                # Not handed out from here: Stripe repeats its first answer for a session that is over by now.
                healed += not _create(payment)
                if healed > MAX_HEALED:
                    raise _refused()
            case Turn.MIRROR:
                _mirror(order_id)
            case Turn.DEARER:
                raise _price_changed()
            case Turn.WAIT:
                _wait(payment, deadline)
            case Turn.WITHDRAW:
                _withdraw(payment)
            case Turn.ASK:
                _ask(payment)
    raise _busy()


def _take_turn(order_id: int, site: Site) -> tuple[Turn, Any]:
    """Decides, with the order locked and for a moment only, who does what."""
    now = timezone.now()
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        _refuse_unpayable(order)
        live = order.payments.filter(status__in=Payment.LIVE).first()
        if live is None:
            return _begin(order, site)
        if not live.stripe_id:
            if live.lease_until and live.lease_until > now:
                return Turn.WAIT, live
            live.lease_until = now + LEASE
            live.save(update_fields=["lease_until"])
            return Turn.CREATE, live
        if live.fingerprint != order.terms:
            return Turn.WITHDRAW, live
        if live.expires_at <= now:
            return Turn.ASK, live
        return Turn.WITHDRAW if live.expires_at - TOO_LATE <= now else Turn.HAND_OUT, live


def _refuse_unpayable(order: Order) -> None:
    if order.status in Order.WAS_PAID:
        raise ShopError("order_paid", _("This order is paid already."), status=409)
    if order.status == Order.Status.PROCESSING:
        raise ShopError("order_processing", _("The payment of this order is being processed."), status=409)
    if order.status == Order.Status.CANCELLED:
        raise ShopError("order_cancelled", _("This order was cancelled."), status=409)


def _begin(order: Order, site: Site) -> tuple[Turn, Payment | None]:
    """A new attempt, unless the order became dearer or Stripe lacks its coupon or a tax rate."""
    account = _account_of(order)
    if order.refresh():
        return Turn.DEARER, None
    copies = mirror.copies_of(account.name, order)
    if copies is None:
        return Turn.MIRROR, None
    _hold_discount(order)
    order.mark_open()
    return Turn.CREATE, _new_attempt(order, account, site, copies)


def _account_of(order: Order) -> Account:
    account = for_currency(settings.STRIPE_ACCOUNTS, order.currency)
    if account is None:
        raise currency_not_accepted(order.currency)
    return account


def currency_not_accepted(currency: str) -> ShopError:
    message = _("We take no payments in %(currency)s at the moment.") % {"currency": currency.upper()}
    return ShopError("currency_not_accepted", message, status=422)


def _hold_discount(order: Order) -> None:
    """Refuses a discount whose last use is taken: by orders that were paid, or that can be paid right now.

    The discount's row is locked, after the order's: of many buyers with the last code one gets a session.
    """
    if order.discount_id is None:
        return
    discount = Discount.objects.select_for_update().get(pk=order.discount_id)
    if discount.max_redemptions is None:
        return
    paid = Q(status__in=[*Order.WAS_PAID, Order.Status.PROCESSING])
    payable = Q(payments__status__in=Payment.LIVE)
    taken = Order.objects.filter(paid | payable, discount=discount).exclude(pk=order.pk).distinct().count()
    if taken >= discount.max_redemptions:
        message = _("This code has been used as often as it may be. Take it off to pay without it.")
        raise ShopError("discount_used_up", message, status=409)


def _new_attempt(order: Order, account: Account, site: Site, copies: mirror.Copies) -> Payment:
    last = order.payments.aggregate(last=Max("attempt"))["last"] or 0
    payment = Payment(
        order=order,
        account=account.name,
        amount=order.total,
        currency=order.currency,
        attempt=last + 1,
        fingerprint=order.terms,
        expires_at=timezone.now() + SESSION_LIFE,
        lease_until=timezone.now() + LEASE,
    )
    payment.inputs = session_inputs(order, payment, site, copies)
    payment.save(force_insert=True)
    return payment


def _create(payment: Payment) -> bool:
    """Asks Stripe for this attempt's session; False: the attempt is closed, and a new one may do better."""
    ours = Payment.objects.filter(pk=payment.pk)
    try:
        session = gateway(payment.account).create_session(
            payment.inputs, idempotency_key=payment.idempotency_key
        )
    except StripeUnavailable as trouble:
        # The lease ends, the attempt stays: the next one who asks finds what Stripe may have made.
        ours.update(lease_until=None, problem=str(trouble))
        log.warning("order %s: Stripe is not available: %s", payment.order_id, trouble)
        raise _unavailable() from trouble
    except StripeRefused as refusal:
        ours.filter(stripe_id=None).update(status=Status.REFUSED, lease_until=None, problem=str(refusal))
        if refusal.param == "expires_at" or _forget_copies(payment, refusal):
            return False
        log.error("order %s: Stripe refuses the session: %s", payment.order_id, refusal)
        raise _refused() from refusal
    except BaseException:
        ours.update(lease_until=None)
        raise
    if session["line_items"]["has_more"]:
        lines = gateway(payment.account).session_lines(session["id"])
        session["line_items"] = {"data": lines, "has_more": False}
    payment, verdict = _store(payment, session)
    if verdict is Verdict.REFUSE:
        _refuse_other_total(payment, session)
    return True


def _forget_copies(payment: Payment, refusal: StripeRefused) -> bool:
    """Whether Stripe refused a coupon or tax rate of ours (gone, archived); they are then made anew."""
    if not re.search("coupon|tax_rate", refusal.param):
        return False
    mirror.forget(payment.account, payment.order)
    return True


def _mirror(order_id: int) -> None:
    order = Order.objects.get(pk=order_id)
    try:
        mirror.ensure(_account_of(order).name, order)
    except StripeUnavailable as trouble:
        raise _unavailable() from trouble
    except StripeRefused as refusal:
        log.error("order %s: its discount or taxes can't be made at Stripe: %s", order_id, refusal)
        raise _refused() from refusal


def _store(payment: Payment, session: dict[str, Any]) -> tuple[Payment, Verdict]:
    """Keeps the session, and Stripe's figures where they may take the place of ours."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=payment.order_id)
        payment = Payment.objects.get(pk=payment.pk)
        theirs = read_figures(session, payment.inputs["line_items"][0].get("tax_rates", []))
        verdict = compare(order, theirs) if session["currency"] == order.currency else Verdict.REFUSE
        if verdict is Verdict.ADOPT:
            order.adopt(theirs)
            payment.amount = theirs.total
        elif verdict is Verdict.REFUSE:
            order.note(
                f"Refused: Stripe's total was {theirs.total}, ours {order.total}. Nothing was charged."
            )
            payment.fingerprint = ""  # like no order's: whoever finds this session closes it
        payment.stripe_id, payment.url = session["id"], session["url"] or payment.url
        payment.lease_until, payment.problem = None, ""
        if payment.status == Status.CREATING:
            payment.status = Status.OPEN
        payment.save(
            update_fields=["stripe_id", "url", "status", "amount", "fingerprint", "lease_until", "problem"]
        )
    return payment, verdict


def _refuse_other_total(payment: Payment, session: dict[str, Any]) -> NoReturn:
    log.error(
        "order %s: Stripe's total is %s %s, ours %s %s: the session is closed",
        *(payment.order_id, session["amount_total"], session["currency"], payment.amount, payment.currency),
    )
    _withdraw(payment)
    message = _("The total at our payment service is not that of your order. Nothing was charged.")
    raise ShopError("amount_mismatch", message, status=502)


def _wait(payment: Payment, deadline: float) -> None:
    """Until the request that asks Stripe is done. Holds no connection meanwhile."""
    pause = 0.02
    while time.monotonic() < deadline:
        release_database()
        time.sleep(pause)
        pause = min(pause * 1.5, 0.3)
        now = Payment.objects.values("stripe_id", "status", "lease_until").get(pk=payment.pk)
        if now["stripe_id"] or now["status"] != Status.CREATING:
            return
        if now["lease_until"] is None:
            raise _unavailable()  # the one who asked got no answer
        if now["lease_until"] <= timezone.now():
            return
    raise _busy()


def _withdraw(payment: Payment) -> None:
    """Closes the session at Stripe, or learns that it was paid."""
    try:
        session = gateway(payment.account).expire_session(payment.stripe_id or "")
    except StripeUnavailable as trouble:
        raise _unavailable() from trouble
    except StripeRefused as refusal:
        if not refusal.missing:
            raise _refused() from refusal
        _ask(payment)
    else:
        sync.apply(payment, session)


def _ask(payment: Payment) -> None:
    try:
        payment = sync.refresh(payment)
    except StripeUnavailable as trouble:
        raise _unavailable() from trouble
    except StripeRefused as refusal:
        raise _refused() from refusal
    if payment.status == Status.OPEN and payment.expires_at <= timezone.now():
        _withdraw(payment)  # our clock is ahead of Stripe's


def _price_changed() -> ShopError:
    message = _(
        "Something in your order has become dearer. Please look at the new total and pay if you agree."
    )
    return ShopError("price_changed", message, status=409)


def _unavailable() -> ShopError:
    message = _("Our payment service does not answer. Nothing was charged. Please try again in a minute.")
    return ShopError("stripe_unavailable", message, status=503)


def _refused() -> ShopError:
    message = _("Our payment service could not start this payment. Nothing was charged; we look into it.")
    return ShopError("stripe_refused", message, status=502)


def _busy() -> ShopError:
    return ShopError("busy", _("This order is being worked on. Please try again in a moment."), status=503)
