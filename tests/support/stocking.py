"""What the tests of stock share: buyers of few pieces, each at an address of their own, and late payments."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from typing import Any

from django.db import connection
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.shop import ShopSandbox, make_item

#: What a browser says of what a page of ours makes it ask: for whom pieces are held.
SHOWN = {"Sec-Fetch-Site": "same-origin"}
_number = count(1)


def new_address() -> str:
    """One that nobody has had before: of a range that is kept for such tests."""
    number = next(_number)
    return f"198.18.{number // 250 % 250}.{number % 250 + 1}"


def at_home(client: Client) -> Client:
    """The same browser, from now on at an address of its own."""
    client.defaults.setdefault("REMOTE_ADDR", new_address())
    return client


def buy(client: Client, item: Item, quantity: int = 1) -> tuple[int, str]:
    """Presses Buy on the item's page: status and session id, or the code of the refusal."""
    answer = at_home(client).get(f"/buy/{item.pk}", {"quantity": quantity}, headers=SHOWN)
    body = answer.json()
    return answer.status_code, body["session_id"] if answer.status_code == 200 else body["error"]["code"]


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
