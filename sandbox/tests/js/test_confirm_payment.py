"""Paying with the Payment Element from a shop's page of another origin: what resolves, what leads where."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.shop_page import FRAME, call, make, mount_element, typed

pytestmark = pytest.mark.browser
CHALLENGE = 'iframe[name="__stripeJSChallengeFrame"]'
ASKS = "4000002760003184"
ASKS_THEN_DECLINES = "4000008400001629"
TRAINS = ("/v3/", "/dahlia/stripe.js", "/endive/stripe.js")


@pytest.fixture
def open_page(browser, own, shop):
    with visitor(browser) as context:

        def opened(secret="", train="/endive/stripe.js", tail=None):
            """A shop's page; with a Payment Element where there is a client secret to mount it for."""
            page = context.new_page()
            page.goto(f"{shop}?script={own.url}{train}")
            if secret:
                mount_element(page, f"pk_test_{tail or own.tail}", {"clientSecret": secret})
            else:
                page.evaluate("key => { window.stripe = Stripe(key) }", f"pk_test_{tail or own.tail}")
            return page

        yield opened


def status(own, intent):
    return own.client.v1.payment_intents.retrieve(intent.id).status


def pay(shop, redirect="if_required", **more):
    params = {"return_url": f"{shop}?paid=1", **more}
    return f"stripe.confirmPayment({{elements, redirect: {redirect!r}, confirmParams: {params}}})"


@pytest.mark.parametrize("train", TRAINS)
def test_a_good_card_leads_to_the_return_url_with_stripe_s_parameters(own, open_page, shop, train):
    intent = make(own, metadata={"note": "private"})
    page = open_page(intent.client_secret, train)
    typed(page)
    page.evaluate(f"() => {{ {pay(shop, 'always')} }}")
    page.wait_for_url("**paid=1**")
    assert parse_qs(urlsplit(page.url).query) == {
        "paid": ["1"],
        "payment_intent": [intent.id],
        "payment_intent_client_secret": [intent.client_secret],
        "redirect_status": ["succeeded"],
    }
    assert status(own, intent) == "succeeded"


def test_if_required_resolves_with_the_intent_as_a_browser_may_see_it(own, open_page, shop):
    intent = make(own, metadata={"note": "private"})
    page = open_page(intent.client_secret)
    typed(page)
    given = {"billing_details": {"name": "Ada Byron", "email": "ada@example.com"}}
    result = page.evaluate(pay(shop, receipt_email="ada@example.com", payment_method_data=given))
    paid = result["paymentIntent"]
    assert (paid["id"], paid["status"]) == (intent.id, "succeeded")
    assert not {"metadata", "latest_charge", "customer"} & paid.keys()
    assert page.url.startswith(shop)
    kept = own.client.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    assert kept.receipt_email == "ada@example.com"
    assert kept.payment_method.billing_details.name == "Ada Byron"


def test_a_declined_card_is_an_error_and_the_next_card_pays(own, open_page, shop):
    intent = make(own, metadata={"note": "private"})
    page = open_page(intent.client_secret)
    frame = typed(page, "4000000000009995")
    error = page.evaluate(pay(shop))["error"]
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        "card_declined",
        "insufficient_funds",
    )
    assert error["message"] == "Your card has insufficient funds."
    assert error["charge"].startswith("ch_")
    assert error["payment_method"]["card"]["last4"] == "9995"
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert "metadata" not in error["payment_intent"]
    expect(frame.locator("#number-error")).to_have_text(error["message"])
    typed(page)
    assert page.evaluate(pay(shop))["paymentIntent"]["status"] == "succeeded"
    assert len(own.client.v1.charges.list({"payment_intent": intent.id}).data) == 2


def test_an_incomplete_card_is_a_validation_error_and_nothing_is_asked_of_the_api(own, open_page, shop):
    intent = make(own)
    page = open_page(intent.client_secret)
    typed(page, "4242")
    assert page.evaluate(pay(shop)) == {
        "error": {
            "type": "validation_error",
            "code": "incomplete_number",
            "message": "Your card number is incomplete.",
        }
    }
    assert own.client.v1.payment_intents.retrieve(intent.id).last_payment_error is None


@pytest.mark.parametrize("redirect", ["always", "if_required"])
def test_3d_secure_is_a_challenge_over_the_page_that_can_be_passed(own, open_page, shop, redirect):
    intent = make(own)
    page = open_page(intent.client_secret)
    typed(page, ASKS)
    page.evaluate(f"() => {{ window.result = {pay(shop, redirect)} }}")
    challenge = page.frame_locator(CHALLENGE)
    expect(challenge.get_by_text("$10.00")).to_be_visible()
    assert status(own, intent) == "requires_action"
    challenge.locator("#test-source-authorize-3ds").click()
    if redirect == "always":
        page.wait_for_url("**redirect_status=succeeded**")
    else:
        assert page.evaluate("result")["paymentIntent"]["status"] == "succeeded"
        assert page.locator(CHALLENGE).count() == 0
    assert status(own, intent) == "succeeded"


def test_a_failed_3d_secure_is_an_authentication_failure_and_can_be_tried_again(own, open_page, shop):
    intent = make(own)
    page = open_page(intent.client_secret)
    typed(page, ASKS)
    page.evaluate(f"() => {{ window.result = {pay(shop, 'always')} }}")
    page.frame_locator(CHALLENGE).locator("#test-source-fail-3ds").click()
    error = page.evaluate("result")["error"]
    assert error["code"] == "payment_intent_authentication_failure"
    assert "unable to authenticate" in error["message"]
    assert error["payment_intent"]["status"] == "requires_payment_method"
    typed(page)
    assert page.evaluate(pay(shop))["paymentIntent"]["status"] == "succeeded"


