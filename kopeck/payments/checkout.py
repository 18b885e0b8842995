"""Buy: one open Checkout Session an order, reused while unchanged, expired before anything else is made.

Double clicks, second tabs and 50 requests at once end in the same session: the first to take the attempt's
lease asks Stripe, the others wait for what it writes down. A crash leaves a row with its inputs and its
idempotency key, so the next request finds at Stripe what was made, if it was.
"""

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, NoReturn

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from kopeck.errors import ShopError
from kopeck.orders.models import Order, Wanted
from kopeck.payments import sync
from kopeck.payments.accounts import for_currency
from kopeck.payments.gateway import StripeRefused, StripeUnavailable, gateway, release_database
from kopeck.payments.models import Payment

log = logging.getLogger(__name__)
Status = Payment.Status

#: How long a session can be paid. Stripe wants 30 minutes from when it is asked; the rest is for retries.
SESSION_LIFE = timedelta(minutes=35)
#: A session with less than this left is not handed out again.
TOO_LATE = timedelta(minutes=1)
#: Longer than all tries of one call to Stripe together; then its asker is taken for dead.
LEASE = timedelta(seconds=60)
#: How long a request waits for another one that asks Stripe for the same session.
PATIENCE = 25.0


class Turn(Enum):
    """What a request should do about an order's payment."""

    HAND_OUT = auto()
    CREATE = auto()
    WAIT = auto()
    WITHDRAW = auto()
    ASK = auto()


@dataclass(frozen=True, slots=True)
class Site:
    """The shop's own address as the buyer reached it, with no slash at the end."""

    base: str

    def back_from(self, order: Order) -> tuple[str, str]:
        """Where Checkout leads: after paying, and by its Back link."""
        success = f"{self.base}/order/{order.pk}/return?key={order.key}&session_id={{CHECKOUT_SESSION_ID}}"
        if order.buy_item_id:
            quantity = order.lines.get().quantity
            return success, f"{self.base}/item/{order.buy_item_id}?cancelled=1&quantity={quantity}"
        return success, f"{self.base}{order.link}"


def buy(wanted: Wanted, *, visitor: str, site: Site) -> Payment:
    """The visitor's open session for this item and quantity. Raises ShopError."""
    for _attempt in range(3):
        order = Order.place_for_buy(wanted, visitor=visitor)
        if not order.holds([wanted]) and not change(order, [wanted], site):
            continue  # it was paid in this very moment: what is bought now is a new order
        try:
            return start(order.pk, site)
        except ShopError as refusal:
            if refusal.code not in ("order_paid", "order_processing"):
                raise
    raise ShopError("try_again", _("Your order has just changed. Please press Buy once more."), status=409)


def change(order: Order, wanted: list[Wanted], site: Site) -> bool:
    """Replaces the lines once nothing can be paid for the old ones; False if they were paid meanwhile."""
    for _attempt in range(5):
        with transaction.atomic():
            locked = Order.objects.select_for_update().get(pk=order.pk)
            live = locked.payments.filter(status__in=Payment.LIVE).first()
            if live is None:
                return locked.change(wanted)
            if live.status == Status.PROCESSING:
                return False
        _withdraw(live if live.stripe_id else start(order.pk, site))
    raise _busy()


def start(order_id: int, site: Site) -> Payment:
    """The open session of this order, made if there is none. Raises ShopError."""
    deadline = time.monotonic() + PATIENCE
    for _attempt in range(8):
        turn, payment = _take_turn(order_id, site)
        match turn:
            case Turn.HAND_OUT:
                return payment
            case Turn.CREATE:
                if created := _create(payment):
                    return created
            case Turn.WAIT:
                _wait(payment, deadline)
            case Turn.WITHDRAW:
                _withdraw(payment)
            case Turn.ASK:
                _ask(payment)
    raise _busy()


def _take_turn(order_id: int, site: Site) -> tuple[Turn, Payment]:
    """Decides, with the order locked and for a moment only, who does what."""
    now = timezone.now()
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        _refuse_unpayable(order)
        live = order.payments.filter(status__in=Payment.LIVE).first()
        if live is None:
            order.mark_open()
            return Turn.CREATE, _new_attempt(order, site)
        if not live.stripe_id:
            if live.lease_until and live.lease_until > now:
                return Turn.WAIT, live
            live.lease_until = now + LEASE
            live.save(update_fields=["lease_until"])
            return Turn.CREATE, live
        if live.fingerprint != _fingerprint(order):
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


