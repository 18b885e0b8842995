"""Pieces come back into stock with the money if the owner says that they can be sold again, and only then."""

from typing import Any

import pytest
from django.test import Client

from kopeck.orders.models import Order
from kopeck.refunds import sync as refund_news
from kopeck.refunds.models import Refund
from tests.support.buying import buy, events_of, paid_order_of, state
from tests.support.refunding import Desk
from tests.support.shop import ShopSandbox, make_item
from tests.support.stocking import stock_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_pieces_that_were_ticked_come_back_once(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any
) -> None:
    pot, cup = make_item(name="Pot", stock=5), make_item(name="Cup", stock=5)
    order = paid_order_of(sandbox, buyer, deliver, {pot.pk: 3, cup.pk: 1})
    assert (stock_of(pot), stock_of(cup)) == (2, 4)
    line = order.lines.get(item=pot)
    Desk(owner, order).refund(what="lines", restock="on", **{f"line_{line.pk}": "2"})
    for event in events_of(sandbox, "refund.", "charge.refund"):
        deliver(event)
    refund_news.learn_payment(order.payments.get())
    assert (stock_of(pot), stock_of(cup)) == (4, 4)
    assert "Back in stock: 2 × Pot." in [note.text for note in order.notes.all()]


def test_all_that_is_left_comes_back_with_all_of_the_money(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any
) -> None:
    pot, mug = make_item(stock=5), make_item(name="Mug")
    order = paid_order_of(sandbox, buyer, deliver, {pot.pk: 3, mug.pk: 1})
    Desk(owner, order).refund(restock="on")
    assert (state(order), stock_of(pot), stock_of(mug)) == ("refunded", 5, None)


@pytest.mark.parametrize("chosen", [{"what": "rest"}, {"what": "amount", "amount": "5.00", "restock": "on"}])
def test_money_alone_brings_nothing_back(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any, chosen: dict[str, str]
) -> None:
    pot = make_item(stock=5)
    order = paid_order_of(sandbox, buyer, deliver, {pot.pk: 3})
    Desk(owner, order).refund(**chosen)
    assert stock_of(pot) == 2


def test_the_page_offers_it_where_there_is_a_stock(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any
) -> None:
    for stock in (5, None):
        order = paid_order_of(sandbox, buyer, deliver, {make_item(stock=stock).pk: 1})
        page = owner.get(f"/admin/orders/order/{order.pk}/refund/").content.decode()
        assert ("back in stock" in page) == (stock is not None)
    assert Order.objects.count() == 2


@pytest.fixture
def restocked(sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any) -> Refund:
    """Three of five pots were paid, and all three came back with the money, which is on its way."""
    order = paid_order_of(sandbox, buyer, deliver, {make_item(name="Pot", stock=5).pk: 3})
    Desk(owner, order).refund(restock="on")
    return Refund.objects.get()


def fail(refund: Refund) -> list[str]:
    """Weeks later Stripe says that the bank did not take it, and says it twice; the notes of then."""
    before = refund.order.notes.count()
    answer = {"id": refund.stripe_id, "status": "failed", "amount": refund.amount, "currency": "usd"}
    for _time in range(2):
        refund_news.apply(refund.payment, answer)
    return [note.text for note in refund.order.notes.order_by("pk")[before:]]


def test_pieces_of_a_refund_that_fails_leave_the_stock_again(restocked: Refund) -> None:
    pot = restocked.order.lines.get().item
    assert stock_of(pot) == 5
    notes = fail(restocked)
    assert (stock_of(pot), state(restocked.order)) == (2, "paid")
    assert "Out of stock again, for the refund failed: 3 × Pot." in notes


def test_pieces_that_others_have_or_hold_by_then_stay_theirs_and_the_owner_reads_it(
    sandbox: ShopSandbox, stranger: Client, restocked: Refund
) -> None:
    pot = restocked.order.lines.get().item
    # One address holds no more than half of what is there.
    for client, pieces in ((stranger, 2), (Client(), 1), (Client(), 1)):
        assert buy(client, pot, pieces)[0] == 200
    notes = fail(restocked)
    assert stock_of(pot) == 4
    assert "Out of stock again, for the refund failed: 1 × Pot." in notes
    assert "Sold or being paid for meanwhile, though the refund failed: 2 × Pot." in notes


def test_a_refund_that_put_nothing_back_takes_nothing(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any
) -> None:
    pot = make_item(stock=5)
    order = paid_order_of(sandbox, buyer, deliver, {pot.pk: 3})
    Desk(owner, order).refund()
    fail(Refund.objects.get())
    assert stock_of(pot) == 2
