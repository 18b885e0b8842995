"""A buyer in a real browser, with the running shop and its webhook at the sandbox; nothing mocked."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from kopeck.orders.models import Order
from sandbox_testing.chromium import launched
from tests.support.shop import ShopSandbox

#: The marks of a module whose tests are all in the browser.
IN_BROWSER = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright's loop lives in this thread, and Django would take it for an async context.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with launched() as browser:
            yield browser
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def shop(sandbox: ShopSandbox, live_server: Any, settings: Any) -> str:
    """The running shop's address, with its webhook registered at the sandbox."""
    settings.ALLOWED_HOSTS = ["*"]
    endpoint = sandbox.stripe.v1.webhook_endpoints.create(
        {"url": f"{live_server.url}/webhooks/stripe/default", "enabled_events": ["*"]}
    )
    account = replace(settings.STRIPE_ACCOUNTS["default"], webhook_secrets=(str(endpoint.secret),))
    settings.STRIPE_ACCOUNTS = {"default": account}
    return str(live_server.url)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(15_000)
    yield context
    context.close()


def fill_card(page: Page, number: str = "4242 4242 4242 4242") -> None:
    page.fill("[name=email]", "buyer@example.com")
    page.fill("[name=cardNumber]", number)
    page.fill("[name=cardExpiry]", "12 / 34")
    page.fill("[name=cardCvc]", "123")
    page.fill("[name=billingName]", "A. Buyer")


def pay(page: Page, number: str = "4242 4242 4242 4242") -> None:
    """On the Checkout page."""
    fill_card(page, number)
    page.click("[data-testid=hosted-payment-submit-button]")


def expect_paid(page: Page, total: str) -> None:
    """The page is that of a paid order with this total, and the database says so too."""
    expect(page.locator("[data-order-status]")).to_have_attribute("data-order-status", "paid")
    expect(page.locator("main")).to_contain_text(total)
    assert shown_order(page).status == "paid"


def shown_order(page: Page) -> Order:
    """The order whose page this is."""
    return Order.objects.get(pk=int(page.url.partition("/order/")[2].partition("?")[0]))
