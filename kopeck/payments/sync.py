"""The one way to learn the truth: ask Stripe, then write it down in one transaction with the order locked.

The webhook, the return page and the periodic job all end here. Transitions go forward only, so any order of
events, and any number of repetitions, ends in the same state.
"""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from kopeck.database import rows
from kopeck.errors import ShopError
from kopeck.money import in_words
from kopeck.orders.models import EMAIL_LENGTH, Order
from kopeck.orders.shipment import Shipment
from kopeck.payments import stock
from kopeck.payments.models import Payment, in_review, is_used_up
from kopeck.payments.signals import order_paid, payment_needs_review
from kopeck.sentences import Sentence
from kopeck.stripe_api.client import StripeRefused, gateway
from kopeck.telemetry.logs import about_its

log = logging.getLogger(__name__)
Status = Payment.Status
Review = Payment.Review
TOO_LATE = Sentence("The payment came too late: %(items)s is sold out. All of it is refunded.")
NO_ADDRESS = Sentence("Stripe knows no address for this delivery: ask the buyer before you send anything.")
OTHER_COUNTRY = Sentence("The address is in %(country)s, but a delivery to %(paid)s was paid.")
NEEDS_REVIEW = Sentence("A payment of %(amount)s needs review: %(problem)s")
OTHER_AMOUNT = Sentence("Stripe took %(amount)s, not %(ours)s.")
UNKNOWN = Sentence("Stripe knows no such object.")
PROBLEMS = {
    Review.PAID_BEFORE: Sentence("This order was paid before by another payment."),
    Review.TERMS: Sentence("The order was changed since this payment was started."),
    Review.CANCELLED: Sentence("The order was cancelled before this payment came."),
    Review.CODE: Sentence("The order's discount code was used up when this payment came."),
}


@dataclass(frozen=True, slots=True)
class Truth:
    """What Stripe's object says about a payment. Amounts in minor units."""

    status: Status
    amount: int
    currency: str
    paid_at: datetime | None = None
    payment_intent: str = ""
    email: str = ""
    charge: str = ""
    card_brand: str = ""
    card_last4: str = ""
    #: Where it goes: Stripe's `name`, `phone`, `address`.
    shipping: dict[str, Any] = field(default_factory=dict)


@about_its(lambda payment: {"order": payment.order_id, "account": payment.account})
def refresh(payment: Payment) -> Payment:
    """Asks Stripe about this payment and applies the answer. Raises StripeUnavailable."""
    if not payment.stripe_id:
        return payment
    try:
        now = gateway(payment.account).retrieve(payment.kind, payment.stripe_id)
    except StripeRefused as refusal:
        if not refusal.missing:
            raise
        return _lost(payment)
    return apply(payment, now)


def apply(payment: Payment, now: dict[str, Any], *, revive: bool = False) -> Payment:
    """Writes what the session or intent says on the payment and its order; the payment as it then is.

    `revive`: the caller is sure that `now` is no old answer, so an expired attempt may be under way again.
    """
    truth = read_session(now) if payment.kind == Payment.Kind.CHECKOUT else read_intent(now)
    with transaction.atomic():
        # The order's row is the one lock: every change of the order or its payments takes it first.
        order, payment = _locked(payment)
        payment.asked_at = timezone.now()
        payment.stripe_id = payment.stripe_id or now["id"]
        if payment.status in (Status.PAID, Status.NEEDS_REVIEW):
            rows.update(payment, "asked_at")
            return payment
        if revive and truth.status == Status.PROCESSING and _may_revive(order, payment):
            payment.status = Status.PROCESSING
        _move(order, payment, truth)
    return payment


#: A payment with its order; both are locked, the order first as everywhere, so both are as they are by then.
#: And whether any item of it is limited: pieces are counted apart, once these are locked.
LOCKED = f"""
SELECT {rows.columns(Order, "o")}, {rows.columns(Payment, "p")}, EXISTS (
    SELECT FROM orders_orderline line JOIN catalog_item item ON item.id = line.item_id
    WHERE line.order_id = o.id AND item.stock IS NOT NULL
)
FROM "orders_order" o JOIN payments_payment p ON p.order_id = o.id WHERE p.id = %s FOR UPDATE OF o, p
"""  # noqa: S608 - the models' own names


def _locked(payment: Payment) -> tuple[Order, Payment]:
    for order, now, is_limited in rows.read(LOCKED, [payment.pk], Order, Payment):
        order.is_unlimited = not is_limited
        now.order = order
        return order, now
    raise Payment.DoesNotExist(f"payment {payment.pk}")


