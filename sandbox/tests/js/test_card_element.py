"""Card Elements on a shop's page: one line or three frames, and what pays, saves or hands on with them."""

import json

import pytest

from sandbox_testing.chromium import visitor
from sandbox_testing.own import eventually
from sandbox_testing.shop_page import FRAME, call, make

pytestmark = pytest.mark.browser
CHALLENGE = 'iframe[name="__stripeJSChallengeFrame"]'
ONE = """
    window.heard = [];
    window.card = elements.create("card", {style: {base: {color: "rgb(1, 2, 3)"}}});
    card.on("change", (event) => heard.push(event));
    card.mount("#place");
    return new Promise((resolve) => card.on("ready", resolve));
"""
THREE = """
    const names = ["cardNumber", "cardExpiry", "cardCvc"];
    const all = names.map((name) => {
        const node = document.createElement("div");
        document.body.append(node);
        const one = elements.create(name);
        one.mount(node);
        return new Promise((resolve) => one.on("ready", resolve));
    });
    window.card = elements.getElement("cardNumber");
    return Promise.all(all).then(() => 0);
"""


@pytest.fixture
def open_page(browser, own, shop):
    with visitor(browser) as context:

        def opened(mount=ONE, train="/v3/"):
            page = context.new_page()
            page.goto(f"{shop}?script={own.url}{train}")
            begin = f"window.stripe = Stripe('pk_test_{own.tail}'); window.elements = stripe.elements();"
            page.evaluate(f"async () => {{ {begin} {mount} }}")
            return page

        yield opened


def type_card(page, number="4242424242424242", **rest):
    """Into whichever frames have its parts."""
    values = {"number": number, "expiry": "1234", "cvc": "123", **rest}
    for name, text in values.items():
        for frame in page.frames[1:]:
            if frame.locator(f"input[name={name}]").count():
                frame.locator(f"input[name={name}]").press_sequentially(text)


def paying(intent, card="card", **more):
    given = json.dumps({"billing_details": {"name": "Ada Byron"}, **more})
    method = f"{{card: {card}, ...{given}}}"
    return f"stripe.confirmCardPayment('{intent.client_secret}', {{payment_method: {method}}})"


@pytest.mark.parametrize("mount", [ONE, THREE], ids=["one line", "three frames"])
def test_a_card_pays(own, open_page, mount):
    intent = make(own)
    page = open_page(mount)
    assert call(page, paying(intent))["value"]["error"]["code"] == "incomplete_number"
    type_card(page)
    result = call(page, paying(intent))["value"]
    assert (result["paymentIntent"]["id"], result["paymentIntent"]["status"]) == (intent.id, "succeeded")
    kept = own.client.v1.payment_intents.retrieve(intent.id, {"expand": ["payment_method"]})
    assert kept.payment_method.billing_details.name == "Ada Byron"


def test_it_says_what_changes_and_marks_its_place(own, open_page):
    page = open_page()
    assert page.locator(FRAME).bounding_box()["height"] < 40
    assert (
        page.frames[1].locator("#number").evaluate("node => getComputedStyle(node).color") == "rgb(1, 2, 3)"
    )
    type_card(page, "4242424242424241")
    eventually(lambda: page.evaluate("heard.at(-1).error?.code") == "invalid_number")
    assert "StripeElement--invalid" in page.locator("#place").get_attribute("class")
    page.evaluate("card.clear()")
    type_card(page, postal="12345")
    eventually(lambda: page.evaluate("heard.at(-1).value.postalCode") == "12345")
    last = page.evaluate("heard.at(-1)")
    assert (last["elementType"], last["brand"], last["complete"], last["empty"]) == (
        "card",
        "visa",
        True,
        False,
    )
    assert "StripeElement--complete" in page.locator("#place").get_attribute("class")


def test_a_challenge_and_a_decline(own, open_page):
    intent = make(own)
    page = open_page()
    type_card(page, "4000000000000002")
    error = call(page, paying(intent))["value"]["error"]
    assert (error["code"], error["payment_intent"]["id"]) == ("card_declined", intent.id)
    page.evaluate("card.clear()")
    type_card(page, "4000002760003184")
    page.evaluate(f"() => {{ window.done = {paying(intent)} }}")
    page.frame_locator(CHALLENGE).get_by_role("button", name="Complete").click()
    assert page.evaluate("done")["paymentIntent"]["status"] == "succeeded"


