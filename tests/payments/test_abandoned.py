"""Orders that nobody paid: marked after a day, never called failed, and resumed by their link."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments import jobs, sync
from kopeck.payments.models import Payment
from tests.support.buying import buy, place_order
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)

TWO_DAYS = timedelta(days=2)


def age(what: Any = Order) -> None:
    what.objects.update(created=timezone.now() - TWO_DAYS)


def test_an_order_that_was_never_paid_for_is_abandoned_after_a_day(buyer: Client) -> None:
    order = place_order(buyer, make_item())
    assert jobs.expire_abandoned() == 0
    Order.objects.update(created=timezone.now() - timedelta(hours=23))
    assert jobs.expire_abandoned() == 0
    age()
    assert jobs.expire_abandoned() == 1
    assert Order.objects.get(pk=order.pk).status == "expired"


@pytest.mark.parametrize("status", Payment.LIVE)
def test_what_can_still_be_paid_at_stripe_is_left_alone(
    sandbox: ShopSandbox, buyer: Client, status: str
) -> None:
    """pain 1: only Stripe's word ends a payment"""
    buy(buyer, make_item())
    Payment.objects.update(status=status)
    age()
    age(Payment)
    assert jobs.expire_abandoned() == 0
    assert Order.objects.get().status == "open"


def test_an_order_whose_last_try_was_today_is_left_alone(sandbox: ShopSandbox, buyer: Client) -> None:
    buy(buyer, make_item())
    Payment.objects.update(status="refused")
    age()
    assert jobs.expire_abandoned() == 0
    age(Payment)
    assert jobs.expire_abandoned() == 1


def test_an_abandoned_order_is_resumed_by_its_link_at_todays_prices(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    """pain 15"""
    order = place_order(buyer, make_item(price=1000))
    age()
    jobs.expire_abandoned()
    page = stranger.get(order.link).content.decode()  # another browser, by the link
    assert "you can still pay it" in page
    assert "<h1>Not paid</h1>" in page
    item = order.lines.get().item
    item.price = 900
    item.save()
    answer = stranger.get(f"/order/{order.pk}/buy", {"key": order.key})
    session_id = answer.json()["session_id"]
    order.refresh_from_db()
    assert (order.status, order.total) == ("open", 900)
    sandbox.pay(session_id)
    sync.refresh(Payment.objects.get())
    order.refresh_from_db()
    assert order.status == "paid"


def test_a_session_that_ran_out_is_resumed_with_a_new_one(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    """pain 15: expired is not failed"""
    item = make_item(price=1000)
    _, first = buy(buyer, item)
    sandbox.stripe.v1.checkout.sessions.expire(first)
    (event,) = [e for e in sandbox.events() if e["type"] == "checkout.session.expired"]
    deliver(event)
    order = Order.objects.get()
    assert order.status == "expired"
    answer = buyer.post(f"/order/{order.pk}/buy")
    assert answer.status_code == 303
    assert order.payments.count() == 2
    order.refresh_from_db()
    assert order.status == "open"


def test_a_payment_that_comes_after_all_is_taken(sandbox: ShopSandbox, buyer: Client) -> None:
    """pain 1"""
    _, session_id = buy(buyer, make_item())
    Payment.objects.update(status="expired")
    age()
    age(Payment)
    assert jobs.expire_abandoned() == 1
    sandbox.pay(session_id)
    sync.refresh(Payment.objects.get())
    assert Order.objects.get().status == "paid"


def test_many_are_marked_in_batches_and_the_job_leaves_none(
    buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEFT_BATCH", 2)
    for _time in range(5):
        Client().post("/order", {f"item_{make_item().pk}": "1"})
    age()
    jobs.mark_abandoned(0)
    assert list(Order.objects.values_list("status", flat=True)) == ["expired"] * 5


def test_an_order_that_is_being_worked_on_is_not_waited_for(buyer: Client) -> None:
    import threading

    from django.db import transaction

    place_order(buyer, make_item())
    age()
    locked, done = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            Order.objects.select_for_update().get()
            locked.set()
            done.wait(240)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert locked.wait(240)
    assert jobs.expire_abandoned() == 0
    done.set()
    worker.join()
    assert jobs.expire_abandoned() == 1


def test_the_search_is_served_by_its_index(db: None) -> None:
    """The oldest first, with no look at all others that are open: they are not sorted again."""
    for status, count in (("expired", 2000), ("open", 2000)):
        Order.objects.bulk_create([Order(currency="usd", status=status) for _ in range(count)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders_order, payments_payment")
    plan = jobs._abandoned(timezone.now()).order_by("created")[:20].explain()
    assert "orders_left_open" in plan
