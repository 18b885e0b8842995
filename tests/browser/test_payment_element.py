"""Paying on our own page: Stripe's Payment Element in a real browser, and the truth afterwards."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail as outgoing
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from kopeck.catalog.models import Item
from kopeck.mail.models import Mail
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.browsing import IN_BROWSER, expect_paid, pay, shown_order
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs, work

pytestmark = IN_BROWSER


@pytest.fixture
def item() -> Item:
    return make_item(name="Moka pot", price=4820)


def element(page: Page) -> FrameLocator:
    return page.frame_locator('form[data-pay] iframe[name^="__privateStripeFrame"]').first


def fill(page: Page, number: str = "4242 4242 4242 4242", email: str = "buyer@example.com") -> None:
    page.fill("form[data-pay] [name=email]", email)
    frame = element(page)
    frame.locator("[name=number]").fill(number)
    frame.locator("[name=expiry]").fill("12 / 34")
    frame.locator("[name=cvc]").fill("123")
    # By the keyboard: the height of the frame still moves, and a mouse let go beside the button pays nothing.
    page.press("[data-testid=pay-intent]", "Enter")


def to_the_pay_page(page: Page, shop: str, item: Item) -> None:
    page.goto(f"{shop}/")
    page.locator("[data-testid=stepper]").first.locator("[data-add]").click()
    page.locator("[data-testid=order-button]:visible").first.click()
    page.click("[data-testid=pay-here]")
    expect(page.locator("[data-testid=pay-intent]")).to_be_enabled()


def test_an_address_is_read_without_what_was_pasted_along(
    context: BrowserContext, shop: str, item: Item
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    page.fill("form[data-pay] [name=email]", "\ufeffbu\u200byer\uff20exam\u00adple.com\u00a0")
    page.focus("[data-testid=pay-intent]")
    expect(page.locator("form[data-pay] [name=email]")).to_have_value("buyer@example.com")
    assert page.eval_on_selector("form[data-pay] [name=email]", "field => field.validity.valid")


def test_a_good_card_pays_on_our_own_page(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    to_the_pay_page(page, shop, item)
    fill(page)
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$48.20")
    expect(page.locator("main")).to_contain_text("4242")
    assert [charge.amount for charge in sandbox.charges()] == [4820]
    assert problems == []


def do_the_jobs() -> None:
    """In a thread of its own: Playwright's loop runs in this one."""

    def job() -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(job).result()


