"""What the tests of stock share: buyers of few pieces, and late payments."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.conftest import ShopSandbox, make_item


def buy(client: Client, item: Item, quantity: int = 1) -> tuple[int, str]:
    """Status and session id, or the code of the refusal."""
    answer = client.get(f"/buy/{item.pk}", {"quantity": quantity})
    body = answer.json()
    return answer.status_code, body["session_id"] if answer.status_code == 200 else body["error"]["code"]


def all_at_once(addresses: list[str]) -> list[tuple[int, Any]]:
    """GETs of as many strangers, from as many threads, at the same moment."""
    start = Barrier(len(addresses))

    def press(address: str) -> tuple[int, Any]:
        start.wait()
        answer = Client(raise_request_exception=False).get(address)
        connection.close()
        return answer.status_code, answer.json()

    with ThreadPoolExecutor(len(addresses)) as pool:
        return list(pool.map(press, addresses))


def paid_too_late(sandbox: ShopSandbox, buyer: Client, stranger: Client, price: int = 4820) -> Order:
    """The buyer pays for the last piece when the stranger has it: the shop had taken the session for lost."""
    item = make_item(price=price, stock=1)
    _, late = buy(buyer, item)
    Payment.objects.update(status="expired")
    _, first = buy(stranger, item)
    sandbox.pay(first)
    sandbox.pay(late)
    return Payment.objects.get(stripe_id=late).order


def stock_of(item: Item) -> int | None:
    item.refresh_from_db()
    return item.stock
