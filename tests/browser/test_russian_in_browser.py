"""A purchase in Russian: a Russian browser finds everything in Russian, from the window to the mail."""

import re

import pytest
from django.core import mail as outgoing
from playwright.sync_api import Browser, Page, expect

from kopeck.catalog.models import Item
from kopeck.mail import jobs as mail_jobs
from kopeck.mail.models import Mail
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from tests.support.browsing import IN_BROWSER, expect_paid, pay, shown_order
from tests.support.shop import ShopSandbox, make_item

pytestmark = [*IN_BROWSER, pytest.mark.slow]
#: What may stand in Latin letters on a Russian page: names, codes, and what is Stripe's or a program's.
LATIN = {
    "Kopeck",
    "Stripe",
    "English",
    "USD",
    "UTC",
    "Visa",
    "Checkout",
    "JavaScript",
    "buyer",
    "example",
    "com",
}


def english_words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{2,}", text)) - LATIN


def go_to_english_and_back(page: Page, shop: str) -> None:
    """Each language is an address of its own."""
    page.click("[data-testid=language]")
    assert page.url == f"{shop}/en/"
    expect(page.locator("[data-testid=order-button]")).to_have_text("Order")
    page.click("[data-testid=language]")
    assert page.url == f"{shop}/ru/"


def choose(page: Page, item: Item, quantity: int, *, javascript: bool) -> None:
    row = page.locator("[data-testid=stepper]").filter(has=page.locator(f"[name=item_{item.pk}]"))
    if javascript:
        row.locator("[data-add]").click()
        for _more in range(quantity - 1):
            row.locator(".stepper [data-step='1']").click()
    else:
        row.locator("input").fill(str(quantity))


def link_of_the_mail(shop: str, order: Order) -> str:
    """The receipt is sent, in Russian; its link to the order."""
    mail_jobs.deliver(Mail.objects.get().pk)
    (message,) = outgoing.outbox
    assert message.subject == f"Kopeck: заказ № {order.pk} оплачен"
    assert "97,00\xa0$" in message.body
    link = re.search(rf"{re.escape(shop)}/ru/order/\S+", str(message.body))
    assert link
    return link[0]


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_russian_browser_buys_in_russian_and_gets_a_russian_mail(
    browser: Browser, shop: str, sandbox: ShopSandbox, javascript: bool
) -> None:
    pot = make_item(name="Кофеварка", price=3900, description="На три чашки.")
    mug = make_item(name="Кружка", price=1900, description="Из эмали.")
    context = browser.new_context(locale="ru-RU", java_script_enabled=javascript)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(shop)
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    go_to_english_and_back(page, shop)
    for item, quantity in ((pot, 2), (mug, 1)):
        choose(page, item, quantity, javascript=javascript)
    if javascript:
        expect(page.locator("[data-so-far]")).to_contain_text("3 товара")
        expect(page.locator("[data-testid=running-total]")).to_contain_text("97,00\xa0$")
    assert english_words(page.locator("body").inner_text()) == set()
    page.click("[data-testid=order-button]")
    page.wait_for_url(f"{shop}/ru/order/*")
    expect(page.locator("[data-testid=pay]")).to_have_text("Оплатить 97,00\xa0$")
    assert english_words(page.locator("body").inner_text()) == set()
    order = shown_order(page)
    page.click("[data-testid=pay]")
    page.wait_for_url("**/c/pay/**")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    pay(page)
    page.wait_for_url(f"{shop}/ru/order/**")
    expect_paid(page, "97,00\xa0$")
    expect(page.locator("h1")).to_have_text("Спасибо")
    assert english_words(page.locator("body").inner_text()) == set()
    assert Payment.objects.get().language == "ru"
    context.clear_cookies()
    page.goto(link_of_the_mail(shop, order))
    expect(page.locator("h1")).to_have_text("Спасибо")
    context.close()


def test_the_card_fields_are_told_the_pages_language(
    browser: Browser, shop: str, sandbox: ShopSandbox
) -> None:
    item = make_item()
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(f"{shop}/ru/item/{item.pk}")
    page.click("[data-testid=add]")
    page.wait_for_url(f"{shop}/ru/order/*")
    page.goto(f"{page.url.split('?')[0]}/pay")
    fields = page.frame_locator("[data-element] iframe")
    expect(fields.get_by_label("Номер карты")).to_be_visible()
    context.close()
