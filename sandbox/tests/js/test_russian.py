"""The Elements in Russian where the shop's Stripe.js asks for it: labels, refusals, the bank's question."""

import re

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import eventually
from sandbox_testing.shop_page import call, make, of, type_card

pytestmark = pytest.mark.browser
MOUNT = """async ([key, options, elementsOptions, wanted]) => {
    window.stripe = Stripe(key, options);
    window.elements = stripe.elements(elementsOptions);
    await Promise.all(wanted.map(([type, more]) => {
        const node = document.createElement("div");
        node.id = type;
        document.body.append(node);
        const one = elements.create(type, more);
        const ready = new Promise((go) => one.on("ready", go));
        one.mount(node);
        return ready;
    }));
}"""
PAY = "stripe.confirmPayment({elements, redirect: 'if_required', confirmParams: {return_url: 'http://x.example/'}})"
#: Names, and what is typed in any language.
LATIN = {"CVC", "Visa", "you", "example", "com", "SEPA", "Direct", "Debit", "IBAN", "AT", "Local", "sandbox"}


@pytest.fixture
def open_page(browser, own, shop):
    """`open_page(intent, *elements)`: a shop's page whose Stripe.js speaks Russian, in an English browser."""
    with visitor(browser) as context:

        def opened(intent, *wanted):
            page = context.new_page()
            page.goto(f"{shop}?script={own.url}/endive/stripe.js")
            options = {"clientSecret": intent.client_secret} if intent else {}
            page.evaluate(MOUNT, [f"pk_test_{own.tail}", {"locale": "ru"}, options, wanted])
            return page

        yield opened


def english(page, type):
    """English words that a person meets in an Element: its text, its placeholders, its names."""
    seen = (
        of(page, type)
        .locator("form")
        .evaluate(
            """(form) => form.innerText + " " + [...form.querySelectorAll("input")]
            .filter((one) => one.checkVisibility())
            .map((one) => `${one.placeholder} ${one.ariaLabel || ""}`).join(" ")"""
        )
    )
    return set(re.findall(r"[A-Za-z]{2,}", seen)) - LATIN


def test_every_label_and_refusal_of_the_fields_is_russian(own, open_page):
    page = open_page(
        make(own),
        ["payment", {}],
        ["linkAuthentication", {}],
        ["address", {"mode": "shipping", "fields": {"phone": "always"}}],
        ["expressCheckout", {}],
    )
    expect(of(page, "address").get_by_text("Имя и фамилия", exact=True)).to_be_visible()
    expect(of(page, "address").get_by_label("Страна")).to_contain_text("Германия")
    assert page.locator("#payment iframe").get_attribute("title") == "Защищённое поле для данных оплаты"
    error = call(page, "elements.submit()")["value"]["error"]
    assert (error["type"], error["message"]) == ("validation_error", "Номер карты введён не полностью.")
    for type in ("payment", "linkAuthentication", "address", "expressCheckout"):
        assert english(page, type) - {"Apple", "Pay", "Google", "Link"} == set(), type
    expect(of(page, "address").locator("#line1-error")).to_have_text("Введите адрес.")


def test_what_the_bank_says_is_russian_beside_the_field_and_for_the_shop_s_page(own, open_page):
    page = open_page(make(own), ["payment", {}])
    type_card(page, "4000000000000002")
    error = call(page, PAY)["value"]["error"]
    assert (error["code"], error["message"]) == ("card_declined", "Карта отклонена.")
    expect(of(page, "payment").locator("#number-error")).to_have_text("Карта отклонена.")


def test_the_bank_s_question_is_russian_and_so_is_what_came_of_it(own, open_page):
    page = open_page(make(own), ["payment", {}])
    type_card(page, "4000000000003220")
    page.evaluate(f"() => {{ {PAY}.then((result) => {{ window.result = result }}) }}")
    bank = page.frame_locator("iframe[name=__stripeJSChallengeFrame]")
    expect(bank.get_by_role("heading")).to_have_text("Это вы?")
    expect(bank.locator("main")).to_contain_text("Тестовый банк")
    bank.get_by_role("button", name="Отклонить").click()
    eventually(lambda: page.evaluate("window.result"))
    error = page.evaluate("window.result.error")
    assert error["code"] == "payment_intent_authentication_failure"
    assert error["message"].startswith("Не удалось подтвердить этот способ оплаты.")


def test_the_card_element_is_russian_too(own, open_page):
    page = open_page(None, ["card", {}])
    assert english(page, "card") == set()
    of(page, "card").locator("[name=number]").press_sequentially("4242")
    error = call(page, "stripe.createPaymentMethod({type: 'card', card: elements.getElement('card')})")[
        "value"
    ]["error"]
    assert error["message"] == "Номер карты введён не полностью."


def test_a_receipt_and_an_address_that_leads_nowhere_follow_the_browser(own, browser):
    paid = make(own, payment_method="pm_card_visa", confirm=True, return_url="http://x.example/")
    own.client.v1.refunds.create({"payment_intent": paid.id, "amount": 100})
    with visitor(browser, locale="ru-RU") as context:
        page = context.new_page()
        page.goto(f"{own.url}/c/receipt/{paid.latest_charge}")
        expect(page.get_by_role("heading")).to_contain_text("оплачено 10,00")
        expect(page.locator("main")).to_contain_text("Возвращено: 1,00")
        page.goto(f"{own.url}/c/receipt/ch_nope")
        expect(page.get_by_role("heading")).to_have_text("Такого платежа нет")
