"""A purchase by keyboard alone: how far it is from an item to Pay, and that each stop on the way is seen."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from tests.support.browsing import IN_BROWSER, expect_paid
from tests.support.shop import make_item, make_rate

pytestmark = IN_BROWSER
#: Where the focus is: its test id, name of field or address, and whether a ring is drawn around it.
_FOCUS = """() => {
    const { dataset, name, href, nodeName } = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    const shown = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    return [dataset.testid || name || (href ?? nodeName).replace(/.*(?=#)/, ""), shown];
}"""


def press_tab(page: Page) -> str:
    """What has the focus then. It must be seen to have it."""
    page.keyboard.press("Tab")
    name, is_shown = page.evaluate(_FOCUS)
    assert is_shown or name == "BODY", f"nothing shows that {name} has the focus"
    return str(name)


def tab_to(page: Page, wanted: str, *, skip: str = "") -> int:
    """Presses Tab until this has the focus; how often. `skip`: the skip link that is taken when it comes."""
    passed: list[str] = []
    while len(passed) < 40 and "BODY" not in passed:
        passed.append(press_tab(page))
        if passed[-1] == wanted:
            return len(passed)
        if passed[-1] == skip:
            page.keyboard.press("Enter")
    raise AssertionError(f"{wanted} was not reached, only {passed}")


def type_into(page: Page, name: str, text: str) -> None:
    tab_to(page, name)
    page.keyboard.type(text)


def test_it_is_at_most_twelve_tabs_from_an_item_to_pay_and_to_buy(context: BrowserContext, shop: str) -> None:
    """Counted: each press of Tab from the opening of the item's page until Pay of the order has the focus.

    Skip links are taken, as they are by who lives with a keyboard; the count goes on over both pages. The
    goods are delivered, so the form of the delivery stands between.
    """
    make_rate(countries=["US"])
    item = make_item(shipped=True)
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    tabs = tab_to(page, "add", skip="#main")
    page.keyboard.press("Enter")
    page.wait_for_url("**/order/*")
    tabs += tab_to(page, "pay", skip="#pay")
    assert tabs <= 8
    # Without the skip link one walks over everything there is.
    page.goto(f"{shop}/item/{item.pk}")
    assert tab_to(page, "buy") <= 8
    page.reload()
    assert tab_to(page, "add") <= 9
    page.goto(f"{shop}/orders")
    page.goto(f"{shop}/order/{Order.objects.get().pk}")
    assert tab_to(page, "pay") <= 14
    page.keyboard.press("Enter")
    page.wait_for_url("**/c/pay/**")


def test_a_number_takes_the_arrows_so_its_buttons_are_no_stops(context: BrowserContext, shop: str) -> None:
    item = make_item()
    page = context.new_page()
    page.goto(f"{shop}/item/{item.pk}")
    tab_to(page, "quantity")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#quantity")).to_have_value("2")
    assert press_tab(page) == "buy"
    page.click("[aria-label='One more']")
    expect(page.locator("#quantity")).to_have_value("3")


@pytest.mark.slow
def test_goods_are_chosen_delivered_and_paid_by_keyboard_alone(context: BrowserContext, shop: str) -> None:
    make_rate(countries=["US"])
    make_rate(name="Air mail", amount=1900)
    make_item(name="Kitchen radio", shipped=True)
    page = context.new_page()
    page.goto(shop)
    tab_to(page, "item", skip="#main")
    while page.evaluate("'add' in document.activeElement.dataset") is False:
        press_tab(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the focus has moved to +
    expect(page.locator("[data-testid=running-total]:visible").first).to_contain_text("$96.40")
    tab_to(page, "order-button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/order/*")
    tab_to(page, "country", skip="#main")
    page.keyboard.type("Germ")
    expect(page.locator("[name=country]")).to_have_value("DE")
    tab_to(page, "update-delivery")
    page.keyboard.press("Enter")
    expect(page.locator("[data-testid=total]")).to_have_text("$115.40")
    # It waits while the order changes, and what waits is no stop.
    expect(page.locator("[data-testid=pay]")).to_be_enabled()
    tab_to(page, "pay", skip="#pay")
    page.keyboard.press("Enter")
    page.wait_for_url("**/c/pay/**")
    type_into(page, "email", "buyer@example.com")
    type_into(page, "phoneNumber", "+4930123456")
    type_into(page, "shippingName", "Ada Lovelace")
    type_into(page, "shippingAddressLine1", "Chausseestr. 1")
    type_into(page, "shippingLocality", "Berlin")
    type_into(page, "shippingPostalCode", "10115")
    for name, text in (("cardNumber", "4242424242424242"), ("cardExpiry", "1234"), ("cardCvc", "123")):
        type_into(page, name, text)
    type_into(page, "billingName", "Ada Lovelace")
    tab_to(page, "hosted-payment-submit-button")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$115.40")
    assert Shipment.objects.get().shown[:2] == ["Ada Lovelace", "Chausseestr. 1"]
