"""A sandbox below a folder of an address that others share, as a proxy leads to it."""

import socket

import pytest
import requests
import stripe
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.shop_page import mount_element, typed
from stripe_sandbox.app import SandboxServer
from stripe_sandbox.box import Box

ASKS = "4000002760003184"
CHALLENGE = 'iframe[name="__stripeJSChallengeFrame"]'


@pytest.fixture(scope="module")
def base():
    """Where browsers find it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = Box(":memory:", public_url=f"http://127.0.0.1:{port}/stripe")
    server = SandboxServer(box, port=port).start()
    yield f"{server.url}/stripe"
    server.stop()
    box.close()


@pytest.fixture(scope="module")
def client(base):
    pool = stripe.RequestsClient(timeout=60)
    yield stripe.StripeClient("sk_test_mounted", base_addresses={"api": base}, http_client=pool)
    pool.close()


def bought(client, shop):
    price = {"currency": "usd", "unit_amount": 4200, "product_data": {"name": "A pot"}}
    lines = [{"price_data": price, "quantity": 1}]
    return client.v1.checkout.sessions.create(
        {"mode": "payment", "line_items": lines, "success_url": f"{shop}?paid=1", "cancel_url": shop}
    )


def test_it_answers_there_and_without_the_folder(base):
    for address in (base, base.removesuffix("/stripe")):
        asked = requests.get(f"{address}/v1/charges", auth=("sk_test_mounted", ""), timeout=60)
        assert asked.json()["url"] == "/v1/charges"
    assert requests.get(base, timeout=60).url == f"{base}/"
    assert requests.get(f"{base}s/", timeout=60).status_code == 404


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_checkout_and_the_bank_s_question_stay_below_the_folder(base, browser, client, shop, scripts):
    session = bought(client, shop)
    assert session.url == f"{base}/c/pay/{session.id}"
    with visitor(browser, java_script_enabled=scripts) as context:
        page = context.new_page()
        page.goto(session.url)
        fields = {"cardNumber": ASKS, "cardExpiry": "1234", "cardCvc": "123", "billingName": "Ada"}
        for name, value in ({"email": "ada@example.com"} | fields).items():
            page.fill(f"input[name={name}]", value)
        page.click("[data-testid=hosted-payment-submit-button]")
        page.wait_for_url(f"{base}/c/pay/*/challenge/*")
        page.locator("button[value=authorize]").click()
        page.wait_for_url("**paid=1")
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


@pytest.mark.browser
def test_stripe_js_finds_its_frames_and_the_api_below_the_folder(base, browser, client, shop):
    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    with visitor(browser) as context:
        page = context.new_page()
        page.goto(f"{shop}?script={base}/v3/")
        mount_element(page, "pk_test_mounted", {"clientSecret": intent.client_secret})
        typed(page, ASKS)
        params = {"return_url": f"{shop}?paid=1"}
        page.evaluate(f"() => {{ stripe.confirmPayment({{elements, confirmParams: {params}}}) }}")
        page.frame_locator(CHALLENGE).locator("button[value=authorize]").click()
        page.wait_for_url("**paid=1**")
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


@pytest.mark.browser
def test_the_dashboard_shows_what_is_there(base, browser, client, shop):
    bought(client, shop)
    with visitor(browser) as context:
        page = context.new_page()
        page.goto(f"{base}/")
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("body")).to_contain_text("checkout.session")
