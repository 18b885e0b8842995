"""Embedded Checkout in a shop's page: paid in the frame, and the shop's page goes on."""

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import eventually
from sandbox_testing.shop_page import FRAME, call

pytestmark = pytest.mark.browser


def embed(own, **more):
    price = {"currency": "usd", "unit_amount": 4200, "product_data": {"name": "Moka pot"}}
    usual = {
        "mode": "payment",
        "ui_mode": "embedded_page",
        "line_items": [{"quantity": 1, "price_data": price}],
    }
    return own.client.v1.checkout.sessions.create({**usual, **more})


@pytest.fixture
def open_page(browser, own, shop):
    with visitor(browser) as context:

        def opened(secret, train="/endive/stripe.js", name="createEmbeddedCheckoutPage"):
            page = context.new_page()
            page.goto(f"{shop}?script={own.url}{train}")
            page.evaluate(
                """async ([key, secret, name]) => {
                    window.done = 0;
                    window.stripe = Stripe(key);
                    const fetchClientSecret = async () => secret;
                    window.checkout = await stripe[name]({fetchClientSecret, onComplete: () => done++});
                    checkout.mount("#place");
                }""",
                [f"pk_test_{own.tail}", secret, name],
            )
            return page

        yield opened


@pytest.mark.parametrize(
    ("train", "name"), [("/v3/", "initEmbeddedCheckout"), ("/endive/stripe.js", "createEmbeddedCheckoutPage")]
)
def test_it_is_paid_in_the_frame_and_leads_to_the_return_url(own, open_page, shop, train, name):
    session = embed(own, return_url=f"{shop}?back={{CHECKOUT_SESSION_ID}}")
    page = open_page(session.client_secret, train, name)
    frame = page.frame_locator(FRAME)
    frame.locator(".chip:has-text('3220')").click()
    eventually(lambda: page.locator(FRAME).bounding_box()["height"] > 500)
    frame.get_by_test_id("hosted-payment-submit-button").click()
    frame.get_by_role("button", name="Complete").click()
    page.wait_for_url(f"**back={session.id}")
    assert own.client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_without_a_redirect_the_shop_s_page_hears_of_it(own, open_page, shop):
    session = embed(own, redirect_on_completion="never")
    page = open_page(session.client_secret)
    frame = page.frame_locator(FRAME)
    frame.locator(".chip:has-text('4242')").click()
    frame.get_by_test_id("hosted-payment-submit-button").click()
    expect(frame.locator("h1")).to_have_text("You have paid")
    eventually(lambda: page.evaluate("done") == 1)
    assert page.url.startswith(shop)
    again = call(page, "stripe.initEmbeddedCheckout({clientSecret: 'x'})")
    assert "multiple Embedded Checkout objects" in again["message"]
    page.evaluate("checkout.destroy()")
    assert page.locator(FRAME).count() == 0
    wrong = call(page, f"stripe.initEmbeddedCheckout({{clientSecret: '{session.id}_secret_wrong'}})")
    assert "not of this Checkout Session" in wrong["message"]
    assert (
        "pass a clientSecret or fetchClientSecret" in call(page, "stripe.initEmbeddedCheckout({})")["message"]
    )
