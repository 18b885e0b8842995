"""Who does what about an order's payment: each turn, at its very border. No Stripe is needed to decide."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from kopeck.catalog.models import Discount, Item
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import attempts, turns
from kopeck.payments.inputs import Client
from kopeck.payments.models import Payment
from kopeck.payments.turns import LEASE, NO_IDS, SESSION_LIFE, TOO_LATE, Turn
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db
CHECKOUT, INTENT = Payment.Kind.CHECKOUT, Payment.Kind.INTENT
CLIENT = Client("https://shop.example", "visitor", "address", is_shown=True)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The clock stands still."""
    at = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: at)
    return at


@pytest.fixture
def order(db: None) -> Order:
    return placing.place([Wanted(make_item(price=1000, stock=5), 2)], visitor="visitor")


def attempt(order: Order, **facts: Any) -> Payment:
    usual: dict[str, Any] = {
        "order": order, "account": "default", "kind": "checkout", "status": "open", "stripe_id": "cs_1",
        "attempt": 3, "amount": order.total, "currency": order.currency, "fingerprint": order.terms,
        "inputs": {}, "expires_at": timezone.now() + SESSION_LIFE,
    }  # fmt: skip
    return Payment.objects.create(**(usual | facts))


def turn(order: Order, kind: Payment.Kind = CHECKOUT) -> tuple[Turn, Any]:
    return turns.to_start(order.pk, kind, CLIENT)


def closing(order: Order, number: int = 0) -> tuple[Turn, Any]:
    """The turn of who wants the end of one payment of the order; there is none with the number 0."""
    return turns.to_close(Payment(pk=number, order=order))


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (SESSION_LIFE, Turn.HAND_OUT),
        (TOO_LATE + timedelta(seconds=1), Turn.HAND_OUT),
        (TOO_LATE, Turn.EXPIRE),
        (timedelta(seconds=1), Turn.EXPIRE),
        (timedelta(0), Turn.ASK),
        (timedelta(seconds=-1), Turn.ASK),
    ],
)
def test_an_open_session_is_handed_out_until_it_is_too_late(
    order: Order, now: datetime, left: timedelta, expected: Turn
) -> None:
    payment = attempt(order, expires_at=now + left)
    assert turn(order) == (expected, payment)


@pytest.mark.parametrize("facts", [{"fingerprint": "other"}, {"kind": "intent"}])
def test_one_of_other_terms_or_of_the_other_kind_is_closed(order: Order, facts: dict[str, Any]) -> None:
    payment = attempt(order, **facts)
    assert turn(order) == (Turn.EXPIRE, payment)


def test_an_intent_is_handed_out_to_who_wants_one(order: Order) -> None:
    payment = attempt(order, kind="intent")
    assert turn(order, INTENT) == (Turn.HAND_OUT, payment)
    assert closing(order, payment.pk) == (Turn.EXPIRE, payment)


@pytest.mark.parametrize("facts", [{}, {"status": "creating", "stripe_id": None}])
def test_what_was_made_since_is_not_closed_in_place_of_what_was_to_be(
    order: Order, facts: dict[str, Any]
) -> None:
    old = attempt(order, attempt=2, status="expired", stripe_id="cs_0")
    attempt(order, **facts)
    assert closing(order, old.pk) == (Turn.HAND_OUT, None)


@pytest.mark.parametrize("left", [None, timedelta(0), timedelta(seconds=-1)])
def test_an_attempt_whose_lease_is_over_is_taken_over_for_a_lease(
    order: Order, now: datetime, left: timedelta | None
) -> None:
    lease = None if left is None else now + left
    payment = attempt(order, status="creating", stripe_id=None, lease_until=lease)
    assert turn(order) == (Turn.CREATE, payment)
    payment.refresh_from_db()
    assert payment.lease_until == now + LEASE
    assert turn(order) == (Turn.WAIT, payment)


def test_an_attempt_that_somebody_asks_stripe_for_is_waited_for(order: Order, now: datetime) -> None:
    lease = now + timedelta(seconds=1)
    payment = attempt(order, status="creating", stripe_id=None, lease_until=lease)
    assert turn(order) == (Turn.WAIT, payment)
    payment.refresh_from_db()
    assert payment.lease_until == lease


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("paid", "order_paid", "This order is paid already."),
        ("refunded", "order_paid", "This order is paid already."),
        ("partly_refunded", "order_paid", "This order is paid already."),
        ("processing", "order_processing", "The payment of this order is being processed."),
        ("cancelled", "order_cancelled", "This order was cancelled."),
    ],
)
def test_an_order_that_cannot_be_paid_says_so(
    order: Order, now: datetime, status: str, code: str, words: str
) -> None:
    Order.objects.update(status=status, paid_at=now if code == "order_paid" else None)
    with pytest.raises(ShopError) as refused:
        turn(order)
    assert (refused.value.code, refused.value.status, str(refused.value)) == (code, 409, words)
    assert closing(order) == (Turn.HAND_OUT, None)  # nothing is wanted: what is there is only closed


