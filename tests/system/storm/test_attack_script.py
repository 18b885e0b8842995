"""An attack script against the running shop: how many cards it can try, and a buyer who buys meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from itertools import count
from typing import Any

import pytest
import requests
from django.core import mail
from playwright.sync_api import BrowserContext

from kopeck.abuse import budgets, declines
from kopeck.abuse.budgets import Patience
from kopeck.abuse.models import Attack, Decline
from kopeck.abuse.rates import Rate
from kopeck.orders.models import Order
from tests.support.browsing import expect_paid, pay
from tests.support.shop import LONG_WINDOW, ShopSandbox, make_item

DECLINED = "4000000000000002"
#: What one run of the script would get without protection: its sessions, and the cards that it tries on each.
SESSIONS, CARDS, THREADS = 20, 5, 2
Addresses = Callable[[int], str]


def one_address(_number: int) -> str:
    return "203.0.113.9"


def many_addresses(number: int) -> str:
    return f"198.51.100.{number}"


class Script:
    """Opens a session with a new cookie each time, and tries cards on it until it is closed."""

    def __init__(self, shop: str, sandbox: ShopSandbox, item_id: int, addresses: Addresses) -> None:
        self.shop, self.sandbox, self.item_id, self.addresses = shop, sandbox, item_id, addresses
        self.numbers = count()

    def run(self) -> int:
        """How many cards were tried at Stripe."""
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(pool.map(self._once, range(SESSIONS)))

    def _once(self, number: int) -> int:
        visitor, address = requests.Session(), {"X-Forwarded-For": self.addresses(number)}
        answer = visitor.get(f"{self.shop}/buy/{self.item_id}", headers=address, timeout=30)
        if answer.status_code != 200:
            assert answer.status_code == 429, answer.text
            return 0
        session_id, tried = answer.json()["session_id"], 0
        for _ in range(CARDS):
            tried += self.sandbox.pay(session_id, DECLINED).get("error", {}).get("type") == "card_error"
            self.sandbox.control("POST", "webhooks/deliver")  # Stripe's events come within a second
        return tried


@pytest.fixture
def proxied(shop: str, settings: Any) -> str:
    """The running shop behind a proxy that tells addresses, with the budgets that it has by default."""
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    settings.BUDGET_VISITOR, settings.BUDGET_ADDRESS = Rate(30, LONG_WINDOW), Rate(150, LONG_WINDOW)
    return shop


@pytest.mark.django_db(transaction=True)
def test_without_protection_the_script_tries_every_card_that_it_has(
    proxied: str, sandbox: ShopSandbox, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the next test is compared with."""
    settings.BUDGET_VISITOR = settings.BUDGET_ADDRESS = Rate(0, 60)
    endless = Patience(10**9, 10**9, 10**9)
    monkeypatch.setattr(budgets, "USUAL", endless)
    monkeypatch.setattr(declines, "USUAL", endless)
    monkeypatch.setattr(declines, "DECLINES", 10**9)
    assert Script(proxied, sandbox, make_item().pk, one_address).run() == SESSIONS * CARDS


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("addresses", [one_address, many_addresses])
def test_the_script_gets_nowhere(proxied: str, sandbox: ShopSandbox, addresses: Addresses) -> None:
    """pain 23"""
    tried = Script(proxied, sandbox, make_item().pk, addresses).run()
    # Twenty until it is noticed, and what the threads have begun by then.
    assert declines.DECLINES <= tried <= declines.DECLINES + THREADS * CARDS
    assert Attack.objects.filter(ended=None).count() == 1
    assert Decline.objects.count() == tried
    assert Script(proxied, sandbox, make_item().pk, addresses).run() == 0
    assert not Order.objects.filter(status="paid").exists()
    assert mail.outbox == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_buyer_in_a_browser_pays_while_the_shop_is_under_attack(
    proxied: str, sandbox: ShopSandbox, context: BrowserContext
) -> None:
    """pain 23"""
    item = make_item(price=4820)
    assert Script(proxied, sandbox, item.pk, many_addresses).run() <= declines.DECLINES + THREADS * CARDS
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(Script(proxied, sandbox, item.pk, many_addresses).run)
        page = context.new_page()
        page.goto(f"{proxied}/item/{item.pk}")
        page.click("[data-testid=buy]")  # quicker than anybody reads: the page waits and asks again
        page.wait_for_url(f"{sandbox.url}/**")
        pay(page)
        expect_paid(page, "$48.20")
        assert again.result(60) == 0
