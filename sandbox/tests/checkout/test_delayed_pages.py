"""A bank account on the hosted page and in the Payment Element: offered where switched on, and paid with."""

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import own_sandbox
from sandbox_testing.shop_page import FRAME, mount_element, serving_shop
from sandbox_testing.shopping import alerts, look, open_session, session_of, submit, text_of, typed

PAYS = "AT61 1904 3002 3457 3201"
BUYER = {"email": "ada@example.com", "billingName": "Ada Byron", "method": "sepa_debit"}


@pytest.fixture
def own():
    with own_sandbox() as own:
        own.control("PUT", "settings", {"delayed_methods": True})
        yield own


@pytest.fixture
def page(browser):
    with visitor(browser) as context:
        yield context.new_page()


def test_the_hosted_page_offers_cards_only_unless_it_is_switched_on(own):
    own.control("PUT", "settings", {"delayed_methods": False})
    session = open_session(own, currency="eur")
    assert "SEPA" not in look(session.url).text
    # A client that posts it all the same has typed no card.
    refused = submit(session.url, BUYER | {"iban": PAYS})
    assert set(alerts(refused)) == {"cardNumber", "cardExpiry", "cardCvc"}
    assert session_of(own, session.id).payment_intent is None


def test_without_javascript_an_iban_completes_the_session(own):
    session = open_session(own, currency="eur")
    assert "SEPA Direct Debit" in text_of(look(session.url))
    answer = submit(session.url, BUYER | {"iban": PAYS.lower()})
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(session.id)
    done = session_of(own, session.id)
    assert (done.status, done.payment_status) == ("complete", "unpaid")
    assert "Your payment is being processed" in text_of(look(session.url))


def test_a_card_can_still_be_chosen(own):
    session = open_session(own, currency="eur")
    assert submit(session.url, typed() | {"method": "card"}).status_code == 303
    assert session_of(own, session.id).payment_status == "paid"


@pytest.mark.parametrize(
    ("iban", "words"),
    [("", "Enter an IBAN."), ("AT12", "The IBAN you provided is invalid.")],
)
def test_a_wrong_iban_is_said_beside_its_input(own, iban, words):
    page = submit(open_session(own, currency="eur").url, BUYER | {"iban": iban})
    assert alerts(page) == {"iban": words}


def test_a_session_for_bank_accounts_only_asks_for_no_card(own):
    session = open_session(own, currency="eur", allowed_payment_method_types=["sepa_debit"])
    assert "cardNumber" not in look(session.url).text
    assert submit(session.url, BUYER | {"iban": PAYS}).status_code == 303


@pytest.mark.browser
def test_in_a_browser_the_chosen_way_to_pay_shows_its_inputs(own, page):
    session = open_session(own, currency="eur", success_url=f"{own.url}/assets/icon.svg?done=1")
    page.goto(session.url)
    expect(page.get_by_label("Card number")).to_be_visible()
    expect(page.get_by_label("IBAN")).to_be_hidden()
    page.get_by_label("SEPA Direct Debit").check()
    expect(page.get_by_label("Card number")).to_be_hidden()
    page.get_by_role("link", name="Pays after a while 3201").click()
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Full name").fill("Ada Byron")
    page.get_by_test_id("hosted-payment-submit-button").click()
    page.wait_for_url("**done=1")
    assert session_of(own, session.id).payment_status == "unpaid"


@pytest.mark.browser
def test_the_payment_element_debits_a_bank_account(own, page):
    intent = own.client.v1.payment_intents.create({"amount": 1000, "currency": "eur"})
    with serving_shop() as shop:
        page.goto(f"{shop}?script={own.url}/endive/stripe.js")
        mount_element(page, f"pk_test_{own.tail}", {"clientSecret": intent.client_secret})
        frame = page.frame_locator(FRAME)
        frame.get_by_role("button", name="SEPA Direct Debit").click()
        expect(frame.locator("[name=number]")).to_be_hidden()
        frame.locator("[name=iban]").fill("AT61 1904 3002 3457 3202")
        error = page.evaluate("elements.submit()")["error"]
        assert (error["type"], error["code"]) == ("validation_error", "invalid_iban")
        frame.locator("[name=iban]").fill(PAYS)
        frame.locator("[name=name]").fill("Ada Byron")
        frame.locator("[name=email]").fill("ada@example.com")
        assert page.evaluate("elements.submit()") == {"selectedPaymentMethod": "sepa_debit"}
        assert page.evaluate("heard.at(-1).value ?? heard.findLast((e) => e.value).value") == {
            "type": "sepa_debit"
        }
        page.evaluate(
            "() => { stripe.confirmPayment({elements, confirmParams: {return_url: location.href}}) }"
        )
        page.wait_for_url("**redirect_status=pending")
    assert own.client.v1.payment_intents.retrieve(intent.id).status == "processing"
    own.control("POST", f"intents/{intent.id}/settle", {"outcome": "succeeded"})
    assert own.client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


@pytest.mark.browser
def test_the_payment_element_offers_no_choice_where_there_is_none(own, page):
    intent = own.client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    with serving_shop() as shop:
        page.goto(f"{shop}?script={own.url}/endive/stripe.js")
        mount_element(page, f"pk_test_{own.tail}", {"clientSecret": intent.client_secret})
        frame = page.frame_locator(FRAME)
        expect(frame.locator("[name=number]")).to_be_visible()
        expect(frame.get_by_role("button", name="SEPA Direct Debit")).to_be_hidden()
