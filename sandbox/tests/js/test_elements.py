"""The Payment Element on a shop's page of another origin: shown, filled, checked, dressed."""

import json

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import eventually
from sandbox_testing.shop_page import FRAME, call, make, mount_element, typed

pytestmark = pytest.mark.browser
LENIENT = ("/v3/", "/basil/stripe.js")
STRICT = ("/clover/stripe.js", "/endive/stripe.js")


@pytest.fixture
def open_page(browser, own, shop):
    """`open_page(secret)`: a shop's page with a mounted Payment Element, whose events are kept in `heard`."""
    with visitor(browser) as context:

        def opened(secret, train="/endive/stripe.js", wait="ready", **options):
            page = context.new_page()
            page.goto(f"{shop}?script={own.url}{train}")
            mount_element(page, f"pk_test_{own.tail}", {"clientSecret": secret, **options})
            if wait:
                page.wait_for_function("name => heard.some((event) => event.name === name)", arg=wait)
            return page

        yield opened


def heard(page, name):
    return [event for event in page.evaluate("heard") if event["name"] == name]


@pytest.mark.parametrize("train", [*LENIENT, *STRICT])
def test_the_element_is_a_frame_of_the_sandbox_s_origin_as_high_as_its_form(own, open_page, train):
    page = open_page(make(own).client_secret, train)
    frame = page.locator(FRAME)
    assert frame.get_attribute("title") == "Secure payment input frame"
    assert frame.get_attribute("src").startswith(own.url)
    eventually(lambda: frame.bounding_box()["height"] > 150)
    assert page.frame_locator(FRAME).locator("input:visible").count() == 3
    fits = "document.documentElement.scrollHeight <= window.innerHeight"
    eventually(lambda: page.frames[1].evaluate(fits))


def test_the_card_never_reaches_the_shop_s_page(own, open_page):
    page = open_page(make(own).client_secret)
    page.evaluate("() => { window.told = []; addEventListener('message', (m) => told.push(m.data)) }")
    frame = typed(page)
    expect(frame.locator("#brand")).to_have_text("Visa")
    page.evaluate("elements.submit()")
    page.evaluate(
        "stripe.confirmPayment({elements, redirect: 'if_required', confirmParams: {return_url: 'http://x.example/'}})"
    )
    told = json.dumps(page.evaluate("told"))
    assert "answer" in told
    assert "424242424" not in told
    assert "4242 4242 4" not in told


def test_typing_is_formatted_and_told_as_change_events(own, open_page):
    page = open_page(make(own).client_secret)
    frame = typed(page)
    assert frame.locator("[name=number]").input_value() == "4242 4242 4242 4242"
    assert frame.locator("[name=expiry]").input_value() == "12 / 34"
    eventually(lambda: heard(page, "change") and heard(page, "change")[-1]["complete"])
    last = heard(page, "change")[-1]
    assert last == {
        "name": "change",
        "elementType": "payment",
        "collapsed": False,
        "complete": True,
        "empty": False,
        "value": {"type": "card"},
    }
    page.evaluate("element.clear()")
    eventually(lambda: heard(page, "change")[-1]["empty"])
    assert heard(page, "focus")


def test_a_chip_fills_the_form_with_its_test_card(own, open_page):
    page = open_page(make(own).client_secret)
    frame = page.frame_locator(FRAME)
    before = page.locator(FRAME).bounding_box()["height"]
    frame.get_by_text("Test cards").click()
    eventually(lambda: page.locator(FRAME).bounding_box()["height"] > before)
    frame.get_by_role("link", name="Declined 0002").click()
    assert frame.locator("[name=number]").input_value() == "4000 0000 0000 0002"
    assert page.evaluate("elements.submit()") == {"selectedPaymentMethod": "card"}
    expect(frame.get_by_role("link", name="Blocked by Radar")).to_be_hidden()
    frame.get_by_role("button", name="more").click()
    expect(frame.get_by_role("link", name="Blocked by Radar")).to_be_visible()


@pytest.mark.parametrize(
    ("number", "expiry", "cvc", "code"),
    [
        ("", "", "", "incomplete_number"),
        ("4242", "1234", "123", "incomplete_number"),
        ("4242424242424241", "1234", "123", "invalid_number"),
        ("4242424242424242", "12", "123", "incomplete_expiry"),
        ("4242424242424242", "1220", "123", "invalid_expiry_year_past"),
        ("4242424242424242", "1234", "12", "incomplete_cvc"),
        ("378282246310005", "1234", "123", "incomplete_cvc"),
    ],
)
def test_what_is_missing_is_a_validation_error_beside_its_input(own, open_page, number, expiry, cvc, code):
    page = open_page(make(own).client_secret)
    frame = typed(page, number, expiry, cvc)
    error = page.evaluate("elements.submit()")["error"]
    assert (error["type"], error["code"]) == ("validation_error", code)
    field = code.split("_")[1]
    expect(frame.locator(f"#{field}-error")).to_have_text(error["message"])
    assert frame.locator(f"[name={field}]").get_attribute("aria-invalid") == "true"


