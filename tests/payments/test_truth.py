"""What Stripe's objects say in our words: each state, and each place where a fact may stand or be missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from kopeck.orders import placing
from kopeck.orders.models import EMAIL_LENGTH, Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.payments.sync import Truth, read_intent, read_session
from tests.support.shop import make_item
from tests.support.worker import forget_jobs

Status = Payment.Status
CHARGE = {
    "created": 1_790_000_000,
    "billing_details": {"email": "card@example.com"},
    "payment_method_details": {"card": {"brand": "visa", "last4": "4242"}},
}
UNPAID = {"payment_status": "unpaid"}
DECLINED = {"code": "card_declined"}
NAMELESS: dict[str, Any] = {"customer_details": {}}


def session(**facts: Any) -> dict[str, Any]:
    usual = {
        "id": "cs_1", "status": "complete", "payment_status": "paid", "amount_total": 4820, "currency": "usd",
        "customer_details": {"email": "buyer@example.com"},
        "payment_intent": {"id": "pi_1", "latest_charge": CHARGE},
    }  # fmt: skip
    return usual | facts


def intent(**facts: Any) -> dict[str, Any]:
    usual = {
        "id": "pi_1", "status": "succeeded", "amount": 4820, "amount_received": 4820, "currency": "usd",
        "latest_charge": CHARGE, "receipt_email": "receipt@example.com",
    }  # fmt: skip
    return usual | facts


def test_a_paid_session_with_all_that_is_to_be_known() -> None:
    assert read_session(session()) == Truth(
        status=Status.PAID,
        amount=4820,
        currency="usd",
        paid_at=datetime.fromtimestamp(1_790_000_000, UTC),
        payment_intent="pi_1",
        email="buyer@example.com",
        card_brand="visa",
        card_last4="4242",
    )


def test_a_paid_intent_with_all_that_is_to_be_known() -> None:
    assert read_intent(intent()) == Truth(
        status=Status.PAID,
        amount=4820,
        currency="usd",
        paid_at=datetime.fromtimestamp(1_790_000_000, UTC),
        payment_intent="pi_1",
        email="card@example.com",
        card_brand="visa",
        card_last4="4242",
    )


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"status": "expired"}, Status.EXPIRED),
        ({"status": "expired", "payment_status": "unpaid"}, Status.EXPIRED),
        ({"status": "open", "payment_status": "unpaid"}, Status.OPEN),
        ({"status": None, "payment_status": "paid"}, Status.OPEN),
        ({"payment_status": "paid"}, Status.PAID),
        ({"payment_status": "no_payment_required", "payment_intent": None}, Status.PAID),
        (UNPAID, Status.PROCESSING),
        (UNPAID | {"payment_intent": {"id": "pi_1", "status": "processing"}}, Status.PROCESSING),
        (UNPAID | {"payment_intent": {"id": "pi_1", "status": "canceled"}}, Status.FAILED),
        (
            UNPAID | {"payment_intent": {"id": "pi_1", "status": "requires_payment_method"}},
            Status.FAILED,
        ),
    ],
)  # fmt: skip
def test_each_state_of_a_session(facts: dict[str, Any], status: Payment.Status) -> None:
    assert read_session(session(**facts)).status == status


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"status": "succeeded"}, Status.PAID),
        ({"status": "processing"}, Status.PROCESSING),
        ({"status": "requires_capture"}, Status.PROCESSING),
        ({"status": "canceled"}, Status.EXPIRED),
        ({"status": "requires_payment_method"}, Status.OPEN),
        ({"status": "requires_payment_method", "last_payment_error": None}, Status.OPEN),
        ({"status": "requires_payment_method", "last_payment_error": DECLINED}, Status.FAILED),
        ({"status": "requires_action", "last_payment_error": DECLINED}, Status.OPEN),
        ({"status": "requires_confirmation"}, Status.OPEN),
        ({"status": "something_new"}, Status.OPEN),
    ],
)  # fmt: skip
def test_each_state_of_an_intent(facts: dict[str, Any], status: Payment.Status) -> None:
    assert read_intent(intent(**facts)).status == status


def test_what_came_counts_once_it_is_paid_and_till_then_what_was_asked_for() -> None:
    assert read_intent(intent(amount_received=4000)).amount == 4000
    assert read_intent(intent(amount_received=0, status="processing")).amount == 4820
    assert read_intent(intent(currency="eur")).currency == "eur"


@pytest.mark.parametrize("made", [None, "pi_9", {"id": "pi_9"}])
def test_the_intent_of_a_session_may_be_missing_a_name_or_an_object(made: Any) -> None:
    truth = read_session(session(payment_intent=made))
    assert truth.payment_intent == ("pi_9" if made else "")
    assert (truth.paid_at, truth.card_brand, truth.card_last4) == (None, "", "")
    assert truth.email == "buyer@example.com"


@pytest.mark.parametrize("charge", [None, "ch_1", {}, {"created": None, "payment_method_details": None}])
def test_a_charge_may_be_missing_a_name_or_an_object_without_facts(charge: Any) -> None:
    truth = read_intent(intent(latest_charge=charge))
    assert (truth.paid_at, truth.card_brand, truth.card_last4) == (None, "", "")
    assert truth.email == "receipt@example.com"


@pytest.mark.parametrize(
    "details", [{}, {"card": None}, {"card": {}}, {"card": {"brand": None, "last4": None}}]
)
def test_what_paid_may_be_no_card(details: dict[str, Any]) -> None:
    truth = read_intent(intent(latest_charge=CHARGE | {"payment_method_details": details}))
    assert (truth.card_brand, truth.card_last4) == ("", "")


@pytest.mark.parametrize(
    ("facts", "email"),
    [
        ({}, "buyer@example.com"),
        ({"customer_details": None}, "card@example.com"),
        ({"customer_details": {"email": None}}, "card@example.com"),
        (NAMELESS | {"payment_intent": {"id": "pi_1", "receipt_email": "r@example.com"}}, "r@example.com"),
        (NAMELESS | {"payment_intent": {"id": "pi_1", "receipt_email": None}}, ""),
        (NAMELESS | {"payment_intent": {"id": "pi_1", "latest_charge": {"billing_details": None}}}, ""),
        ({"customer_details": {"email": "a" * EMAIL_LENGTH}}, "a" * EMAIL_LENGTH),
        ({"customer_details": {"email": "a" * (EMAIL_LENGTH + 1)}}, ""),
    ],
)  # fmt: skip
def test_the_address_of_mail_is_the_buyers_then_the_cards_then_the_receipts(
    facts: dict[str, Any], email: str
) -> None:
    assert read_session(session(**facts)).email == email


HELD = {
    "amount": "Stripe took 9.99 USD, not 10.00 USD.",
    "paid_before": "This order was paid before by another payment.",
    "terms": "The order was changed since this payment was started.",
    "cancelled": "The order was cancelled before this payment came.",
    "code": "The order's discount code was used up when this payment came.",
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("review", HELD)
@pytest.mark.parametrize("amount", [1000, 999, 0])
def test_money_that_needs_review_is_kept_apart_with_the_reason(review: str, amount: int) -> None:
    if (review, amount) == ("amount", 1000):
        return  # then there would be nothing to review
    forget_jobs()
    order = placing.place([Wanted(make_item(price=1000), 1)], visitor="v")
    payment = Payment.objects.create(
        order=order, account="default", kind="checkout", status="open", stripe_id="cs_1", attempt=1,
        amount=1000, currency="usd", inputs={}, expires_at=timezone.now(),
    )  # fmt: skip
    truth = Truth(status=Status.PAID, amount=amount, currency="usd", payment_intent="pi_1")
    sync._need_review(order, payment, truth, Payment.Review(review))
    payment.refresh_from_db()
    order.refresh_from_db()
    took = f"{amount // 100}.{amount % 100:02} USD"
    problem = HELD[review] if amount == 1000 else f"Stripe took {took}, not 10.00 USD."
    assert (payment.status, payment.review_reason, payment.problem) == ("needs_review", review, problem)
    assert payment.payment_intent == "pi_1"
    assert [note.text for note in order.notes.all()] == [f"A payment of {took} needs review: {problem}"]
    assert order.status == ("processing" if review == "amount" else "open")
    jobs = ProcrastinateJob.objects.values_list("task_name", "args")
    expected = (
        [("kopeck.refunds.jobs.refund_unwanted", {"payment_id": payment.pk})]
        if review != "amount" and amount
        else []
    )
    assert list(jobs) == expected


def attempt(status: str, *, stripe_id: str | None = "cs_1") -> tuple[Order, Payment]:
    """An order of 48.20 with one payment."""
    order = placing.place([Wanted(make_item(price=4820), 1)], visitor="v")
    payment = Payment.objects.create(
        order=order, account="default", kind="checkout", status=status, stripe_id=stripe_id, attempt=1,
        amount=4820, currency="usd", inputs={}, fingerprint=order.terms, expires_at=timezone.now(),
    )  # fmt: skip
    return order, payment


@pytest.mark.django_db(transaction=True)
def test_an_object_of_an_attempt_that_got_no_answer_is_its_own_from_then_on() -> None:
    _order, payment = attempt("creating", stripe_id=None)
    opened = session(id="cs_9", status="open", payment_status="unpaid", payment_intent=None)
    for _time in range(2):
        long_ago = timezone.now() - timedelta(hours=1)
        Payment.objects.update(asked_at=long_ago)
        sync.apply(payment, opened)
        payment.refresh_from_db()
        assert (payment.status, payment.stripe_id) == ("open", "cs_9")
        assert payment.asked_at is not None
        assert payment.asked_at > long_ago


@pytest.mark.django_db(transaction=True)
def test_a_session_that_a_bank_refused_and_that_is_over_lets_its_order_be_paid_again() -> None:
    order, payment = attempt("processing")
    Order.objects.update(status="processing")
    sync.apply(payment, session(status="expired", payment_status="unpaid"))
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (order.status, payment.status) == ("expired", "expired")


@pytest.mark.django_db(transaction=True)
def test_a_session_that_is_over_does_not_end_the_wait_for_another_ones_bank() -> None:
    order, payment = attempt("expired")
    Order.objects.update(status="processing")
    sync.apply(payment, session(status="expired", payment_status="unpaid"))
    order.refresh_from_db()
    assert order.status == "processing"
