"""A script against the running shop that wants all pieces of an item held, and who can buy meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy

import pytest
import requests
from django.test import Client
from playwright.sync_api import Browser, expect

from kopeck.abuse.budgets import hash_address
from kopeck.catalog.models import Item
from kopeck.orders.lines import OrderLine
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.browsing import expect_paid, pay
from tests.support.buying import SHOWN, at_home, buy, new_address, state
from tests.support.shop import ShopSandbox, make_item
from tests.support.stocking import stock_of
from tests.support.worker import forget_jobs, work
from tests.system.storm.test_attack_script import many_addresses, one_address, proxied

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["proxied"]

PIECES = 50
BOTS_ADDRESS = one_address(0)


@dataclass
class Bot:
    """Asks for all pieces again and again, each time with a new cookie or with none."""

    shop: str
    item: Item
    addresses: Callable[[int], str] = one_address
    #: Loads the item's page first, keeps its cookies, and says what a browser would.
    loads_page: bool = False

    def run(self, wishes: list[int]) -> list[str]:
        """The sessions that it got for these numbers of pieces."""
        return [session for number, pieces in enumerate(wishes) if (session := self._ask(number, pieces))]

    def _ask(self, number: int, pieces: int) -> str:
        visitor = requests.Session()
        visitor.headers["X-Forwarded-For"] = self.addresses(number)
        if self.loads_page:
            assert visitor.get(f"{self.shop}/item/{self.item.pk}?mine=1", timeout=30).status_code == 200
            visitor.headers.update(SHOWN)
        answer = visitor.get(f"{self.shop}/buy/{self.item.pk}", params={"quantity": pieces}, timeout=30)
        assert answer.status_code in (200, 409), answer.text
        return str(answer.json().get("session_id", ""))


def with_script(visitor: requests.Session, shop: str, item: Item) -> str:
    """buy.js asks."""
    return str(visitor.get(f"{shop}/buy/{item.pk}", headers=SHOWN, timeout=30).json()["session_id"])


def without_script(visitor: requests.Session, shop: str, item: Item) -> str:
    """The form posts."""
    headers = {**SHOWN, "Origin": shop}
    form = {"quantity": "1"}
    answer = visitor.post(f"{shop}/buy/{item.pk}", form, headers=headers, timeout=30, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].rpartition("/")[2].partition("#")[0].partition("?")[0]


def without_cookies(visitor: requests.Session, shop: str, item: Item) -> str:
    """A browser that keeps none."""
    visitor.cookies.clear()
    visitor.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return with_script(visitor, shop, item)


HONEST = (with_script, without_script, without_cookies)


def honest_buyers_buy(shop: str, sandbox: ShopSandbox, item: Item) -> None:
    """Each kind of browser buys a piece, at home and behind the bot's own address (NAT)."""
    for press in HONEST:
        for address in (new_address(), BOTS_ADDRESS):
            visitor = requests.Session()
            visitor.headers["X-Forwarded-For"] = address
            assert visitor.get(f"{shop}/item/{item.pk}?mine=1", timeout=30).status_code == 200
            session_id = press(visitor, shop, item)
            sandbox.pay(session_id)
            sandbox.control("POST", "webhooks/deliver")
            order = Payment.objects.get(stripe_id=session_id).order
            assert (order.status, order.sold_out) == ("paid", ""), (press.__name__, address)


def left(shop: str, item: Item) -> int:
    """As strangers are told."""
    return int(requests.get(f"{shop}/api/v1/items/{item.pk}", timeout=30).json()["left"])


@pytest.fixture
def item() -> Item:
    forget_jobs()
    return make_item(price=4820, stock=PIECES)


@pytest.mark.parametrize("addresses", [one_address, many_addresses])
def test_a_script_that_loads_no_page_holds_nothing(
    proxied: str, sandbox: ShopSandbox, item: Item, addresses: Callable[[int], str]
) -> None:
    sessions = Bot(proxied, item, addresses).run([PIECES] * 6)
    assert len(sessions) == 6, "a program can order"
    assert left(proxied, item) == PIECES
    honest_buyers_buy(proxied, sandbox, item)
    # Should it pay after all, its money goes back by itself: not all of it is there any more.
    sandbox.pay(sessions[0])
    sandbox.control("POST", "webhooks/deliver")
    work()
    order = Payment.objects.get(stripe_id=sessions[0]).order
    assert (state(order), order.sold_out) == ("refunded", "Moka pot")
    assert stock_of(item) == PIECES - 2 * len(HONEST)


def test_a_program_that_pays_for_what_is_there_gets_it(
    proxied: str, sandbox: ShopSandbox, item: Item
) -> None:
    (session_id,) = Bot(proxied, item).run([PIECES])
    sandbox.pay(session_id)
    sandbox.control("POST", "webhooks/deliver")
    assert (Order.objects.get().status, Order.objects.get().sold_out, stock_of(item)) == ("paid", "", 0)


