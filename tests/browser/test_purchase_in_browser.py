"""The whole way in a real browser: shop, Checkout and signed webhooks, nothing in between mocked."""

from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.webhooks.models import StripeEvent
from tests.support.browsing import IN_BROWSER, expect_paid, pay
from tests.support.shop import ShopSandbox, make_item

pytestmark = IN_BROWSER


@pytest.fixture
def item() -> Item:
    return make_item(name="Moka pot", price=4820)


def buy_from_the_window(page: Page, shop: str) -> None:
    page.goto(shop)
    page.click("text=Moka pot")
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")


@pytest.mark.quick
def test_from_the_window_to_paid(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    buy_from_the_window(page, shop)
    expect(page.locator("[data-testid=total-amount]")).to_contain_text("$48.20")
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$48.20")
    expect(page.locator("main")).to_contain_text("4242")
    (charge,) = sandbox.charges()
    assert charge.amount == 4820
    assert StripeEvent.objects.filter(type="checkout.session.completed", status="done").count() == 1
    assert problems == []


def test_the_page_redirects_with_stripe_js(context: BrowserContext, shop: str, item: Item) -> None:
    """`redirectToCheckout` is what leads there: the fallback address is taken away."""
    page = context.new_page()

    def without_url(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "url": "about:blank#fallback"})

    page.route("**/buy/*", without_url)
    buy_from_the_window(page, shop)
    assert "/c/pay/cs_test_" in page.url


@pytest.mark.parametrize("train", ["clover", "dahlia", "endive"])
def test_a_stripe_js_without_redirect_to_checkout_goes_to_the_url(
    context: BrowserContext, shop: str, item: Item, settings: Any, sandbox: ShopSandbox, train: str
) -> None:
    settings.STRIPE_JS_URL = f"{sandbox.url}/{train}/stripe.js"
    page = context.new_page()
    buy_from_the_window(page, shop)
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$48.20")


def test_a_blocked_stripe_js_goes_to_the_url_too(context: BrowserContext, shop: str, item: Item) -> None:
    page = context.new_page()
    page.route("**/v3/", lambda route: route.abort())
    buy_from_the_window(page, shop)


def test_with_javascript_off_all_the_way(browser: Browser, shop: str, item: Item) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    page.fill("[name=quantity]", "2")
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$96.40")
    context.close()


def test_a_declined_card_and_then_a_good_one(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    buy_from_the_window(page, shop)
    pay(page, "4000 0000 0000 0002")
    expect(page.locator("[role=alert]").filter(has_text="declined")).to_be_visible()
    assert Order.objects.get().status == "open"
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$48.20")
    assert [charge.status for charge in sandbox.charges()] == ["succeeded", "failed"]


def test_3d_secure_refused_and_then_passed(context: BrowserContext, shop: str, item: Item) -> None:
    page = context.new_page()
    buy_from_the_window(page, shop)
    pay(page, "4000 0027 6000 3184")
    page.click("#test-source-fail-3ds")
    expect(page.locator("[role=alert]").first).to_be_visible()
    assert Order.objects.get().status == "open"
    pay(page, "4000 0027 6000 3184")
    page.click("#test-source-authorize-3ds")
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$48.20")


def test_cancel_and_resume(context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox) -> None:
    page = context.new_page()
    buy_from_the_window(page, shop)
    first = page.url
    page.click("[data-testid=business-link]")
    page.wait_for_url(f"{shop}/item/**")
    expect(page.locator("[data-testid=cancelled]")).to_be_visible()
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    assert page.url == first
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$48.20")
    assert len(sandbox.sessions()) == 1


def test_a_double_click_and_the_back_button_buy_once(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    page.dblclick("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    page.go_back()
    expect(page.locator("[data-testid=buy]")).to_be_enabled()
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    assert len(sandbox.sessions()) == 1


def test_when_stripe_is_down_the_page_says_so_and_lets_try_again(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    sandbox.control("PUT", "faults", {"error_rate": 1})
    page.click("[data-testid=buy]")
    expect(page.locator("[role=alert]")).to_contain_text("Nothing was charged")
    sandbox.control("PUT", "faults", {"error_rate": 0})
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")


def test_without_any_webhook_the_return_page_alone_makes_it_paid(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    sandbox.control("PUT", "faults", {"webhook_drop_rate": 1})
    page = context.new_page()
    buy_from_the_window(page, shop)
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$48.20")
    assert StripeEvent.objects.count() == 0


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_scrolls_sideways(browser: Browser, shop: str, item: Item, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    for address in ("/", f"/item/{item.pk}", "/nope"):
        page.goto(f"{shop}{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    page.close()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_price_that_rose_after_the_page_was_opened_is_shown_before_it_is_paid(
    browser: Browser, shop: str, item: Item, sandbox: ShopSandbox, javascript: bool
) -> None:
    """pain 12"""
    context = browser.new_context(locale="en-US", java_script_enabled=javascript)
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    page.fill("[name=quantity]", "2")
    Item.objects.update(price=5000)
    page.click("[data-testid=buy]")
    page.wait_for_url(f"{shop}/item/{item.pk}?quantity=2&notice=price_changed")
    expect(page.locator("[data-testid=message]")).to_contain_text("The price has changed")
    expect(page.locator("[data-testid=price]")).to_have_text("$50.00")
    assert sandbox.sessions() == []
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    (session,) = sandbox.sessions()
    assert session.amount_total == 10_000
    context.close()
