"""The hosted Checkout page in headless Chromium, with JavaScript on and off."""

import re

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import own_sandbox, receiving
from sandbox_testing.shopping import SHOP, open_session, session_of

pytestmark = pytest.mark.browser
SUBMIT = "[data-testid=hosted-payment-submit-button]"


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(browser, request):
    """A new visitor; the shop's own pages are a word, and whatever the page complains of fails."""
    complaints = []
    with visitor(browser, java_script_enabled=request.param) as context:
        context.route(f"{SHOP}/**", lambda route: route.fulfill(body="the shop", content_type="text/plain"))
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # A 402 or 422 in the console is the refusal itself; everything else (a blocked script) is a fault.
        page.on(
            "console", lambda line: re.search("status of 4(02|22)", line.text) or complaints.append(line.text)
        )
        yield page
    assert complaints == []


with_javascript = pytest.mark.parametrize("page", [True], indirect=True)


def fill(page, card, **fields):
    usual = {
        "email": "ada@example.com",
        "cardNumber": card,
        "cardExpiry": "1234",
        "cardCvc": "123",
        "billingName": "Ada Byron",
    }
    for name, value in (usual | fields).items():
        page.fill(f"input[name={name}]", value)


def test_a_buyer_pays_and_returns_to_the_shop(own, page):
    session = open_session(own)
    page.goto(session.url)
    expect(page.locator("[data-testid=total-amount]")).to_have_text("$42.00")
    fill(page, "4242424242424242")
    page.click(SUBMIT)
    page.wait_for_url(f"{SHOP}/done?session={session.id}")
    assert session_of(own, session.id).payment_status == "paid"


def test_a_declined_card_and_then_a_good_one(own, page):
    session = open_session(own)
    page.goto(session.url)
    fill(page, "4000000000009995")
    page.click(SUBMIT)
    expect(page.locator("[role=alert]")).to_have_text("Your card has insufficient funds.")
    assert session_of(own, session.id).status == "open"
    fill(page, "4242424242424242")
    page.click(SUBMIT)
    page.wait_for_url(f"{SHOP}/done?session={session.id}")
    charges = own.client.v1.charges.list({"payment_intent": session_of(own, session.id).payment_intent}).data
    assert [charge.status for charge in charges] == ["succeeded", "failed"]


@pytest.mark.parametrize("passes", [True, False])
def test_three_d_secure_is_a_step_of_its_own(own, page, passes):
    session = open_session(own)
    page.goto(session.url)
    fill(page, "4000002760003184")
    page.click(SUBMIT)
    button = page.locator("#test-source-authorize-3ds" if passes else "#test-source-fail-3ds")
    expect(button).to_be_visible()
    button.click()
    if passes:
        page.wait_for_url(f"{SHOP}/done?session={session.id}")
    else:
        expect(page.locator("[role=alert]")).to_contain_text("unable to authenticate")
    assert session_of(own, session.id).payment_status == ("paid" if passes else "unpaid")


def test_back_leads_to_the_cancel_url_and_the_session_stays_open(own, page):
    session = open_session(own)
    page.goto(session.url)
    page.click("[data-testid=business-link]")
    page.wait_for_url(f"{SHOP}/cart")
    assert session_of(own, session.id).status == "open"
    page.goto(session.url)
    expect(page.locator(SUBMIT)).to_be_visible()


def test_a_chip_fills_the_whole_form(own, page):
    everything = {
        "phone_number_collection": {"enabled": True},
        "billing_address_collection": "required",
        "shipping_address_collection": {"allowed_countries": ["GB", "US"]},
    }
    session = open_session(own, **everything)
    page.goto(session.url)
    page.click(".chip:has-text('4242')")
    page.click(SUBMIT)
    page.wait_for_url(f"{SHOP}/**")
    done = session_of(own, session.id)
    assert done.customer_details.name == "Jenny Rosen"
    assert done.collected_information.shipping_details.address.country == "US"