def test_a_script_with_many_cookies_at_one_address_holds_at_most_half(
    proxied: str, sandbox: ShopSandbox, item: Item
) -> None:
    Bot(proxied, item, loads_page=True).run([PIECES, PIECES, 20, *[1] * 30])
    assert left(proxied, item) == PIECES // 2
    honest_buyers_buy(proxied, sandbox, item)


def test_what_remains_many_addresses_that_load_pages_hold_all_for_half_an_hour(
    proxied: str, sandbox: ShopSandbox, item: Item
) -> None:
    """As docs/limits.md says: each address gets half of what the others leave, so fifty pieces take seven."""
    bot = Bot(proxied, item, many_addresses, loads_page=True)
    bot.run([PIECES, 25, 13, 7, 4, 2])
    assert left(proxied, item) == 1
    bot.addresses = lambda number: many_addresses(99)
    bot.run([1])
    assert left(proxied, item) == 0
    for session in sandbox.sessions():
        sandbox.stripe.v1.checkout.sessions.expire(session.id)
    sandbox.control("POST", "webhooks/deliver")
    assert left(proxied, item) == PIECES


def test_the_last_piece_is_held_for_who_was_shown_it(
    proxied: str, sandbox: ShopSandbox, item: Item, buyer: Client
) -> None:
    Item.objects.update(stock=1)
    (early,) = Bot(proxied, item).run([1])
    status, session_id = buy(buyer, item)
    assert (status, left(proxied, item)) == (200, 0)
    assert Bot(proxied, item).run([1]) == []
    sandbox.pay(early)
    sandbox.control("POST", "webhooks/deliver")
    sandbox.pay(session_id)
    sandbox.control("POST", "webhooks/deliver")
    assert Payment.objects.get(stripe_id=session_id).order.sold_out == ""
    assert Payment.objects.get(stripe_id=early).order.sold_out == "Moka pot"


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without"])
def test_a_buyer_in_a_browser_holds_a_piece_and_pays_while_the_script_runs(
    proxied: str, sandbox: ShopSandbox, browser: Browser, item: Item, script: bool
) -> None:
    Bot(proxied, item).run([PIECES] * 2)
    context = browser.new_context(locale="en-US", java_script_enabled=script)
    context.set_default_timeout(15_000)
    try:
        page = context.new_page()
        page.goto(f"{proxied}/item/{item.pk}")
        expect(page.locator("[data-testid=left]")).to_have_count(0)  # plenty
        page.click("[data-testid=buy]")
        page.wait_for_url(f"{sandbox.url}/c/pay/**")
        assert left(proxied, item) == PIECES - 1
        pay(page)
        expect_paid(page, "$48.20")
    finally:
        context.close()
    assert stock_of(item) == PIECES - 1


@pytest.mark.parametrize(
    ("method", "headers", "holds"),
    [
        ("get", {}, 0),  # a program
        ("get", {"Sec-Fetch-Site": "none"}, 0),  # a typed address
        ("get", {"Sec-Fetch-Site": "same-origin"}, 1),
        ("post", {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, 1),
        # Plain HTTP, and browsers of before 2023.
        ("get", {"Referer": "http://testserver/item/1"}, 1),
        ("post", {"Origin": "http://testserver"}, 1),
        ("get", {"Referer": ""}, 0),
    ],
)
def test_a_page_of_ours_is_known_by_what_the_browser_says(
    sandbox: ShopSandbox, buyer: Client, item: Item, method: str, headers: dict[str, str], holds: int
) -> None:
    answer = getattr(buyer, method)(f"/buy/{item.pk}", headers=headers)
    assert answer.status_code in (200, 303)
    assert OrderLine.objects.get().holds == holds


def test_an_address_is_charged_for_its_live_payments_alone(sandbox: ShopSandbox, item: Item) -> None:
    here, there, third = (at_home(Client()) for _ in range(3))
    Item.objects.update(stock=8)
    buy(here, item, 4)
    Payment.objects.update(status="expired")
    order = Order.objects.get()
    # The same order, now paid from elsewhere: its link was sent on.
    assert there.get(f"/order/{order.pk}/buy?key={order.key}", headers=SHOWN).status_code == 200
    assert [payment.asked_from for payment in order.payments.order_by("attempt")] == [
        hash_address(str(client.defaults["REMOTE_ADDR"])) for client in (here, there)
    ]
    third.defaults["REMOTE_ADDR"] = here.defaults["REMOTE_ADDR"]
    assert buy(third, item, 4)[0] == 200
    # Four are left by the others, half of them for this address, which holds none of those yet.
    assert [line.holds for line in OrderLine.objects.order_by("pk")] == [4, 2]
