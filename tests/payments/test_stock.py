"""Few pieces and many buyers: held while they can be paid for, released, taken once, never oversold."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kopeck.catalog.models import Item
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from kopeck.stripe_api import client as wire
from tests.support.buying import SHOWN, at_home, buy, settle
from tests.support.shop import ShopSandbox, make_item
from tests.support.stocking import all_at_once, stock_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_hundred_buyers_of_one_piece_buy_exactly_one(sandbox: ShopSandbox) -> None:
    """pain 13"""
    item = make_item(stock=1)
    answers = all_at_once([f"/buy/{item.pk}"] * 100)
    sold = [body["session_id"] for status, body in answers if status == 200]
    refused = [body["error"]["code"] for status, body in answers if status != 200]
    assert (len(sold), refused) == (1, ["sold_out"] * 99)
    sandbox.pay(sold[0])
    sync.refresh(Payment.objects.get(stripe_id=sold[0]))
    assert stock_of(item) == 0
    assert Order.objects.filter(status="paid").count() == 1
    assert [session.id for session in sandbox.sessions()] == sold


def test_buyers_of_several_pieces_never_get_more_than_there_are(sandbox: ShopSandbox) -> None:
    """pain 13"""
    item = make_item(stock=10)
    answers = all_at_once([f"/buy/{item.pk}?quantity={1 + n % 4}" for n in range(24)])
    lines = OrderLine.objects.filter(order__payments__status="open")
    held = sum(line.holds for line in lines)
    # A buyer who wanted one piece and got none found that there was none.
    assert held == 10 or all(status == 200 for n, (status, _) in enumerate(answers) if n % 4 == 0)
    assert held <= 10
    held_whole = [line.order_id for line in lines if line.holds == line.quantity]
    for payment in Payment.objects.filter(status="open"):
        sandbox.pay(str(payment.stripe_id))
        sync.refresh(payment)
    orders = Order.objects.filter(status="paid")
    sold = OrderLine.objects.filter(order__in=orders.filter(sold_out=""))
    assert stock_of(item) == 10 - sum(line.quantity for line in sold)
    # A part that was held is no promise of the rest; the whole is one.
    assert set(held_whole) <= {line.order_id for line in sold}


def test_a_session_holds_its_pieces_and_its_end_releases_them(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any
) -> None:
    """pain 14"""
    item = make_item(stock=4)
    _, session_id = buy(buyer, item, 2)
    assert buy(stranger, item, 3) == (409, "not_enough_stock")
    sandbox.stripe.v1.checkout.sessions.expire(session_id)
    (event,) = [e for e in sandbox.events() if e["type"] == "checkout.session.expired"]
    deliver(event)
    assert buy(stranger, item, 2)[0] == 200
    assert buy(buyer, item, 3) == (409, "not_enough_stock")
    assert stock_of(item) == 4  # nothing is sold yet


def test_a_payment_under_way_holds_its_pieces_and_one_that_failed_releases_them(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    item = make_item(stock=1)
    _, session_id = buy(buyer, item)
    sandbox.pay(session_id, delayed="fails")
    payment = sync.refresh(Payment.objects.get())
    assert payment.status == "processing"
    assert buy(stranger, item) == (409, "sold_out")
    sandbox.control("POST", f"sessions/{session_id}/settle", {"outcome": "failed"})
    sync.refresh(payment)
    assert buy(stranger, item)[0] == 200


def test_an_attempt_that_stripe_refused_holds_nothing(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, settings: Any
) -> None:
    item = make_item(stock=1)
    accounts = settings.STRIPE_ACCOUNTS
    settings.STRIPE_ACCOUNTS = {"default": replace(accounts["default"], secret_key="sk_test_")}
    wire.gateway.cache_clear()
    assert buy(buyer, item) == (502, "stripe_refused")
    settings.STRIPE_ACCOUNTS = accounts
    wire.gateway.cache_clear()
    assert buy(stranger, item)[0] == 200


def test_a_changed_quantity_is_held_anew_and_refused_with_what_is_left(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    item = make_item(name="Pot", stock=6)
    assert buy(buyer, item)[0] == 200
    assert buy(buyer, item, 6)[0] == 200  # one's own pieces are no obstacle
    assert buy(buyer, item, 3)[0] == 200
    assert buy(stranger, item, 4) == (409, "not_enough_stock")
    answer = stranger.get(f"/buy/{item.pk}?quantity=4").json()
    assert answer["error"]["message"] == "Only 3 pieces of “Pot” are left. Please take fewer."
    assert buy(stranger, item, 3)[0] == 200


def test_intents_hold_as_sessions_do(sandbox: ShopSandbox, buyer: Client, stranger: Client) -> None:
    item = make_item(stock=1)
    assert at_home(buyer).get(f"/intent/{item.pk}", headers=SHOWN).status_code == 200
    assert buy(stranger, item) == (409, "sold_out")
    assert stranger.get(f"/intent/{item.pk}").json()["error"]["code"] == "sold_out"


def test_what_is_paid_is_taken_once_however_often_stripe_tells(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    """pain 3"""
    item = make_item(stock=5)
    _, session_id = buy(buyer, item, 2)
    sandbox.pay(session_id)
    for _time in range(3):
        settle(sandbox, deliver, session_id)
        sync.refresh(Payment.objects.get())
    assert stock_of(item) == 3


def test_an_item_without_a_stock_has_no_limit(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> None:
    item = make_item()
    _, session_id = buy(buyer, item, 99)
    sandbox.pay(session_id)
    settle(sandbox, deliver, session_id)
    assert stock_of(item) is None
    assert "left" not in re.findall(r'data-testid="(\w+)"', buyer.get(f"/item/{item.pk}").content.decode())


def test_orders_of_the_same_two_items_in_opposite_order_do_not_wait_for_each_other(
    sandbox: ShopSandbox,
) -> None:
    """pain 13"""
    one, two = make_item(name="One", stock=100), make_item(name="Two", stock=100)
    clients = [Client(raise_request_exception=False) for _ in range(12)]
    for number, client in enumerate(clients):
        body = [{"item": item.pk} for item in ((one, two) if number % 2 else (two, one))]
        client.post("/api/v1/orders", {"lines": body}, content_type="application/json")
    orders = list(Order.objects.order_by("pk"))
    names = {tuple(line.name for line in order.lines.all()) for order in orders}
    assert names == {("One", "Two"), ("Two", "One")}

    def open_and_pay(pair: tuple[Client, Order]) -> str:
        client, order = pair
        session_id = client.get(f"/order/{order.pk}/buy").json()["session_id"]
        sandbox.pay(session_id)
        payment = sync.refresh(Payment.objects.get(stripe_id=session_id))
        connection.close()
        return payment.status

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(open_and_pay, zip(clients, orders, strict=True))) == {"paid"}
    assert (stock_of(one), stock_of(two)) == (88, 88)


def test_the_rows_are_locked_in_the_order_of_their_numbers(sandbox: ShopSandbox, buyer: Client) -> None:
    one, two = make_item(stock=9), make_item(stock=9)
    body = {"lines": [{"item": two.pk}, {"item": one.pk}]}
    number = buyer.post("/api/v1/orders", body, content_type="application/json").json()["id"]
    with CaptureQueriesContext(connection) as queries:
        buyer.get(f"/order/{number}/buy")
    (locking,) = [q["sql"] for q in queries if 'OF "catalog_item"' in q["sql"]]
    assert 'ORDER BY "orders_orderline"."item_id" ASC FOR NO KEY UPDATE OF "catalog_item"' in locking


def test_the_database_itself_refuses_a_negative_stock() -> None:
    item = make_item(stock=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Item.objects.filter(pk=item.pk).update(stock=-1)