def _may_revive(order: Order, payment: Payment) -> bool:
    """Whether an attempt that was taken for lost can have back what it held: stock and a discount's use."""
    # An order that still waits for this very bank is one, too: it was kept from being paid again meanwhile.
    if payment.status != Status.EXPIRED or order.status not in (*Order.PAYABLE, Order.Status.PROCESSING):
        return False
    if payment.fingerprint != order.terms:
        return False  # nobody wants what it would pay for
    if order.payments.filter(status__in=Payment.LIVE).exists() or is_used_up(order):
        return False
    try:
        stock.require(order)
    except ShopError:
        return False  # others have it: should the money come, it is refunded by itself
    return True


def _move(order: Order, payment: Payment, truth: Truth) -> None:
    match truth.status:
        case Status.PAID:
            _pay(order, payment, truth)
        case Status.PROCESSING if payment.is_live:
            payment.settle(Status.PROCESSING, payment_intent=truth.payment_intent)
            order.mark_processing()
        case Status.FAILED if payment.kind == Payment.Kind.INTENT:
            # The intent asks for another card and can still be paid; only a payment under way fails back.
            if payment.status == Status.PROCESSING:
                payment.settle(Status.OPEN)
                _stop_waiting(order, payment)
        case Status.FAILED:
            payment.settle(Status.FAILED, payment_intent=truth.payment_intent)
            _stop_waiting(order, payment)
        case Status.EXPIRED:
            # A bank was at work on it, said no, and it was closed, all before we asked: both are news.
            failed = payment.status == Status.PROCESSING
            payment.settle(Status.EXPIRED)
            if failed:
                _stop_waiting(order, payment)
            if not order.payments.filter(status__in=Payment.LIVE).exists():
                order.mark_expired()
        case Status.OPEN if payment.status == Status.CREATING:
            payment.settle(Status.OPEN)
        case _:
            # An answer that is older than what we know: only the time of asking is new.
            payment.settle(Status(payment.status))


def _stop_waiting(order: Order, failed: Payment) -> None:
    """A bank said no: the order can be paid again, unless it waits for another one, or for the owner."""
    for_a_bank = order.payments.filter(status__in=Payment.LIVE).exclude(pk=failed.pk)
    for_the_owner = in_review(order).filter(review_reason__in=Payment.OWNER_DECIDES)
    if not (for_a_bank.exists() or for_the_owner.exists()):
        order.mark_failed()


def _pay(order: Order, payment: Payment, truth: Truth) -> None:
    """The order is paid, if this is the payment of what it is now; else the payment needs review."""
    review = _review(order, payment, truth)
    if review is not None:
        return _need_review(order, payment, truth, review)
    at, was_live = truth.paid_at or timezone.now(), payment.is_live
    gone = stock.take(order, held=was_live)
    card = {"charge": truth.charge, "card_brand": truth.card_brand, "card_last4": truth.card_last4}
    paid = order.set_paid(at, email=truth.email)
    settled = payment.set_settled(Status.PAID, paid_at=at, payment_intent=truth.payment_intent, **card)
    rows.update_both(order, paid, payment, settled)
    log.info("order %s is paid: %s %s", order.pk, payment.amount, payment.currency)
    if gone:
        order.mark_sold_out(gone)
        order.note(TOO_LATE(items=order.sold_out))
        log.error("order %s is paid, but sold out: %s", order.pk, order.sold_out)
    elif order.ship_to:
        _note_shipment(order, truth)
    order_paid.send(Payment, payment=payment, order=order, was_live=was_live)
    return None


def _note_shipment(order: Order, truth: Truth) -> None:
    """Where it goes. What does not fit the delivery that was paid is said: our own page asks by a script."""
    shipment = Shipment.to(order, truth.shipping)
    if not shipment.address:
        order.note(NO_ADDRESS())
    elif shipment.country != order.ship_to:
        order.note(OTHER_COUNTRY(country=shipment.country, paid=order.ship_to))


def _review(order: Order, payment: Payment, truth: Truth) -> Payment.Review | None:
    """Why this payment does not pay for the order as it is now; None where it does."""
    if order.status in Order.WAS_PAID:
        return Review.PAID_BEFORE
    if order.status == Order.Status.CANCELLED:
        return Review.CANCELLED
    if payment.fingerprint != order.terms:
        return Review.TERMS
    if {(truth.amount, truth.currency), (payment.amount, payment.currency)} != {
        (order.total, order.currency)
    }:
        return Review.AMOUNT
    # A live payment has held its use of the code till now.
    return Review.CODE if not payment.is_live and is_used_up(order) else None


