"""What happens at once: of two that want the same, one wins and the other is told."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import stripe

from sandbox_testing.orders import event_types, line, open_session, pay
from sandbox_testing.server import CheckedSandbox


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run them together; what each returned, or the StripeError that it raised."""
    together = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        together.wait()
        try:
            return work()
        except stripe.StripeError as error:
            return error

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))


@pytest.mark.parametrize("attempt", range(8))
def test_a_payment_and_an_expiry_have_one_winner(
    client: stripe.StripeClient, sandbox: CheckedSandbox, attempt: int
) -> None:
    session = open_session(client)
    paid, expired = at_once(
        lambda: pay(sandbox, session.id).get("outcome"),
        lambda: client.v1.checkout.sessions.expire(session.id).status,
    )
    assert (paid == "paid") != (expired == "expired")
    final = client.v1.checkout.sessions.retrieve(session.id)
    assert final.status == ("complete" if paid == "paid" else "expired")
    assert len(client.v1.charges.list().data) == (1 if paid == "paid" else 0)
    told = Counter(event_types(client))
    assert told["checkout.session.completed"] + told["checkout.session.expired"] == 1


def test_of_many_payments_of_a_session_one_is_taken(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(client)
    outcomes = at_once(*[lambda: pay(sandbox, session.id).get("outcome")] * 12)
    assert Counter(outcomes) == {"paid": 1, None: 11}
    assert len(client.v1.charges.list().data) == 1
    assert event_types(client).count("checkout.session.completed") == 1


def test_refunds_at_once_never_give_back_more_than_was_paid(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    session = open_session(client, line(1000))
    pay(sandbox, session.id)
    intent: Any = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    results = at_once(*[lambda: client.v1.refunds.create({"payment_intent": intent, "amount": 300})] * 8)
    assert sum(isinstance(result, stripe.Refund) for result in results) == 3
    assert client.v1.charges.list().data[0].amount_refunded == 900


def test_a_coupon_for_one_is_counted_exactly(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    coupon = client.v1.coupons.create({"percent_off": 10})
    sessions = [open_session(client, discounts=[{"coupon": coupon.id}]) for _ in range(6)]
    at_once(*[lambda id=session.id: pay(sandbox, id) for session in sessions])
    assert client.v1.coupons.retrieve(coupon.id).times_redeemed == 6


def test_one_key_asked_many_times_at_once_makes_one_session(client: stripe.StripeClient) -> None:
    key: Any = {"idempotency_key": "one"}
    params: Any = {
        "mode": "payment",
        "success_url": "https://shop.example/",
        "line_items": [line(1000)],
    }
    answers = at_once(*[lambda: client.v1.checkout.sessions.create(params, key).id] * 10)
    made = {answer for answer in answers if isinstance(answer, str)}
    conflicts = [answer for answer in answers if not isinstance(answer, str)]
    assert len(made) == 1
    assert all(conflict.http_status == 409 for conflict in conflicts)
    assert len(client.v1.checkout.sessions.list().data) == 1