@with_javascript
def test_a_code_changes_the_sums_and_nothing_that_was_typed(own, page):
    coupon = own.client.v1.coupons.create({"percent_off": 50})
    promotion = {"type": "coupon", "coupon": coupon.id}
    own.client.v1.promotion_codes.create({"promotion": promotion, "code": "HALF"})
    session = open_session(own, allow_promotion_codes=True)
    page.goto(session.url)
    page.fill("input[name=email]", "ada@example.com")
    page.fill("[name=promotionCode]", "NOPE")
    page.press("[name=promotionCode]", "Enter")
    expect(page.locator(".promotion [role=alert]")).to_have_text("This code is invalid.")
    page.fill("[name=promotionCode]", "half")
    page.click(".promotion button")
    expect(page.locator("[data-testid=total-amount]")).to_have_text("$21.00")
    expect(page.locator(SUBMIT)).to_have_text("Pay $21.00")
    expect(page.locator("input[name=email]")).to_have_value("ada@example.com")
    page.click(".promotion button")
    expect(page.locator("[data-testid=total-amount]")).to_have_text("$42.00")


@with_javascript
def test_another_way_of_shipping_changes_the_total_at_once(own, page):
    ways = [
        {
            "shipping_rate_data": {
                "display_name": name,
                "type": "fixed_amount",
                "fixed_amount": {"amount": amount, "currency": "usd"},
            }
        }
        for name, amount in (("Post", 500), ("Express", 900))
    ]
    session = open_session(own, shipping_options=ways)
    page.goto(session.url)
    expect(page.locator(SUBMIT)).to_have_text("Pay $47.00")
    page.click("label:has-text('Express')")
    expect(page.locator(SUBMIT)).to_have_text("Pay $51.00")
    page.click(".chip:has-text('4242')")
    page.click(SUBMIT)
    page.wait_for_url(f"{SHOP}/**")
    assert session_of(own, session.id).amount_total == 5100


def test_a_chip_leaves_what_was_typed(own, page):
    page.goto(open_session(own).url)
    page.click(".chip:has-text('0127')")
    number = page.locator("input[name=cardNumber]")
    expect(number).not_to_have_value("")
    assert number.input_value().replace(" ", "") == "4000000000000127"
    expect(page.locator("input[name=cardExpiry]")).to_have_value("12 / 34")
    page.fill("input[name=email]", "ada@example.com")
    page.fill("input[name=billingName]", "Ada Byron")
    page.click(SUBMIT)
    expect(page.locator("[role=alert]")).to_have_text("Your card's security code is incorrect.")


@with_javascript
def test_the_card_is_formatted_while_it_is_typed(own, page):
    page.goto(open_session(own).url)
    number, expiry = page.locator("input[name=cardNumber]"), page.locator("input[name=cardExpiry]")
    number.press_sequentially("4242424242424242")
    expect(number).to_have_value("4242 4242 4242 4242")
    expect(page.locator("#card-brand")).to_have_text("Visa")
    number.fill("378282246310005")
    expect(number).to_have_value("3782 822463 10005")
    expiry.press_sequentially("7")
    expect(expiry).to_have_value("07 / ")
    for _ in range(2):
        expiry.press("Backspace")
    expect(expiry).to_have_value("0")
    expiry.fill("")
    expiry.press_sequentially("1234")
    expect(expiry).to_have_value("12 / 34")


@with_javascript
def test_a_digit_put_in_the_middle_keeps_the_caret(own, page):
    page.goto(open_session(own).url)
    number = page.locator("input[name=cardNumber]")
    number.fill("424242424242424")
    number.evaluate("field => field.setSelectionRange(4, 4)")
    page.keyboard.type("99")
    expect(number).to_have_value("4242 9942 4242 4242 4")


@with_javascript
def test_the_button_is_busy_while_paying_and_the_card_stays_after_a_decline(browser, page):
    with receiving() as shop, own_sandbox(webhooks=(f"{shop.url}=whsec_of_the_tests",)) as own:
        shop.hold = 0.7
        session = open_session(own)
        page.goto(session.url)
        fill(page, "4000000000000002")
        page.click(SUBMIT)
        expect(page.locator("[role=alert]")).to_have_text("Your card was declined.")
        expect(page.locator("input[name=cardNumber]")).to_have_value("4000 0000 0000 0002")
        expect(page.locator(SUBMIT)).to_be_enabled()
        fill(page, "4242424242424242")
        page.click(SUBMIT)
        expect(page.locator(SUBMIT)).to_be_disabled()
        expect(page.locator(SUBMIT)).to_have_text("Processing…")
        page.wait_for_url(f"{SHOP}/done?session={session.id}")