def test_the_address_that_is_given_here_gets_the_receipt(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    forget_jobs()
    fill(page, email="ann@example.com")
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$48.20")
    assert shown_order(page).email == "ann@example.com"
    # Not Stripe's own receipt_email: Stripe would send a second one.
    (charge,) = sandbox.charges()
    assert (charge.billing_details.email, charge.receipt_email) == ("ann@example.com", None)
    do_the_jobs()
    assert [(mail.kind, mail.status, mail.to) for mail in Mail.objects.all()] == [
        ("receipt", "sent", "ann@example.com")
    ]
    assert [message.to for message in outgoing.outbox] == [["ann@example.com"]]


@pytest.mark.parametrize("email", ["", "nobody"])
def test_without_an_address_nothing_is_paid(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox, email: str
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    fill(page, email=email)
    expect(page.get_by_label("E-mail")).to_be_focused()
    expect(page.locator("[data-testid=pay-intent]")).to_be_enabled()
    assert sandbox.charges() == []


def test_an_address_that_is_known_is_filled_in(context: BrowserContext, shop: str, item: Item) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    Order.objects.update(email="ann@example.com")
    page.reload()
    expect(page.get_by_label("E-mail")).to_have_value("ann@example.com")


def test_without_javascript_stripes_page_is_the_way_to_pay(
    context: BrowserContext, browser: Browser, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    with_scripts = context.new_page()
    to_the_pay_page(with_scripts, shop, item)
    expect(with_scripts.locator(".primary:visible")).to_have_text("Pay $48.20")
    without = browser.new_context(java_script_enabled=False, locale="en-US")
    without.add_cookies(context.cookies())  # type: ignore[arg-type]
    page = without.new_page()
    page.goto(with_scripts.url)
    expect(page.locator("main")).to_contain_text("needs JavaScript", use_inner_text=True)
    expect(page.locator("[data-testid=pay-intent]")).to_be_hidden()
    expect(page.get_by_label("E-mail")).to_be_hidden()
    primary = page.locator(".primary:visible")  # by class: Playwright's roles pass over <noscript>
    expect(primary).to_have_text("Pay on Stripe’s page instead")
    expect(page.locator("button:visible")).to_have_count(1)
    primary.click()
    page.wait_for_url("**/c/pay/**")
    without.close()


def test_a_declined_card_says_so_and_a_good_one_pays(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    fill(page, "4000 0000 0000 0002")
    # Once, by the Element and beside its field.
    expect(page.frame_locator("[data-element] iframe").get_by_role("alert")).to_contain_text(["declined"])
    expect(page.locator("[data-testid=pay-intent]")).to_be_enabled()
    expect(page.locator("form[data-pay] [role=alert]")).to_be_empty()
    assert Order.objects.get().status == "open"
    fill(page)
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$48.20")
    assert [charge.status for charge in sandbox.charges()] == ["succeeded", "failed"]


def test_3d_secure_is_a_step_and_refusing_it_can_be_made_good(
    context: BrowserContext, shop: str, item: Item
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    fill(page, "4000 0027 6000 3184")
    challenge = page.frame_locator('iframe[name="__stripeJSChallengeFrame"]')
    challenge.locator("#test-source-fail-3ds").click()
    expect(page.locator("form[data-pay] [role=alert]")).not_to_be_empty()
    assert Order.objects.get().status == "open"
    fill(page, "4000 0027 6000 3184")
    challenge.locator("#test-source-authorize-3ds").click()
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$48.20")


def test_a_reload_half_way_keeps_the_same_intent(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    element(page).locator("[name=number]").fill("4242")
    page.reload()
    expect(page.locator("[data-testid=pay-intent]")).to_be_enabled()
    fill(page)
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$48.20")
    assert len(sandbox.stripe.v1.payment_intents.list().data) == 1


def test_switching_to_checkout_half_way_pays_once(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    old_tab = context.new_page()
    old_tab.goto(page.url)
    expect(old_tab.locator("[data-testid=pay-intent]")).to_be_enabled()
    # By the keyboard, as in `fill`: the button may be below the fold, where the page still moves.
    page.press("[data-testid=pay-checkout]", "Enter")
    page.wait_for_url("**/c/pay/**")
    fill(old_tab)  # its intent was cancelled when Checkout was opened
    expect(old_tab.locator("form[data-pay] [role=alert]")).not_to_be_empty()
    pay(page)
    page.wait_for_url(f"{shop}/order/*")
    expect_paid(page, "$48.20")
    assert [charge.amount for charge in sandbox.charges() if charge.status == "succeeded"] == [4820]
    payments = shown_order(page).payments.order_by("attempt").values_list("kind", "status")
    assert list(payments) == [("intent", "expired"), ("checkout", "paid")]


def test_an_order_that_was_paid_elsewhere_leads_to_its_page(
    context: BrowserContext, shop: str, item: Item
) -> None:
    page = context.new_page()
    to_the_pay_page(page, shop, item)
    Payment.objects.update(status="processing")
    Order.objects.update(status="processing")
    page.reload()
    expect(page.locator("body")).to_contain_text("not to be paid")


def test_an_order_that_became_dearer_leads_to_its_page_and_the_new_total(
    context: BrowserContext, shop: str, item: Item, sandbox: ShopSandbox
) -> None:
    page = context.new_page()
    page.goto(f"{shop}/")
    page.locator("[data-testid=stepper]").first.locator("[data-add]").click()
    page.locator("[data-testid=order-button]:visible").first.click()
    expect(page.locator("[data-testid=pay-here]")).to_be_visible()
    Item.objects.update(price=5000)
    page.click("[data-testid=pay-here]")
    page.wait_for_url(f"{shop}/order/*?notice=price_changed")
    expect(page.locator("main")).to_contain_text("has become dearer")
    expect(page.locator("main")).to_contain_text("$50.00")
    assert sandbox.charges() == []