def test_a_card_that_asks_and_then_declines_is_a_card_error(own, open_page, shop):
    page = open_page(make(own).client_secret)
    typed(page, ASKS_THEN_DECLINES)
    page.evaluate(f"() => {{ window.result = {pay(shop)} }}")
    page.frame_locator(CHALLENGE).locator("#test-source-authorize-3ds").click()
    error = page.evaluate("result")["error"]
    assert (error["type"], error["code"]) == ("card_error", "card_declined")


def test_after_a_reload_the_open_challenge_is_handled_by_handle_next_action(own, open_page, shop):
    intent = make(own)
    page = open_page(intent.client_secret)
    typed(page, ASKS)
    page.evaluate(f"() => {{ {pay(shop)} }}")
    page.locator(CHALLENGE).wait_for()
    page.reload()
    assert page.locator(CHALLENGE).count() == 0
    page.evaluate("key => { window.stripe = Stripe(key) }", f"pk_test_{own.tail}")
    ask = f"stripe.handleNextAction({{clientSecret: '{intent.client_secret}'}})"
    page.evaluate(f"() => {{ window.result = {ask} }}")
    page.frame_locator(CHALLENGE).locator("#test-source-authorize-3ds").click()
    assert page.evaluate("result")["paymentIntent"]["status"] == "succeeded"
    error = page.evaluate(ask)["error"]
    assert "not in the requires_action state" in error["message"]


@pytest.mark.parametrize("ending", ["succeeded", "canceled"])
def test_an_intent_that_is_over_cannot_be_confirmed(own, open_page, shop, ending):
    intent = make(own, allowed_payment_method_types=["card"])
    page = open_page(intent.client_secret)
    typed(page)
    if ending == "canceled":
        own.client.v1.payment_intents.cancel(intent.id)
    else:
        own.client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    error = page.evaluate(pay(shop))["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "payment_intent_unexpected_state")
    assert error["payment_intent"]["status"] == ending
    assert "metadata" not in error["payment_intent"]


def test_retrieve_payment_intent_needs_the_right_secret_and_the_right_account(own, open_page):
    intent = make(own)
    page = open_page()
    right = f"stripe.retrievePaymentIntent('{intent.client_secret}')"
    assert page.evaluate(right)["paymentIntent"]["id"] == intent.id
    wrong = page.evaluate(f"stripe.retrievePaymentIntent('{intent.client_secret[:-2]}zz')")
    assert wrong["error"]["code"] == "payment_intent_invalid_parameter"
    assert open_page(tail="neighbour").evaluate(right)["error"]["code"] == "resource_missing"


@pytest.mark.parametrize("train", TRAINS)
def test_confirm_card_payment_pays_with_a_payment_method(own, open_page, train):
    # Only-cards, or a return_url would be needed, which this method has none of.
    intent = make(own, allowed_payment_method_types=["card"])
    page = open_page(train=train)
    ask = f"stripe.confirmCardPayment('{intent.client_secret}', {{payment_method: %r}})"
    assert page.evaluate(ask % "pm_card_visa_chargeDeclined")["error"]["code"] == "card_declined"
    page.evaluate(f"() => {{ window.result = {ask % 'pm_card_authenticationRequired'} }}")
    page.frame_locator(CHALLENGE).locator("#test-source-authorize-3ds").click()
    assert page.evaluate("result")["paymentIntent"]["status"] == "succeeded"


def test_without_elements_a_payment_method_of_the_server_s_confirms(own, open_page, shop):
    intent = make(own, payment_method="pm_card_visa")
    page = open_page()
    result = page.evaluate(
        f"stripe.confirmPayment({{clientSecret: '{intent.client_secret}', redirect: 'if_required', "
        f"confirmParams: {{return_url: '{shop}'}}}})"
    )
    assert result["paymentIntent"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("null", "you must pass an object"),
        ("{}", "pass elements or a clientSecret"),
        ("{elements: {}}", "elements should be an Elements object"),
        ("{elements}", "confirmParams.return_url is needed"),
        ("{elements, redirect: 'never'}", "redirect should be one of"),
        ("{elements: (element.unmount(), elements)}", "should have a mounted Payment Element"),
        ("{clientSecret: 'x', redirect: 'if_required'}", "should be a client secret of the form"),
    ],
)
def test_a_page_s_mistakes_throw_integration_errors(own, open_page, options, words):
    thrown = call(open_page(make(own).client_secret), f"stripe.confirmPayment({options})")
    assert thrown["name"] == "IntegrationError"
    assert words in thrown["message"]


def test_a_return_url_without_a_scheme_is_the_api_s_error(own, open_page):
    intent = make(own)
    page = open_page(intent.client_secret)
    typed(page)
    result = page.evaluate("stripe.confirmPayment({elements, confirmParams: {return_url: '/paid'}})")
    assert (result["error"]["code"], result["error"]["param"]) == ("url_invalid", "return_url")
    assert status(own, intent) == "requires_payment_method"


def test_when_the_sandbox_is_gone_the_error_says_so(own, open_page, shop):
    page = open_page(make(own).client_secret)
    typed(page)
    page.route("**/v1/**", lambda route: route.abort())
    assert page.evaluate(pay(shop))["error"]["type"] == "api_connection_error"
    assert page.locator(FRAME).count() == 1