def _new_attempt(order: Order, site: Site) -> Payment:
    account = for_currency(settings.STRIPE_ACCOUNTS, order.currency)
    if account is None:
        message = _("We take no payments in %(currency)s at the moment.") % {
            "currency": order.currency.upper()
        }
        raise ShopError("currency_not_accepted", message, status=422)
    last = order.payments.aggregate(last=Max("attempt"))["last"] or 0
    payment = Payment(
        order=order,
        account=account.name,
        amount=order.total,
        currency=order.currency,
        attempt=last + 1,
        fingerprint=_fingerprint(order),
        expires_at=timezone.now() + SESSION_LIFE,
        lease_until=timezone.now() + LEASE,
    )
    payment.inputs = _inputs(order, payment, site)
    payment.save(force_insert=True)
    return payment


def _inputs(order: Order, payment: Payment, site: Site) -> dict[str, Any]:
    """What Stripe is asked for. Stored and repeated to the letter: the idempotency key demands it."""
    success_url, cancel_url = site.back_from(order)
    metadata = {"kopeck_order": str(order.pk), "kopeck_payment": str(payment.key)}
    inputs: dict[str, Any] = {
        "mode": "payment",
        "line_items": [_line_item(line, site) for line in order.lines.select_related("item")],
        "success_url": success_url,
        "cancel_url": cancel_url,
        "client_reference_id": str(order.pk),
        # On both: Stripe copies the session's metadata to nothing.
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "expires_at": int(payment.expires_at.timestamp()),
        # An account's defaults could turn these on and charge another amount than the order's.
        "automatic_tax": {"enabled": False},
        "adaptive_pricing": {"enabled": False},
    }
    if order.email:
        inputs["customer_email"] = order.email
    return inputs


def _line_item(line: Any, site: Site) -> dict[str, Any]:
    product: dict[str, Any] = {"name": line.name}
    if line.item.description:
        product["description"] = line.item.description[:500]
    # Stripe fetches pictures from the internet; a shop that is not there would show broken ones.
    if line.item.image_url and (site.base.startswith("https://") or settings.STRIPE_SANDBOX):
        product["images"] = [f"{site.base}{line.item.image_url}"]
    price = {"currency": line.order.currency, "unit_amount": line.unit_price, "product_data": product}
    return {"price_data": price, "quantity": line.quantity}


def _fingerprint(order: Order) -> str:
    """Changes whenever another session would be needed: lines, prices, currency, total."""
    lines = list(order.lines.order_by("pk").values_list("item_id", "name", "unit_price", "quantity"))
    facts = json.dumps([order.currency, order.total, lines])
    return hashlib.sha256(facts.encode()).hexdigest()


def _create(payment: Payment) -> Payment | None:
    """Asks Stripe for this attempt's session; None if it came too late and a new attempt is needed."""
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
        if refusal.param == "expires_at":
            return None
        log.error("order %s: Stripe refuses the session: %s", payment.order_id, refusal)
        raise _refused() from refusal
    except BaseException:
        ours.update(lease_until=None)
        raise
    payment = _store(payment, session)
    if (session["amount_total"], session["currency"]) != (payment.amount, payment.currency):
        _refuse_other_total(payment, session)
    return payment


def _store(payment: Payment, session: dict[str, Any]) -> Payment:
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=payment.order_id)
        payment = Payment.objects.get(pk=payment.pk)
        payment.stripe_id, payment.url = session["id"], session["url"] or payment.url
        payment.lease_until, payment.problem = None, ""
        if payment.status == Status.CREATING:
            payment.status = Status.OPEN
        payment.save(update_fields=["stripe_id", "url", "status", "lease_until", "problem"])
    return payment


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


def _unavailable() -> ShopError:
    message = _("Our payment service does not answer. Nothing was charged. Please try again in a minute.")
    return ShopError("stripe_unavailable", message, status=503)


def _refused() -> ShopError:
    message = _("Our payment service could not start this payment. Nothing was charged; we look into it.")
    return ShopError("stripe_refused", message, status=502)


def _busy() -> ShopError:
    return ShopError("busy", _("This order is being worked on. Please try again in a moment."), status=503)
