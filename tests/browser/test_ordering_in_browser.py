"""Orders of several items in a browser: window, order page, Checkout and ledger with the same figures."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from kopeck.catalog.models import Discount, Item, Tax
from kopeck.orders.models import Order
from tests.support.browsing import IN_BROWSER, expect_paid, pay, shown_order
from tests.support.shop import ShopSandbox, make_item

pytestmark = IN_BROWSER


@pytest.fixture
def pot() -> Item:
    return make_item(name="Moka pot", price=4820, position=1)


@pytest.fixture
def apron() -> Item:
    return make_item(name="Linen apron", price=3150, position=2)


@pytest.fixture
def tea() -> Item:
    return make_item(name="Tin of tea", price=1275, position=3)


@pytest.fixture
def lamp() -> Item:
    return make_item(name="Desk lamp", price=12900, currency="eur", position=4)


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-US", java_script_enabled=request.param)
    context.set_default_timeout(15_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def choose(page: Page, item: Item, quantity: int) -> None:
    """In the window: Add and + where scripts run, else the number."""
    row = page.locator("[data-testid=stepper]").filter(has=page.locator(f"[name=item_{item.pk}]"))
    add = row.locator("[data-add]")
    if not add.is_visible():
        row.locator("input").fill(str(quantity))
        return
    add.click()
    for _more in range(quantity - 1):
        row.locator(".stepper [data-step='1']").click()


def place_order(page: Page, shop: str, quantities: dict[Item, int]) -> None:
    page.goto(shop)
    for item, quantity in quantities.items():
        choose(page, item, quantity)
    page.click("[data-testid=order-button]")
    page.wait_for_url(
        "**/order*/**" if len({item.currency for item in quantities}) == 1 else "**/orders/open"
    )


def enter_code(page: Page, code: str) -> None:
    page.click("summary")
    page.fill("[data-testid=code]", code)
    page.click("[data-testid=apply-code]")


def to_checkout(page: Page) -> None:
    page.click("[data-testid=pay]")
    page.wait_for_url("**/c/pay/**")


def figures(page: Page) -> list[str]:
    """The amounts below the lines of the receipt, as they are written there."""
    rows = page.locator("tr:is([data-testid=subtotal], [data-testid=discount], [data-testid=tax]) td")
    return [*rows.all_inner_texts(), page.locator("[data-testid=total]").inner_text()]


def test_three_items_with_a_code_and_two_taxes_cost_the_same_everywhere(
    page: Page, shop: str, sandbox: ShopSandbox, pot: Item, apron: Item, tea: Item
) -> None:
    Discount.objects.create(name="Ten for friends", code="FRIENDS", percent_off=Decimal(10))
    Tax.objects.create(display_name="VAT", percentage=Decimal(20), inclusive=True, is_default=True)
    Tax.objects.create(display_name="Levy", percentage=Decimal("2.5"), is_default=True)
    place_order(page, shop, {pot: 2, apron: 1, tea: 3})
    # By hand. Off each line: 964 + 315 + 382.5 -> 383. VAT in what is left of it: 1446 + 472.5 -> 473 + 574.
    # Levy on the rest: 180.75 -> 181 + 59.05 -> 59 + 71.7 -> 72. Together 16615 - 1662 + 312.
    enter_code(page, "friends")
    expect(page.locator("[data-testid=discount]")).to_contain_text("Ten for friends")
    assert figures(page) == ["$166.15", "−$16.62", "$24.93", "$3.12", "$152.65"]
    expect(page.locator("[data-testid=tax]")).to_contain_text(["VAT 20%", "Levy 2.5%"])
    expect(page.locator("[data-testid=pay]")).to_have_text("Pay $152.65")
    to_checkout(page)
    expect(page.locator("[data-testid=total-amount]")).to_contain_text("$152.65")
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "4242")
    assert figures(page) == ["$166.15", "−$16.62", "$24.93", "$3.12", "$152.65"]
    (charge,) = sandbox.charges()
    assert (charge.amount, charge.currency) == (15265, "usd") == (shown_order(page).total, "usd")


def test_two_currencies_are_two_payments_each_with_its_own_pay(
    page: Page, shop: str, sandbox: ShopSandbox, pot: Item, lamp: Item
) -> None:
    place_order(page, shop, {pot: 2, lamp: 1})
    expect(page.get_by_role("heading", level=1)).to_have_text("2 payments")
    expect(page.locator("[data-testid=pay]")).to_have_text(["Pay $96.40", "Pay €129.00"])
    page.locator("[data-testid=pay]").first.click()
    page.wait_for_url("**/c/pay/**")
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$96.40")
    page.get_by_text("One more payment of your basket").click()
    page.wait_for_url(f"{shop}/order/**")  # one alone is its own page
    to_checkout(page)
    expect(page.locator("[data-testid=total-amount]")).to_contain_text("€129.00")
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "€129.00")
    expect(page.locator("[data-testid=others]")).to_have_count(0)
    charged = sorted((charge.currency, charge.amount) for charge in sandbox.charges())
    assert charged == [("eur", 12900), ("usd", 9640)]


def test_a_quantity_changed_after_checkouts_back_closes_the_old_session(
    page: Page, shop: str, sandbox: ShopSandbox, pot: Item, tea: Item
) -> None:
    place_order(page, shop, {pot: 1, tea: 1})
    to_checkout(page)
    first = page.url
    page.click("[data-testid=business-link]")
    page.wait_for_url(f"{shop}/order/**")
    page.fill(f"[name=item_{tea.pk}]", "3")
    if page.locator("[data-testid=update]").is_visible():  # without JavaScript
        page.click("[data-testid=update]")
    else:
        page.press(f"[name=item_{tea.pk}]", "Tab")
    expect(page.locator("[data-testid=total]")).to_have_text("$86.45")
    assert [session.status for session in sandbox.sessions()] == ["expired"]
    to_checkout(page)
    assert page.url != first
    pay(page)
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$86.45")
    assert [charge.amount for charge in sandbox.charges()] == [8645]


def test_an_open_order_is_found_again_and_changed_in_the_window(
    page: Page, shop: str, pot: Item, tea: Item
) -> None:
    place_order(page, shop, {pot: 2})
    page.goto(f"{shop}/item/{tea.pk}")
    page.goto(shop)
    if page.get_by_text("What you have chosen before").is_visible():  # without JavaScript
        page.get_by_text("What you have chosen before").click()
    expect(page.locator(f"[name=item_{pot.pk}]")).to_have_value("2")
    choose(page, tea, 1)
    page.click("[data-testid=order-button]")
    page.wait_for_url("**/order/**")
    expect(page.locator("[data-testid=total]")).to_have_text("$109.15")
    assert Order.objects.count() == 1


def test_enter_in_a_quantity_updates_and_removes_nothing(page: Page, shop: str, pot: Item, tea: Item) -> None:
    place_order(page, shop, {pot: 1, tea: 1})
    page.fill(f"[name=item_{pot.pk}]", "2")
    page.press(f"[name=item_{pot.pk}]", "Enter")
    expect(page.locator("[data-testid=total]")).to_have_text("$109.15")
    assert shown_order(page).lines.count() == 2


def test_lines_are_removed_till_nothing_is_left(page: Page, shop: str, pot: Item, tea: Item) -> None:
    place_order(page, shop, {pot: 1, tea: 1})
    page.click("[data-testid=remove] >> nth=0")
    expect(page.locator("[data-testid=total]")).to_have_text("$12.75")
    page.click("[data-testid=remove]")
    expect(page.locator("[data-order-status]")).to_have_attribute("data-order-status", "cancelled")
    expect(page.locator("[data-testid=pay]")).to_have_count(0)


def test_a_refused_code_says_why_and_a_good_one_can_be_taken_off(page: Page, shop: str, pot: Item) -> None:
    Discount.objects.create(name="Spring", code="SPRING", amount_off=820, currency="usd")
    Discount.objects.create(name="Gone", code="GONE", percent_off=Decimal(5), active=False)
    place_order(page, shop, {pot: 1})
    enter_code(page, "gone")
    expect(page.locator("#code-error")).to_have_text("This code is not valid any more.")
    expect(page.locator("[data-testid=code]")).to_have_value("gone")
    page.fill("[data-testid=code]", "Spring")
    page.click("[data-testid=apply-code]")
    assert figures(page) == ["$48.20", "−$8.20", "$40.00"]
    page.click("[data-testid=remove-code]")
    expect(page.locator("[data-testid=pay]")).to_have_text("Pay $48.20")
    assert shown_order(page).discount is None


def test_an_order_of_nothing_to_pay_is_completed_without_a_card(
    page: Page, shop: str, sandbox: ShopSandbox, pot: Item
) -> None:
    Discount.objects.create(name="On the house", code="FREE", percent_off=Decimal(100))
    place_order(page, shop, {pot: 1})
    enter_code(page, "FREE")
    expect(page.locator("[data-testid=pay]")).to_have_text("Complete the order")
    to_checkout(page)
    expect(page.locator("[name=cardNumber]")).to_have_count(0)
    page.fill("[name=email]", "buyer@example.com")
    page.click("[data-testid=hosted-payment-submit-button]")
    page.wait_for_url(f"{shop}/order/**")
    expect_paid(page, "$0.00")
    assert sandbox.charges() == []


def test_the_running_total_counts_each_currency_for_itself(
    context: BrowserContext, shop: str, pot: Item, tea: Item, lamp: Item
) -> None:
    isk = make_item(name="Wool", price=650000, currency="isk", position=5)
    page = context.new_page()
    page.goto(shop)
    button, total = page.locator("[data-testid=order-button]"), page.locator("[data-testid=running-total]")
    expect(button).to_be_disabled()
    choose(page, pot, 2)
    choose(page, tea, 1)
    expect(total.locator("p")).to_have_text(["3 items $109.15"])
    expect(page.get_by_text("paid separately")).to_be_hidden()
    choose(page, lamp, 1)
    choose(page, isk, 1)
    expect(total.locator("p")).to_have_text(["3 items $109.15", "1 item €129.00", "1 item ISK 6,500"])
    expect(page.get_by_text("paid separately")).to_be_visible()
    for item in (pot, pot, tea, lamp, isk):
        page.click(f".stepper:has([name=item_{item.pk}]) [data-step='-1']")
    expect(button).to_be_disabled()


def test_what_is_chosen_on_one_page_of_the_window_is_ordered_on_another(
    page: Page, shop: str, pot: Item
) -> None:
    Item.objects.bulk_create(Item(name=f"Good {n}", price=100, position=9) for n in range(48))
    last = Item.objects.latest("pk")
    page.goto(shop)
    choose(page, pot, 2)
    keep = page.locator("[data-testid=keep]")
    if keep.is_visible():  # without JavaScript
        keep.click()
    else:
        page.click("[data-testid=later]")
    expect(page.get_by_role("heading", name="Good 0", exact=True)).to_have_count(0)
    choose(page, last, 1)
    page.click("[data-testid=order-button]")
    page.wait_for_url("**/order/**")
    expect(page.locator("[data-testid=total]")).to_have_text("$97.40")
    # And it is ordered once: the window chooses nothing of it anew.
    page.goto(f"{shop}/cart")
    expect(page.locator(f"[name=item_{pot.pk}]")).to_have_value("2")
    page.goto(f"{shop}/after/{Item.objects.get(name='Good 46').pk}")
    expect(page.locator("[data-testid=item]")).to_have_count(1)


def test_the_focus_stays_with_the_quantity_when_its_buttons_change_places(
    context: BrowserContext, shop: str, pot: Item
) -> None:
    page = context.new_page()
    page.goto(shop)
    for key in ("Add Moka pot", "One more: Moka pot"):
        page.get_by_role("button", name=key).press("Enter")
    expect(page.locator(f"[name=item_{pot.pk}]")).to_have_value("2")
    expect(page.get_by_role("button", name="One more: Moka pot")).to_be_focused()
    for _press in range(2):
        page.get_by_role("button", name="One less: Moka pot").press("Enter")
    expect(page.get_by_role("button", name="Add Moka pot")).to_be_focused()


def test_a_changed_quantity_counts_at_once_and_keeps_the_focus(
    context: BrowserContext, shop: str, pot: Item, tea: Item
) -> None:
    page = context.new_page()
    place_order(page, shop, {pot: 1, tea: 1})
    expect(page.locator("[data-testid=update]")).to_be_hidden()
    for _press in range(2):
        page.get_by_role("button", name="One more: Moka pot").press("Enter")
    expect(page.locator("[data-testid=pay]")).to_have_text("Pay $157.35")
    expect(page.get_by_role("status").filter(has_text="Total $157.35")).to_have_count(1)
    expect(page.get_by_role("button", name="One more: Moka pot")).to_be_focused()
    assert {line.name: line.quantity for line in shown_order(page).lines.all()} == {
        "Moka pot": 3,
        "Tin of tea": 1,
    }
    page.get_by_role("button", name="One less: Moka pot").click()
    expect(page.locator("[data-testid=pay]")).to_have_text("Pay $109.15")


def test_pay_pressed_right_after_a_change_pays_the_new_total(
    context: BrowserContext, shop: str, sandbox: ShopSandbox, pot: Item
) -> None:
    page = context.new_page()
    place_order(page, shop, {pot: 1})
    page.evaluate("""() => {
        document.querySelector("[data-step='1']").click();
        document.querySelector("[data-testid=pay]").click();
    }""")
    page.wait_for_url("**/c/pay/**")
    expect(page.locator("[data-testid=total-amount]")).to_contain_text("$96.40")


def test_a_change_that_does_not_arrive_is_taken_back_and_said(
    context: BrowserContext, shop: str, pot: Item
) -> None:
    page = context.new_page()
    place_order(page, shop, {pot: 1})
    page.route("**/lines", lambda route: route.abort())
    page.get_by_role("button", name="One more: Moka pot").click()
    expect(page.get_by_text("so your order is as it was")).to_be_visible()
    expect(page.locator(f"[name=item_{pot.pk}]")).to_have_value("1")
    expect(page.locator("[data-testid=pay]")).to_have_text("Pay $48.20")


def test_the_window_goes_on_with_the_open_order_and_says_one_total(
    context: BrowserContext, shop: str, pot: Item, tea: Item, lamp: Item
) -> None:
    Tax.objects.create(display_name="Levy", percentage=Decimal(10), is_default=True)
    page = context.new_page()
    place_order(page, shop, {pot: 1})
    page.goto(shop)
    button, running = page.locator("[data-testid=order-button]"), page.locator("[data-testid=running-total]")
    expect(button).to_have_text("Continue, $53.02")
    expect(running).to_have_text("1 item")
    choose(page, tea, 1)
    expect(button).to_have_text("Continue")
    expect(running).to_have_text("2 items $60.95")
    choose(page, lamp, 1)
    expect(page.get_by_text("In your basket: USD, EUR.")).to_be_visible()
    button.click()
    page.wait_for_url("**/orders/open")
    page.goto(shop)
    expect(running.locator("p")).to_have_text(["2 items $60.95", "1 item €129.00"])
    expect(button).to_have_text("Continue")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_of_orders_scrolls_sideways(
    context: BrowserContext, shop: str, pot: Item, lamp: Item, width: int
) -> None:
    long = make_item(name="Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 2, price=99_999_99)
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    place_order(page, shop, {pot: 2, long: 9, lamp: 1})
    addresses = ["/", "/orders", "/orders/open", f"/item/by_order/{long.pk}"]
    addresses += [order.get_absolute_url() for order in Order.objects.all()]
    for address in addresses:
        page.goto(f"{shop}{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


@pytest.mark.parametrize("width", [390, 1280])
def test_a_word_that_is_longer_than_the_order_so_far_breaks_and_its_price_stays(
    page: Page, shop: str, width: int
) -> None:
    item = make_item(name="Donaudampfschifffahrtsgesellschaftskapitänsmützenhalter", price=1600)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(shop)
    choose(page, item, 1)
    wide = "() => document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(wide) <= 0
    picked = page.locator(".picked")
    if picked.locator("li").count() and picked.is_visible():
        assert picked.evaluate("list => list.scrollWidth - list.clientWidth") <= 0
        expect(picked).to_contain_text("$16.00")


@pytest.mark.parametrize("blocked", ["**/*.js", "**/ordering.js"])
def test_the_goods_stay_where_they_are_when_the_scripts_come(
    context: BrowserContext, shop: str, blocked: str
) -> None:
    """Each script comes by itself, and the page is shown between them."""
    for number in range(3):
        make_item(name=f"Cup {number}")
    page, heights = context.new_page(), []
    for scripts in ("some", "all"):
        if scripts == "some":
            page.route(blocked, lambda route: route.abort())
        else:
            page.unroute(blocked)
        page.goto(shop, wait_until="networkidle")
        heights.append(page.locator(".goods").evaluate("goods => goods.getBoundingClientRect().height"))
    assert heights[0] == heights[1]