def _need_review(order: Order, payment: Payment, truth: Truth, review: Payment.Review) -> None:
    """Keeps the money apart. It is refunded automatically, but for another amount: then the owner decides."""
    took, mine = in_words(truth.amount, truth.currency), in_words(payment.amount, payment.currency)
    if took != mine:  # whatever else there is
        problem = OTHER_AMOUNT(amount=took, ours=mine)
    elif review == Review.AMOUNT:
        problem = OTHER_AMOUNT(amount=took, ours=in_words(order.total, order.currency))
    else:
        problem = PROBLEMS[review]()
    log.error("payment %s of order %s needs review: %s", payment, order.pk, problem)
    payment.settle(
        Status.NEEDS_REVIEW,
        problem=problem,
        review_reason=review,
        payment_intent=truth.payment_intent,
        charge=truth.charge,
    )
    order.note(NEEDS_REVIEW(amount=took, problem=problem))
    if review == Review.AMOUNT:
        order.mark_processing()  # nothing else is to be paid before the owner has decided
    payment_needs_review.send(Payment, payment=payment, order=order, amount=truth.amount)


def read_intent(intent: dict[str, Any]) -> Truth:
    """The PaymentIntent's state in our words. What a card refused is FAILED: the intent itself lives on."""
    match intent["status"]:
        case "succeeded":
            status = Status.PAID
        case "processing" | "requires_capture":
            status = Status.PROCESSING
        case "canceled":
            status = Status.EXPIRED
        case "requires_payment_method" if intent.get("last_payment_error"):
            status = Status.FAILED
        case _:
            status = Status.OPEN
    amount = intent["amount_received"] if status == Status.PAID else intent["amount"]
    return _truth(status, amount, intent["currency"], intent, "", intent.get("shipping"))


def read_session(session: dict[str, Any]) -> Truth:
    """The session's state in our words. Fulfil on `payment_status` paid or no_payment_required only."""
    intent = session.get("payment_intent")
    intent = intent if isinstance(intent, dict) else {"id": intent or ""}
    status = _session_status(session, intent)
    said = session.get("customer_details") or {}
    shipping = (session.get("collected_information") or {}).get("shipping_details")
    shipping = shipping and {**shipping, "phone": said.get("phone")}
    total, email = session["amount_total"], said.get("email") or ""
    return _truth(status, total, session["currency"], intent, email, shipping or intent.get("shipping"))


def _truth(
    status: Status, amount: int, currency: str, intent: dict[str, Any], email: str, shipping: Any
) -> Truth:
    charge = intent.get("latest_charge")
    charge = charge if isinstance(charge, dict) else {}
    card = (charge.get("payment_method_details") or {}).get("card") or {}
    email = email or (charge.get("billing_details") or {}).get("email") or intent.get("receipt_email") or ""
    return Truth(
        status=status,
        amount=amount,
        currency=currency,
        paid_at=datetime.fromtimestamp(charge["created"], UTC) if charge.get("created") else None,
        payment_intent=intent["id"],
        # No mail reaches one that does not fit; it must not keep an order from being paid.
        email=email if len(email) <= EMAIL_LENGTH else "",
        charge=charge.get("id") or "",
        card_brand=card.get("brand") or "",
        card_last4=card.get("last4") or "",
        shipping=shipping or {},
    )


def _session_status(session: dict[str, Any], intent: dict[str, Any]) -> Status:
    if session["status"] == "expired":
        return Status.EXPIRED
    if session["status"] != "complete":
        return Status.OPEN
    if session["payment_status"] != "unpaid":
        return Status.PAID
    # Completed by a delayed method: the bank has not answered, or has said no.
    if intent.get("status") in ("requires_payment_method", "canceled"):
        return Status.FAILED
    return Status.PROCESSING


def _lost(payment: Payment) -> Payment:
    """Stripe knows no such object (other keys, a sandbox that was reset): it can't be paid any more.

    An attempt without an id is left alone: what was asked about is none of its own.
    """
    with transaction.atomic():
        order, payment = _locked(payment)
        if payment.is_live and payment.stripe_id:
            problem = UNKNOWN()
            log.warning("payment %s of order %s: %s", payment, order.pk, problem)
            payment.asked_at = timezone.now()
            payment.settle(Status.EXPIRED, problem=problem)
            order.mark_expired()
    return payment