def test_it_saves_a_card(own, open_page):
    customer = own.client.v1.customers.create({"email": "ada@example.com"})
    intent = own.client.v1.setup_intents.create({"customer": customer.id})
    page = open_page()
    type_card(page)
    saving = f"stripe.confirmCardSetup('{intent.client_secret}', {{payment_method: {{card}}}})"
    assert call(page, saving)["value"]["setupIntent"]["status"] == "succeeded"
    assert len(own.client.v1.customers.payment_methods.list(customer.id).data) == 1
    read = call(page, f"stripe.retrieveSetupIntent('{intent.client_secret}')")["value"]
    assert read["setupIntent"]["status"] == "succeeded"


@pytest.mark.parametrize(
    "expression",
    [
        "stripe.createPaymentMethod({type: 'card', card, billing_details: {email: 'ada@example.com'}})",
        "stripe.createPaymentMethod('card', card, {billing_details: {email: 'ada@example.com'}})",
    ],
)
def test_a_payment_method_is_made_for_the_server(own, open_page, expression):
    page = open_page()
    type_card(page)
    made = call(page, expression)["value"]["paymentMethod"]
    assert (made["card"]["last4"], made["billing_details"]["email"]) == ("4242", "ada@example.com")
    paid = own.client.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "payment_method": made["id"], "confirm": True, "return_url": "https://a.example"}
    )  # fmt: skip
    assert paid.status == "succeeded"


def test_a_token_is_made_and_used_once(own, open_page):
    page = open_page()
    type_card(page, postal="94080")
    token = call(page, "stripe.createToken(card, {name: 'Ada Byron'})")["value"]["token"]
    assert (token["object"], token["card"]["brand"], token["card"]["address_zip"]) == (
        "token",
        "Visa",
        "94080",
    )
    assert "_method" not in token
    method = own.client.v1.payment_methods.create({"type": "card", "card": {"token": token["id"]}})
    assert (method.billing_details.name, method.billing_details.address.postal_code) == ("Ada Byron", "94080")
    with pytest.raises(Exception, match="more than once"):
        own.client.v1.payment_methods.create({"type": "card", "card": {"token": token["id"]}})
    secret = make(own).client_secret
    again = call(page, "stripe.createToken(card)")["value"]["token"]["id"]
    paid = f"stripe.confirmCardPayment('{secret}', {{payment_method: {{card: {{token: '{again}'}}}}}})"
    assert call(page, paid)["value"]["paymentIntent"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("stripe.createToken('card')", "tokens of Card Elements only"),
        ("stripe.createPaymentMethod()", "you must pass an object"),
        ("stripe.confirmCardPayment('seti_1_secret_2')", "should be a PaymentIntent client secret"),
        (
            "stripe.confirmSetup({clientSecret: 'pi_1_secret_2', redirect: 'if_required'})",
            "a SetupIntent client",
        ),
        (
            "stripe.confirmPayment({elements, redirect: 'if_required'})",
            "should have a mounted Payment Element",
        ),
        ("elements.create('card')", "Can only create one Element of type card"),
        (
            "stripe.createPaymentMethod({type: 'card', card: elements.getElement('cardCvc')})",
            "specified: null",
        ),
        ("stripe.confirmCardPayment('pi_1_secret_2', {payment_method: {card: null}})", "specified: null"),
        ("card.getValue()", "has no getValue()"),
    ],
)
def test_a_page_s_mistakes_throw_integration_errors(open_page, expression, words):
    thrown = call(open_page(), expression)
    assert thrown["name"] == "IntegrationError"
    assert words in thrown["message"]


def test_an_element_is_found_by_the_component_of_react(open_page):
    """`elements.getElement(CardElement)`, where the component knows its type."""
    found = "elements.getElement(Object.assign(() => 0, {__elementType: 'card'})) === card"
    assert call(open_page(), found) == {"value": True}


def test_there_is_no_wallet_to_ask_for(open_page):
    page = open_page()
    asked = call(page, "stripe.paymentRequest({country: 'US', currency: 'usd'}).canMakePayment()")
    assert asked == {"value": None}