@with_javascript
def test_an_error_goes_away_as_soon_as_its_field_is_corrected(own, page):
    page.goto(open_session(own).url)
    fill(page, "4242424242424242", email="ada@example")
    page.click(SUBMIT)
    expect(page.locator("[role=alert]")).to_have_text("Your email is incomplete.")
    expect(page.locator("input[name=email]")).to_be_focused()
    page.fill("input[name=email]", "ada@example.com")
    expect(page.locator("[role=alert]")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(own, page, width):
    name = (
        "A lamp with an extraordinarilylongnamethatnobodywouldeverbreakanywhereatall and more words after it"
    )
    session = open_session(own, [(name, 987654, 99)] + [(f"Thing {number}", 100, 1) for number in range(5)])
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(session.url)
    body = page.locator("main").bounding_box()
    assert body["width"] <= width
    for part in ("[data-testid=total-amount]", ".sum", SUBMIT, ".chips"):
        box = page.locator(part).first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@with_javascript
def test_another_quantity_and_a_country_count_at_once(own, page):
    line = {
        "quantity": 2,
        "adjustable_quantity": {"enabled": True, "minimum": 1, "maximum": 4},
        "price_data": {"currency": "usd", "unit_amount": 1000, "product_data": {"name": "Tea"}},
    }
    session = open_session(own, line_items=[line], automatic_tax={"enabled": True})
    page.goto(session.url)
    page.fill("input[name=email]", "ada@example.com")
    more = page.get_by_role("button", name="More")
    more.click()
    expect(page.locator(SUBMIT)).to_have_text("Pay $30.00")
    expect(more).to_be_focused()
    page.fill("[name=quantity]", "9")
    page.press("[name=quantity]", "Enter")
    expect(page.locator(".what [role=alert]")).to_have_text("This quantity is not offered.")
    page.fill("[name=quantity]", "4")
    page.press("[name=quantity]", "Tab")
    expect(page.locator(SUBMIT)).to_have_text("Pay $40.00")
    expect(more).to_be_disabled()
    page.select_option("[name=billingCountry]", "GB")
    expect(page.locator(SUBMIT)).to_have_text("Pay $44.00")
    expect(page.locator("input[name=email]")).to_have_value("ada@example.com")
    page.click(".chip:has-text('4242')")
    page.click(SUBMIT)
    page.wait_for_url(f"{SHOP}/**")
    assert session_of(own, session.id).amount_total == 4400


@with_javascript
def test_a_chip_answers_the_shop_s_own_fields_and_agrees_to_its_terms(own, page):
    named = {"type": "custom", "custom": "Size"}
    options = [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l"}]
    session = open_session(
        own,
        custom_fields=[{"key": "size", "type": "dropdown", "label": named, "dropdown": {"options": options}}],
        consent_collection={"terms_of_service": "required"},
        shipping_address_collection={"allowed_countries": ["US"]},
        billing_address_collection="required",
    )
    page.goto(session.url)
    page.click(SUBMIT)
    expect(page.locator("input[name=email]")).to_be_focused()
    expect(page.locator("#termsOfService-error")).to_have_text("Agree to the terms to go on.")
    expect(page.locator("[name=billingLocality]")).to_be_hidden()
    page.click(".chip:has-text('4242')")
    expect(page.locator("[role=alert]")).to_have_count(0)
    page.click(SUBMIT)
    page.wait_for_url(f"{SHOP}/**")
    done = session_of(own, session.id)
    assert (done.custom_fields[0].dropdown.value, done.consent.terms_of_service) == ("s", "accepted")
    assert done.customer_details.address.city == "South San Francisco"
