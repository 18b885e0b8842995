"""A purchase that is delivered, in a real browser: at Checkout, and on our own page."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from kopeck.catalog.models import ShippingRate
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from tests.support.browsing import IN_BROWSER, expect_paid, fill_card
from tests.support.shop import make_item, make_rate

pytestmark = [*IN_BROWSER, pytest.mark.slow]
PLACE = {"AddressLine1": "Chausseestr. 1", "Locality": "Berlin", "PostalCode": "10115"}


def choose_germany(page: Page) -> None:
    """On the order's page, where the seller's own country is chosen at first."""
    expect(page.locator("[data-testid=total]")).to_have_text("$53.10")
    page.select_option("[name=country]", "DE")
    page.click("[data-testid=update-delivery]")
    expect(page.locator("[data-testid=total]")).to_have_text("$67.20")


def order_one(page: Page, shop: str) -> None:
    page.goto(f"{shop}/")
    page.locator("[data-testid=stepper]").first.locator("[data-add]").click()
    page.locator("[data-testid=order-button]:visible").first.click()
    choose_germany(page)


@pytest.fixture
def goods() -> None:
    make_rate(countries=["US"])
    make_rate(name="Air mail", amount=1900, min_days=5, max_days=10)
    make_item(name="Kitchen radio", shipped=True)


def pay_and_be_sent(page: Page, shop: str) -> None:
    expect(page.locator("body")).to_contain_text("Air mail")
    fill_card(page)
    page.fill("[name=shippingName]", "Ada Lovelace")
    for name, text in PLACE.items():
        page.fill(f"[name=shipping{name}]", text)
    page.fill("[name=phoneNumber]", "+4930123456")
    page.click("[data-testid=hosted-payment-submit-button]")
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$67.20")
    expect(page.locator("[data-testid=shipment]")).to_contain_text("Chausseestr. 1")


def test_checkout_shows_the_delivery_and_collects_its_address(
    context: BrowserContext, shop: str, goods: None
) -> None:
    page = context.new_page()
    order_one(page, shop)
    page.click("[data-testid=pay]")
    pay_and_be_sent(page, shop)


def test_goods_are_delivered_without_javascript(browser: Browser, shop: str, goods: None) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    page.goto(f"{shop}/")
    page.fill("[name^=item_]", "1")
    page.click("[data-testid=order-button]:visible")
    choose_germany(page)
    # Home again, where there are two rates: one is chosen without another country, too.
    page.select_option("[name=country]", "US")
    page.click("[data-testid=update-delivery]")
    expect(page.locator("[data-testid=total]")).to_have_text("$53.10")
    page.check("text=Air mail")
    page.click("[data-testid=update-delivery]")
    expect(page.locator("[data-testid=total]")).to_have_text("$67.20")
    page.select_option("[name=country]", "DE")
    page.click("[data-testid=update-delivery]")
    page.click("[data-testid=pay]")
    pay_and_be_sent(page, shop)
    context.close()


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_pay_of_an_order_that_is_sent_there_no_more_leads_to_its_form_of_delivery(
    browser: Browser, shop: str, goods: None, javascript: bool
) -> None:
    context = browser.new_context(java_script_enabled=javascript, locale="en-US")
    page = context.new_page()
    page.goto(f"{shop}/")
    page.locator("[name^=item_]").first.evaluate("field => { field.value = 1; }")
    page.locator("[data-order]").evaluate("form => form.submit()")
    choose_germany(page)
    ShippingRate.objects.filter(name="Air mail").update(active=False)
    page.click("[data-testid=pay]")
    page.wait_for_url("**/order/*#delivery")
    said = page.locator("[data-testid=delivery] [role=alert]")
    expect(said).to_have_text("We can’t deliver this order to this country: Germany.")
    page.keyboard.press("Tab")
    expect(page.locator("[name=country]")).to_be_focused(timeout=5000)
    expect(page.locator("[data-testid=pay]")).to_be_disabled()
    page.select_option("[name=country]", "US")
    page.click("[data-testid=update-delivery]")
    expect(page.locator("[data-testid=total]")).to_have_text("$53.10")
    page.click("[data-testid=pay]")
    page.wait_for_url("**/c/pay/**")
    context.close()


def test_our_own_page_leads_there_too(context: BrowserContext, shop: str, goods: None) -> None:
    page = context.new_page()
    order_one(page, shop)
    ShippingRate.objects.filter(name="Air mail").update(active=False)
    page.click("[data-testid=pay-here]")
    page.wait_for_url("**/order/*#delivery")
    expect(page.locator("[data-testid=delivery] [role=alert]")).to_be_visible()


def test_our_own_page_asks_for_the_address_by_the_address_element(
    context: BrowserContext, shop: str, goods: None
) -> None:
    page = context.new_page()
    order_one(page, shop)
    page.click("[data-testid=pay-here]")
    expect(page.locator("[data-testid=pay-intent]")).to_be_enabled()
    place = page.frame_locator("[data-address] iframe").first
    said = {"name": "Ada Lovelace", "line1": "Chausseestr. 1", "city": "Berlin", "postal_code": "10115"}
    for name, text in {**said, "phone": "+4930123456"}.items():
        place.locator(f"[name={name}]").fill(text)
    expect(place.locator("[name=country]")).to_have_value("DE")
    page.fill("form[data-pay] [name=email]", "ada@example.com")
    card = page.frame_locator("[data-element] iframe").first
    for name, text in {"number": "4242424242424242", "expiry": "12 / 34", "cvc": "123"}.items():
        card.locator(f"[name={name}]").fill(text)
    page.press("[data-testid=pay-intent]", "Enter")
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$67.20")
    assert Shipment.objects.get().shown[:2] == ["Ada Lovelace", "Chausseestr. 1"]
    assert not Order.objects.get().notes.exists()


def test_the_form_of_delivery_stands_within_the_page_of_a_phone(
    browser: Browser, shop: str, goods: None
) -> None:
    """Long names of countries made it wider than the receipt above it."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    page = context.new_page()
    order_one(page, shop)
    receipt = page.locator("[data-testid=receipt]").bounding_box()
    field = page.locator("[name=country]").bounding_box()
    assert receipt
    assert field
    assert field["x"] + field["width"] <= receipt["x"] + receipt["width"]
    context.close()
