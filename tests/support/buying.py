"""The tests' one way to an order, a session or intent, a paid order: all by the shop's own addresses."""

from collections.abc import Callable
from itertools import count
from typing import Any

from django.test import Client

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.shop import ShopSandbox, make_item

Deliver = Callable[..., Any]
#: What a browser says of what a page of ours makes it ask: for whom pieces are held.
SHOWN = {"Sec-Fetch-Site": "same-origin"}
_number = count(1)


def place_order(buyer: Client, *items: Item, lines: dict[int, int] | None = None, code: str = "") -> Order:
    """An order of the window: one of each of `items`, or `lines` by item's id and quantity; with a code."""
    wanted = lines or {item.pk: 1 for item in items}
    buyer.post("/order", {f"item_{pk}": str(quantity) for pk, quantity in wanted.items()})
    order = Order.objects.latest("pk")
    if code:
        buyer.post(f"/order/{order.pk}/discount", {"code": code})
    return order


def open_session(buyer: Client, order: Order) -> Payment:
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    return Payment.objects.get(stripe_id=session_id)


def bought(buyer: Client, way: str = "buy", *, item: Item | None = None, **facts: Any) -> Payment:
    """An open session (`buy`) or intent (`intent`) of `item`, else of a new one, asked for from its page."""
    item = item or make_item(**facts)
    answer = buyer.get(f"/{way}/{item.pk}", headers=SHOWN).json()
    return Payment.objects.get(stripe_id=answer.get("session_id") or answer["payment_intent_id"])


def buy(client: Client, item: Item, quantity: int = 1) -> tuple[int, str]:
    """Presses Buy on the item's page: status and session id, or the code of the refusal."""
    answer = at_home(client).get(f"/buy/{item.pk}", {"quantity": quantity}, headers=SHOWN)
    body = answer.json()
    return answer.status_code, body["session_id"] if answer.status_code == 200 else body["error"]["code"]


def at_home(client: Client) -> Client:
    """The same browser, from now on at an address of its own."""
    client.defaults.setdefault("REMOTE_ADDR", new_address())
    return client


def new_address() -> str:
    """One that nobody has had before: of a range that is kept for such tests."""
    number = next(_number)
    return f"198.18.{number // 250 % 250}.{number % 250 + 1}"


def paid_at_stripe(
    sandbox: ShopSandbox, buyer: Client, card: str = "4242424242424242", **facts: Any
) -> Payment:
    """A session that is paid, of which the shop has not heard."""
    payment = bought(buyer, **facts)
    sandbox.pay(payment.stripe_id, card)
    return payment


def paid_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, card: str = "4242424242424242", **facts: Any
) -> Order:
    """An order of one item at 48.20 USD, paid at Checkout, its event delivered."""
    session_id = paid_at_stripe(sandbox, buyer, card, **facts).stripe_id
    return settle(sandbox, deliver, session_id)


def paid_order_of(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, lines: dict[int, int], code: str = ""
) -> Order:
    """An order of several items, by id and quantity."""
    session_id = open_session(buyer, place_order(buyer, lines=lines, code=code)).stripe_id
    sandbox.pay(session_id)
    return settle(sandbox, deliver, session_id)


def settle(sandbox: ShopSandbox, deliver: Deliver, session_id: str) -> Order:
    (event,) = [
        event
        for event in sandbox.events()
        if event["type"] == "checkout.session.completed" and event["data"]["object"]["id"] == session_id
    ]
    assert deliver(event).json()["status"] == "done"
    order = Payment.objects.get(stripe_id=session_id).order
    assert order.status == "paid"
    return order


def events_of(sandbox: ShopSandbox, *beginnings: str) -> list[dict[str, Any]]:
    """Oldest first."""
    return [event for event in sandbox.events() if event["type"].startswith(beginnings)]


def state(order: Order) -> str:
    order.refresh_from_db()
    return str(order.status)


def states(order: Order) -> tuple[str, list[str]]:
    """The order's state, and those of its attempts, oldest first."""
    order.refresh_from_db()
    return order.status, [payment.status for payment in order.payments.order_by("attempt")]
