"""What the tests of stock share: many buyers of few pieces at once, and late payments."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from django.db import connection
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.buying import SHOWN, at_home, buy
from tests.support.shop import ShopSandbox, make_item


def all_at_once(addresses: Sequence[str]) -> list[tuple[int, Any]]:
    """Buy, pressed by as many strangers, each at home, from as many threads, at the same moment."""
    start = Barrier(len(addresses))

    def press(address: str) -> tuple[int, Any]:
        start.wait()
        answer = at_home(Client(raise_request_exception=False)).get(address, headers=SHOWN)
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