def test_a_new_attempt_is_written_with_all_that_its_retries_need(order: Order, now: datetime) -> None:
    Order.objects.update(status="expired")
    attempt(order, status="expired")
    attempt(order, status="failed", attempt=4, stripe_id="cs_2")
    with translation.override("de"):
        chosen, payment = turn(order)
    assert chosen == Turn.CREATE
    payment.refresh_from_db()
    assert (payment.attempt, payment.kind, payment.status, payment.account) == (
        5,
        "checkout",
        "creating",
        "default",
    )
    assert (payment.amount, payment.currency, payment.fingerprint) == (2000, "usd", order.terms)
    assert (payment.expires_at, payment.lease_until) == (now + SESSION_LIFE, now + LEASE)
    assert payment.base_url == "https://shop.example"
    assert (payment.language, payment.asked_from) == ("de", "address")
    assert payment.inputs["line_items"][0]["price_data"]["unit_amount"] == 1000
    assert payment.inputs["expires_at"] == int((now + SESSION_LIFE).timestamp())
    order.refresh_from_db()
    assert order.status == "open"
    assert order.lines.get().holds == 2


def test_the_first_attempt_has_the_number_one(order: Order) -> None:
    assert turn(order, INTENT)[1].attempt == 1
    payment = Payment.objects.get()
    assert (payment.kind, payment.inputs["amount"], payment.language) == ("intent", 2000, "en")
    assert not order.taxes.exists()
    assert NO_IDS.coupon is None


def test_nothing_is_wanted_where_nothing_is_there(order: Order) -> None:
    assert closing(order) == (Turn.HAND_OUT, None)
    attempt(order, status="expired")
    assert closing(order) == (Turn.HAND_OUT, None)
    assert Payment.objects.count() == 1


def test_a_dearer_order_is_shown_first_and_no_attempt_is_made(order: Order) -> None:
    Item.objects.update(price=1100)
    assert turn(order) == (Turn.DEARER, None)
    assert not Payment.objects.exists()


def test_a_coupon_that_stripe_lacks_is_made_first_but_not_for_an_intent(order: Order) -> None:
    discount = Discount.objects.create(name="Off", percent_off=10)
    order.set_discount(discount)
    assert turn(order) == (Turn.MIRROR, None)
    assert not Payment.objects.exists()
    assert turn(order, INTENT)[1].amount == 1800


def test_what_costs_nothing_is_completed_at_checkout(order: Order) -> None:
    order.set_discount(Discount.objects.create(name="All", percent_off=100))
    with pytest.raises(ShopError, match="complete it at Checkout") as refused:
        turn(order, INTENT)
    assert (refused.value.code, refused.value.status) == ("nothing_to_pay", 409)


def test_a_currency_without_an_account_is_told(order: Order, settings: Any) -> None:
    settings.STRIPE_ACCOUNTS = {"eur": settings.STRIPE_ACCOUNTS["default"]}
    with pytest.raises(ShopError, match="no payments in USD") as refused:
        turn(order)
    assert (refused.value.code, refused.value.status) == ("currency_not_accepted", 422)
    assert not Payment.objects.exists()


WHILE_WAITING: list[tuple[dict[str, Any], str]] = [
    ({}, "busy"),  # till the end of one's patience
    ({"stripe_id": "cs_1", "status": "open"}, ""),
    ({"status": "refused"}, ""),
    ({"lease_until": None}, "stripe_unavailable"),  # the one who asked got no answer
    ({"lease_until": timezone.now() - timedelta(seconds=1)}, ""),  # or is dead
]


@pytest.mark.django_db(transaction=True)  # no connection is held while one waits
@pytest.mark.parametrize(("found", "code"), WHILE_WAITING)
def test_who_waits_goes_on_when_the_other_is_done_or_dead(
    order: Order, found: dict[str, Any], code: str
) -> None:
    lease = timezone.now() + timedelta(minutes=5)
    payment = attempt(order, status="creating", stripe_id=None, lease_until=lease)
    Payment.objects.update(**{"lease_until": lease} | found)
    try:
        attempts._wait(payment, time.monotonic() + (0.5 if code == "busy" else 60))
    except ShopError as refused:
        said = refused.code
    else:
        said = ""
    assert said == code
