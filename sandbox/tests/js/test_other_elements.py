"""Link Authentication, Address and Express Checkout beside the Payment Element; Elements before an intent."""

import pytest
from playwright.sync_api import expect

from sandbox_testing.chromium import visitor
from sandbox_testing.own import eventually
from sandbox_testing.shop_page import call, make, of, type_card

pytestmark = pytest.mark.browser
MOUNT = """async ([key, options, wanted]) => {
    window.heard = [];
    window.stripe = Stripe(key);
    window.elements = stripe.elements(options);
    await Promise.all(wanted.map(([type, more]) => {
        const node = document.createElement("div");
        node.id = type;
        document.body.append(node);
        const one = elements.create(type, more);
        if (type !== "expressCheckout") one.on("change", (event) => heard.push(event));
        const ready = new Promise((go) => one.on("ready", (event) => go(heard.push({ready: event}))));
        one.mount(node);
        return ready;
    }));
}"""
HOME = {"name": "Ada Byron", "line1": "1 High St", "city": "Bath", "postal_code": "BA1"}


@pytest.fixture
def open_page(browser, own, shop):
    with visitor(browser) as context:

        def opened(options, *wanted):
            page = context.new_page()
            page.goto(f"{shop}?script={own.url}/endive/stripe.js")
            page.evaluate(MOUNT, [f"pk_test_{own.tail}", options, [*wanted, ["payment", {}]]])
            return page

        yield opened


def test_the_accept_a_payment_sample_pays(own, open_page):
    """The steps of Stripe's own sample: an e-mail, an address, the Payment Element, confirmPayment."""
    intent = make(own)
    options = {"clientSecret": intent.client_secret, "appearance": {"theme": "stripe"}}
    page = open_page(options, ["linkAuthentication", {}], ["address", {"mode": "shipping"}])
    type_card(page)
    pay = "stripe.confirmPayment({elements, redirect: 'if_required', confirmParams: {return_url: 'http://x.example/'}})"
    assert call(page, "elements.submit()")["value"]["error"]["code"] == "incomplete_email"
    of(page, "linkAuthentication").locator("#email").fill("ada@example.com")
    for name, text in HOME.items():
        of(page, "address").locator(f"#{name}").fill(text)
    of(page, "address").locator("#country").select_option("GB")
    eventually(lambda: page.evaluate("heard.filter((one) => one.elementType === 'address').at(-1).complete"))
    assert call(page, "elements.submit()")["value"] == {"selectedPaymentMethod": "card"}
    value = call(page, "elements.getElement('address').getValue()")["value"]
    assert (value["complete"], value["value"]["address"]["country"]) == (True, "GB")
    assert call(page, pay)["value"]["paymentIntent"]["status"] == "succeeded"
    paid = own.client.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    assert paid.payment_method.billing_details.email == "ada@example.com"
    assert (paid.shipping.name, paid.shipping.address.city) == ("Ada Byron", "Bath")


def test_a_billing_address_is_the_card_s(own, open_page):
    intent = make(own)
    defaults = {"name": "Ada Byron", "address": {"line1": "1 High St", "city": "Bath", "postal_code": "BA1"}}
    more = {
        "mode": "billing",
        "defaultValues": defaults,
        "allowedCountries": ["GB"],
        "fields": {"phone": "always"},
    }
    page = open_page({"clientSecret": intent.client_secret}, ["address", more])
    type_card(page)
    assert call(page, "elements.submit()")["value"]["error"]["code"] == "incomplete_phone"
    of(page, "address").locator("#phone").fill("+44 20 7946 0000")
    pay = "stripe.confirmPayment({elements, redirect: 'if_required', confirmParams: {return_url: 'http://x.example/'}})"
    assert "error" not in call(page, pay)["value"]
    paid = own.client.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    billing = paid.payment_method.billing_details
    assert (billing.address.country, billing.phone) == ("GB", "+44 20 7946 0000")


def test_express_checkout_says_that_there_is_no_wallet(own, open_page):
    page = open_page({"mode": "payment", "currency": "usd", "amount": 100}, ["expressCheckout", {}])
    expect(of(page, "expressCheckout").get_by_role("note")).to_contain_text("has no wallet")
    ready = page.evaluate("heard.filter((one) => one.ready?.elementType === 'expressCheckout')")
    assert ready == [{"ready": {"elementType": "expressCheckout", "availablePaymentMethods": None}}]
    heard = call(page, "elements.getElement('expressCheckout').on('click', () => 0) && 1")
    assert heard == {"value": 1}


def test_elements_come_before_their_intent(own, open_page):
    page = open_page({"mode": "payment", "currency": "usd", "amount": 1000})
    intent = make(own)
    pay = (
        f"stripe.confirmPayment({{elements, clientSecret: '{intent.client_secret}', redirect: 'if_required', "
        "confirmParams: {return_url: 'http://x.example/'}})"
    )
    assert "elements.submit() must be called before" in call(page, pay)["message"]
    assert call(page, "elements.submit()")["value"]["error"]["code"] == "incomplete_number"
    assert call(page, "elements.update({amount: 0})")["name"] == "IntegrationError"
    type_card(page)
    page.evaluate("elements.submit()")
    assert call(page, pay)["value"]["paymentIntent"]["id"] == intent.id


def test_a_payment_method_is_made_of_the_payment_element(own, open_page):
    page = open_page(
        {"mode": "payment", "currency": "usd", "amount": 1000, "paymentMethodCreation": "manual"}
    )
    assert (
        "elements.submit() must be called" in call(page, "stripe.createPaymentMethod({elements})")["message"]
    )
    type_card(page)
    page.evaluate("elements.submit()")
    params = "{billing_details: {name: 'Ada Byron'}}"
    made = call(page, f"stripe.createPaymentMethod({{elements, params: {params}}})")["value"]["paymentMethod"]
    assert own.client.v1.payment_methods.retrieve(made["id"]).billing_details.name == "Ada Byron"


def test_confirm_setup_saves_and_leads_back(own, open_page, shop):
    customer = own.client.v1.customers.create({"email": "ada@example.com"})
    intent = own.client.v1.setup_intents.create({"customer": customer.id})
    page = open_page({"clientSecret": intent.client_secret})
    type_card(page)
    page.evaluate(
        f"() => {{ stripe.confirmSetup({{elements, confirmParams: {{return_url: '{shop}?saved=1'}}}}) }}"
    )
    page.wait_for_url("**saved=1**")
    assert f"setup_intent={intent.id}" in page.url
    assert "redirect_status=succeeded" in page.url
    assert len(own.client.v1.customers.payment_methods.list(customer.id).data) == 1


def test_a_confirmation_token_lets_the_server_pay(own, open_page):
    page = open_page({"mode": "payment", "currency": "usd", "amount": 1000}, ["linkAuthentication", {}])
    assert (
        "elements.submit() must be called"
        in call(page, "stripe.createConfirmationToken({elements})")["message"]
    )
    type_card(page)
    of(page, "linkAuthentication").locator("#email").fill("ada@example.com")
    page.evaluate("elements.submit()")
    making = "stripe.createConfirmationToken({elements, params: {return_url: 'http://x.example/'}})"
    token = call(page, making)["value"]["confirmationToken"]
    assert token["payment_method_preview"]["billing_details"]["email"] == "ada@example.com"
    paid = own.client.v1.payment_intents.create(
        {"amount": 1000, "currency": "usd", "confirm": True, "confirmation_token": token["id"]}
    )
    assert paid.status == "succeeded"
