"""Attempts to pay: one live payable object an order, reused while unchanged, closed before another is made.

Double clicks, second tabs and 50 requests at once end in the same object: the first to take the attempt's
lease asks Stripe, the others wait for what it writes down. A crash leaves a row with its inputs and its
idempotency key, so the next request finds at Stripe what was made, if it was. An object is a Checkout Session
or a PaymentIntent, by the payment's kind. Who does what is decided in `turns`; here it is done.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Any, NoReturn

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.database import rows
from kopeck.errors import ShopError
from kopeck.mirror.orders import doubt_order, sync_order
from kopeck.money import in_words
from kopeck.orders.models import Order, locked
from kopeck.orders.pricing import Totals
from kopeck.payments import sync, turns
from kopeck.payments.amounts import Verdict, compare, read_amounts
from kopeck.payments.inputs import Client
from kopeck.payments.models import Payment
from kopeck.payments.refusals import PriceChanged, busy, refused, told_to_the_buyer, unavailable
from kopeck.payments.turns import TOO_LATE, Turn
from kopeck.sentences import Sentence
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable, gateway
from kopeck.stripe_api.waiting import wait_until
from kopeck.telemetry.logs import about_its

log = logging.getLogger(__name__)
Status, Kind = Payment.Status, Payment.Kind
OTHER_TOTAL = Sentence("Refused: Stripe's total was %(total)s, ours %(ours)s. Nothing was charged.")

#: How often one request starts anew after a refusal that can be repaired (too late, a coupon that is gone).
MAX_HEALED = 2
#: How long a request waits for another one that asks Stripe for the same session, in seconds.
PATIENCE = 25.0


@about_its(lambda order_id, *rest: {"order": order_id})
def start(
    order_id: int,
    client: Client,
    kind: Payment.Kind = Kind.CHECKOUT,
    first: tuple[Turn, Any] | None = None,
) -> Payment:
    """The order's open Checkout Session or PaymentIntent, made if there is none. Raises ShopError.

    `first` is the turn that was decided when the order was placed, in the same transaction.
    """
    ahead = [first] if first else []

    def next_turn() -> tuple[Turn, Any]:
        return ahead.pop() if ahead else turns.to_start(order_id, kind, client)

    payment = _take_turns(order_id, next_turn, kind)
    if payment is None:
        raise busy()
    return payment


@about_its(lambda payment: {"order": payment.order_id})
def close(payment: Payment) -> None:
    """Closes this way to pay, with or without an answer from Stripe. Raises ShopError.

    One that was made since is somebody's: it is of the order as it is now, and stays.
    """
    _take_turns(payment.order_id, lambda: turns.to_close(payment), None)


def _take_turns(
    order_id: int, next_turn: Callable[[], tuple[Turn, Any]], kind: Payment.Kind | None
) -> Payment | None:
    """Turn by turn to what is to be handed out: an open payment of this kind, or nothing where one closes."""
    deadline, healed = time.monotonic() + PATIENCE, 0
    for _attempt in range(8):
        turn, payment = next_turn()
        if turn is Turn.HAND_OUT:
            handed_out: Payment | None = payment
            return handed_out
        if turn is not Turn.CREATE:
            _clear_the_way(turn, order_id, payment, deadline)
            continue
        made, is_ready = _create(payment)
        healed += made is None
        if healed > MAX_HEALED:
            raise refused()
        # One of the other kind, left by a try that got no answer, is closed at the next turn.
        if made and is_ready and made.kind == kind:
            return made
    raise busy()


def _clear_the_way(turn: Turn, order_id: int, payment: Any, deadline: float) -> None:
    """What has to be done at Stripe, or waited for, before the next turn. Raises ShopError."""
    match turn:
        case Turn.MIRROR:
            _mirror(order_id)
        case Turn.DEARER:
            raise PriceChanged(order_id)
        case Turn.REFUSE:
            raise payment
        case Turn.WAIT:
            _wait(payment, deadline)
        case Turn.EXPIRE:
            expire(payment)
        case Turn.ASK:
            _ask(payment)


def _create(payment: Payment) -> tuple[Payment | None, bool]:
    """Asks Stripe for this attempt's object; it, and whether it may be handed out as it is.

    None: the attempt is closed, and a new one may do better.
    """
    # Once another request has taken the lease over, it decides: what we hear is no news any more.
    try:
        made = _ask_for(payment)
    except StripeUnavailable as trouble:
        # The lease ends, the attempt stays: the next one who asks finds what Stripe may have made.
        payment.release(problem=str(trouble))
        log.warning("order %s: Stripe is not available: %s", payment.order_id, trouble)
        raise unavailable() from trouble
    except StripeRefused as refusal:
        is_ours = payment.release(status=Status.REFUSED, problem=str(refusal))
        if not is_ours or refusal.param == "expires_at" or _doubt_mirror(payment, refusal):
            return None, False
        log.error("order %s: Stripe refuses the session: %s", payment.order_id, refusal)
        raise refused() from refusal
    except BaseException:
        payment.release()
        raise
    payment, verdict, is_stray = _store(payment, made)
    if verdict is Verdict.REFUSE:
        _refuse_other_total(payment)
    if is_stray:
        _close_stray(payment, made["id"])
    return payment, verdict is not None and payment.expires_at - TOO_LATE > timezone.now()


def _ask_for(payment: Payment) -> dict[str, Any]:
    made = gateway(payment.account).create(
        payment.kind, payment.inputs, idempotency_key=payment.idempotency_key
    )
    if payment.kind == Kind.CHECKOUT and made["line_items"]["has_more"]:
        try:
            lines = gateway(payment.account).session_lines(made["id"])
        except StripeRefused as refusal:  # of a session that was made: no refusal of the attempt
            raise StripeUnavailable(str(refusal)) from refusal
        made["line_items"] = {"data": lines, "has_more": False}
    return made


def _doubt_mirror(payment: Payment, refusal: StripeRefused) -> bool:
    """Whether Stripe refused a coupon or tax rate of ours (gone, archived); they are then made anew."""
    if not re.search("coupon|tax_rate", refusal.param):
        return False
    doubt_order(payment.account, payment.order)
    return True


def _mirror(order_id: int) -> None:
    order = Order.objects.get(pk=order_id)
    with told_to_the_buyer():
        try:
            sync_order(turns.account_of(order).name, order)
        except StripeRefused as refusal:
            log.error("order %s: its discount or taxes can't be made at Stripe: %s", order_id, refusal)
            raise


#: Stores what Stripe made, of the order's own amounts, while the attempt is awaited; no row where it is not.
#: The order's row is locked as everywhere, and then both are looked at as they are by then.
STORE = """
UPDATE payments_payment p SET stripe_id = %s, url = %s, status = 'open', lease_until = NULL, problem = ''
FROM (SELECT * FROM "orders_order" WHERE id = %s FOR UPDATE) o
WHERE p.id = %s AND p.order_id = o.id AND p.status = 'creating' AND p.stripe_id IS NULL
AND o.status = ANY(%s) AND o.terms = p.fingerprint
AND (o.subtotal, o.discount_total, o.tax_total, o.tax_included, o.total) = (%s, %s, %s, %s, %s)
RETURNING p.expires_at
"""


def _store_at_once(payment: Payment, made: dict[str, Any]) -> bool:
    """Whether all is as it mostly is, and stored: Stripe's amounts are ours, and nobody was faster.

    The order at hand is of the payment's terms, so are the lines; its totals are compared with the row's.
    """
    order = payment.order
    if order.terms != payment.fingerprint or _verdict_of(order, payment, made)[0] is not Verdict.EQUAL:
        return False
    totals = (order.subtotal, order.discount_total, order.tax_total, order.tax_included, order.total)
    url = made.get("url") or ""
    asked = [made["id"], url, order.pk, payment.pk, list(Order.PAYABLE), *totals]
    found = rows.read(STORE, asked)
    if not found:
        return False
    (payment.expires_at,) = found[0]
    payment.stripe_id, payment.url, payment.status = made["id"], url, Status.OPEN
    payment.lease_until, payment.problem = None, ""
    return True


def _store(payment: Payment, made: dict[str, Any]) -> tuple[Payment, Verdict | None, bool]:
    """Keeps what Stripe made, and its amounts where they may take ours' place; is it a stray, to be closed?

    The verdict is None where the answer came too late: the attempt is over or has its object by now, the
    order has other terms or can't be paid. Then nothing of the order changes.
    """
    if _store_at_once(payment, made):
        return payment, Verdict.EQUAL, False
    with transaction.atomic():
        order = locked(payment.order_id)
        payment = Payment.objects.get(pk=payment.pk)
        payment.order = order
        if payment.stripe_id:  # another request has stored its answer, most often the same one
            return payment, None, payment.stripe_id != made["id"]
        is_awaited = payment.status == Status.CREATING and order.status in Order.PAYABLE
        is_awaited = is_awaited and payment.fingerprint == order.terms
        verdict = _judge(order, payment, made) if is_awaited else None
        if payment.status == Status.CREATING:
            payment.status = Status.OPEN
        payment.stripe_id, payment.url = made["id"], made.get("url") or ""
        payment.lease_until, payment.problem = None, ""
        payment.save(
            update_fields=["stripe_id", "url", "status", "amount", "fingerprint", "lease_until", "problem"]
        )
    return payment, verdict, not is_awaited


def _close_stray(payment: Payment, stripe_id: str) -> None:
    """Closes what Stripe made for an attempt that is over, or besides the object that the attempt has."""
    log.warning("order %s: %s is no way to pay any more and is closed", payment.order_id, stripe_id)
    if payment.stripe_id == stripe_id:
        expire(payment)
        return
    with told_to_the_buyer():
        gateway(payment.account).expire(payment.kind, stripe_id)


def _verdict_of(order: Order, payment: Payment, made: dict[str, Any]) -> tuple[Verdict, Totals | None, int]:
    """What Stripe's amounts mean for the order's; they, where there are lines, and their total."""
    theirs = None
    if payment.kind == Kind.CHECKOUT:
        theirs = read_amounts(made, payment.inputs["line_items"][0].get("tax_rates", []))
        total, verdict = theirs.total, compare(order, theirs)
    else:
        total = made["amount"]
        verdict = Verdict.EQUAL if total == order.total else Verdict.REFUSE
    return (verdict if made["currency"] == order.currency else Verdict.REFUSE), theirs, total


def _judge(order: Order, payment: Payment, made: dict[str, Any]) -> Verdict:
    """Compares Stripe's amounts with the locked order's, and does to both what the verdict asks for."""
    verdict, theirs, total = _verdict_of(order, payment, made)
    if verdict is Verdict.ADOPT and theirs is not None:
        order.adopt(theirs)
        payment.amount = total
    if verdict is Verdict.REFUSE:
        theirs_said, ours = in_words(total, made["currency"]), in_words(order.total, order.currency)
        order.note(OTHER_TOTAL(total=theirs_said, ours=ours))
        log.error("order %s: Stripe's total is %s, ours %s: it is closed", order.pk, total, order.total)
        payment.fingerprint = ""  # like no order's: the next who finds this object closes it
    return verdict


def _refuse_other_total(payment: Payment) -> NoReturn:
    expire(payment)
    message = _("The total at our payment service is not that of your order. Nothing was charged.")
    raise ShopError("amount_mismatch", message, status=502)


def _wait(payment: Payment, deadline: float) -> None:
    """Until the request that asks Stripe is done. Raises ShopError."""

    def done() -> bool:
        now = Payment.objects.get(pk=payment.pk)
        if now.stripe_id or now.status != Status.CREATING:
            return True
        if now.lease_until is None:
            raise unavailable()  # the one who asked got no answer
        return not now.is_leased

    with told_to_the_buyer():
        if not wait_until(done, patience=deadline - time.monotonic()):
            raise busy()


def expire(payment: Payment) -> None:
    """Closes the object at Stripe, or learns that it was paid. Raises ShopError."""
    with told_to_the_buyer():
        try:
            now = gateway(payment.account).expire(payment.kind, payment.stripe_id or "")
        except StripeRefused as refusal:
            if not refusal.missing:
                raise
            sync.refresh(payment)
        else:
            sync.apply(payment, now)


def _ask(payment: Payment) -> None:
    with told_to_the_buyer():
        payment = sync.refresh(payment)
    if payment.status == Status.OPEN and payment.expires_at <= timezone.now():
        expire(payment)  # our clock is ahead of Stripe's