def test_the_shop_s_appearance_dresses_it(own, open_page):
    look = {"theme": "night", "variables": {"colorPrimary": "rgb(255, 0, 0)", "nonsense": "x"}}
    page = open_page(make(own).client_secret, appearance=look)
    frame = page.frames[1]
    assert frame.evaluate("document.documentElement.className") == "night"
    style = "getComputedStyle(document.documentElement).getPropertyValue('--colorPrimary')"
    assert frame.evaluate(style) == "rgb(255, 0, 0)"
    page.evaluate("elements.update({appearance: {theme: 'flat'}})")
    eventually(lambda: frame.evaluate("document.documentElement.className") == "flat")


def test_without_a_theme_it_is_dark_where_the_page_is(own, open_page):
    page = open_page(make(own).client_secret)
    theme = "document.documentElement.className"
    assert page.frames[1].evaluate(theme) == "stripe"
    # The buyer wants dark, but the page has no dark side: the form stays light.
    page.emulate_media(color_scheme="dark")
    page.evaluate("elements.update({})")
    assert page.evaluate("elements.fetchUpdates()") == {}
    assert page.frames[1].evaluate(theme) == "stripe"
    page.evaluate("document.documentElement.style.colorScheme = 'light dark'; elements.update({})")
    eventually(lambda: page.frames[1].evaluate(theme) == "night")


def test_an_unknown_intent_or_another_accounts_is_a_loaderror(own, open_page):
    other = own.client_of("neighbour").v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    page = open_page(other.client_secret, wait="loaderror")
    [event] = heard(page, "loaderror")
    assert event["error"]["code"] == "resource_missing"
    assert page.evaluate("elements.submit()")["error"]["code"] == "resource_missing"
    wrong = make(own).client_secret[:-3] + "xyz"
    [event] = heard(open_page(wrong, wait="loaderror"), "loaderror")
    assert event["error"]["code"] == "payment_intent_invalid_parameter"


@pytest.mark.parametrize("train", STRICT)
def test_trains_since_clover_show_no_form_for_a_finished_intent(own, open_page, train):
    intent = make(own)
    own.client.v1.payment_intents.cancel(intent.id)
    page = open_page(intent.client_secret, train, wait="loaderror")
    assert "canceled" in heard(page, "loaderror")[0]["error"]["message"]
    assert page.frame_locator(FRAME).locator("input:visible").count() == 0


@pytest.mark.parametrize("train", LENIENT)
def test_trains_before_clover_show_it_still(own, open_page, train):
    intent = make(own)
    own.client.v1.payment_intents.cancel(intent.id)
    page = open_page(intent.client_secret, train)
    assert page.frame_locator(FRAME).locator("input:visible").count() == 3


def test_it_can_be_unmounted_mounted_again_and_destroyed(own, open_page):
    page = open_page(make(own).client_secret)
    assert page.evaluate("elements.getElement('payment') === element") is True
    page.evaluate("element.unmount()")
    assert page.locator(FRAME).count() == 0
    page.evaluate("element.mount(document.getElementById('place'))")
    page.wait_for_function("heard.filter((event) => event.name === 'ready').length === 2")
    page.evaluate("element.destroy()")
    assert page.locator(FRAME).count() == 0
    assert page.evaluate("elements.getElement('payment')") is None
    assert call(page, "element.mount('#place')")["name"] == "IntegrationError"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("stripe.elements({clientSecret: 'nonsense'})", "should be a client secret of the form"),
        ("stripe.elements({mode: 'payment', amount: 100})", "currency should be a string"),
        ("stripe.elements({mode: 'payment', currency: 'usd', amount: 0})", "amount should be greater than 0"),
        ("stripe.elements({mode: 'rent', currency: 'usd', amount: 1})", "mode should be one of"),
        ("stripe.elements({mode: 'setup', paymentMethodTypes: ['card']})", "no longer supported"),
        ("stripe.elements().create('payment')", "needs a clientSecret, or a mode"),
        ("elements.create('iban')", "has these Elements: payment, card,"),
        ("elements.create('address')", 'mode should be "shipping" or "billing"'),
        ("elements.create('payment')", "Can only create one Element of type payment"),
        ("element.mount('#nowhere')", "applies to no DOM elements"),
        ("element.on('click', () => 1)", "Invalid event name: click"),
        ("elements.update({clientSecret: 'x'})", "can't be changed"),
    ],
)
def test_a_page_s_mistakes_throw_integration_errors(own, open_page, expression, words):
    thrown = call(open_page(make(own).client_secret), expression)
    assert thrown["name"] == "IntegrationError"
    assert words in thrown["message"]


def test_the_frame_listens_only_to_the_page_that_opened_it(own, open_page, shop):
    page = open_page(make(own).client_secret)
    typed(page)
    # A message that doesn't come from the shop's Stripe.js window is ignored by both sides.
    page.evaluate("window.postMessage({type: 'loaderror', data: {error: {}}}, '*')")
    page.frames[1].evaluate("window.postMessage({type: 'clear'}, '*')")
    assert page.evaluate("elements.submit()") == {"selectedPaymentMethod": "card"}
    assert heard(page, "loaderror") == []
