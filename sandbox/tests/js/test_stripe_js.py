"""Stripe.js of the sandbox: what a shop's page meets in every release train, in a real browser."""

import pytest
import requests

from sandbox_testing.chromium import visitor
from sandbox_testing.shop_page import call
from sandbox_testing.shopping import open_session

TRAINS = ("acacia", "basil", "clover", "dahlia", "endive")
WITH_REDIRECT = ("/v3/", "/acacia/stripe.js", "/basil/stripe.js")
WITHOUT_REDIRECT = ("/clover/stripe.js", "/dahlia/stripe.js", "/endive/stripe.js")


@pytest.mark.parametrize("path", ["/v3/", "/v3", *(f"/{train}/stripe.js" for train in TRAINS)])
def test_the_script_is_served_to_every_origin_and_never_from_a_cache(own, path):
    answer = requests.get(own.url + path, timeout=120, allow_redirects=False)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "redirectToCheckout" in answer.text


def test_the_lookup_knows_a_session_only_by_its_own_accounts_key(own):
    session = open_session(own)
    address, tail = f"{own.url}/c/lookup/{session.id}", own.tail
    own = requests.get(address, params={"key": f"pk_test_{own.tail}"}, timeout=120)
    assert (own.status_code, own.json()) == (200, {"id": session.id})
    other = requests.get(address, params={"key": "pk_test_somebodyelse"}, timeout=120)
    assert other.status_code == 404
    assert other.json()["error"]["code"] == "resource_missing"
    assert requests.get(address, params={"key": "nonsense"}, timeout=120).status_code == 401
    wrong = requests.get(
        address, params={"key": f"pk_test_{tail}", "secret": f"{session.id}_secret_x"}, timeout=120
    )
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "client_secret")


@pytest.fixture
def shop_page(browser, own, shop):
    with visitor(browser) as context:

        def open_at(path):
            page = context.new_page()
            page.goto(f"{shop}?script={own.url}{path}")
            return page

        yield open_at


@pytest.mark.browser
@pytest.mark.parametrize("path", WITH_REDIRECT)
def test_redirect_to_checkout_goes_to_the_hosted_page(shop_page, own, shop, path):
    session = open_session(own)
    page = shop_page(path)
    page.evaluate(
        f"() => {{ Stripe('pk_test_{own.tail}').redirectToCheckout({{sessionId: '{session.id}'}}) }}"
    )
    page.wait_for_url(f"{own.url}/c/pay/{session.id}")
    assert page.locator("[data-testid=total-amount]").is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("path", WITHOUT_REDIRECT)
def test_trains_without_redirect_to_checkout_throw_the_documented_error(shop_page, own, shop, path):
    session = open_session(own)
    page = shop_page(path)
    stripe = f"Stripe('pk_test_{own.tail}')"
    assert call(page, f"typeof {stripe}.redirectToCheckout") == {"value": "function"}
    assert call(page, f"{stripe}.redirectToCheckout({{sessionId: '{session.id}'}})") == {
        "name": "IntegrationError",
        "message": "stripe.redirectToCheckout is no longer supported in this version of Stripe.js",
    }
    assert page.url.startswith(shop)


@pytest.mark.browser
def test_an_unknown_session_resolves_with_an_error_and_stays_on_the_page(shop_page, own, shop):
    page = shop_page("/v3/")
    result = call(page, f"Stripe('pk_test_{own.tail}').redirectToCheckout({{sessionId: 'cs_test_nothing'}})")
    assert result["value"]["error"]["type"] == "invalid_request_error"
    assert "cs_test_nothing" in result["value"]["error"]["message"]
    assert page.url.startswith(shop)


@pytest.mark.browser
def test_a_session_of_another_account_resolves_with_an_error(shop_page, own):
    session = open_session(own)
    page = shop_page("/v3/")
    result = call(page, f"Stripe('pk_test_another').redirectToCheckout({{sessionId: '{session.id}'}})")
    assert result["value"]["error"]["code"] == "resource_missing"


@pytest.mark.browser
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "apiKey should be a string"),
        ("42", "apiKey should be a string. You specified: 42"),
        ("''", "You used an empty string"),
        ("'sk_test_x'", "You should not use your secret key with Stripe.js"),
        ("'rk_test_x'", "You should not use your secret key with Stripe.js"),
        ("'pk_live_x'", "never live ones"),
        ("'hello'", "Invalid API key"),
    ],
)
def test_a_wrong_key_throws_an_integration_error(shop_page, arguments, words):
    thrown = call(shop_page("/v3/"), f"Stripe({arguments})")
    assert thrown["name"] == "IntegrationError"
    assert words in thrown["message"]


@pytest.mark.browser
@pytest.mark.parametrize(
    "argument", ["", "null", "{}", "{sessionId: 7}", "{lineItems: [{price: 'p', quantity: 1}]}"]
)
def test_redirect_to_checkout_without_a_session_throws_an_integration_error(shop_page, own, argument):
    thrown = call(shop_page("/v3/"), f"Stripe('pk_test_{own.tail}').redirectToCheckout({argument})")
    assert thrown["name"] == "IntegrationError"


@pytest.mark.browser
@pytest.mark.parametrize("method", ["verifyIdentity", "createSource", "initCheckout"])
def test_what_the_sandbox_lacks_says_so_honestly(shop_page, own, method):
    thrown = call(shop_page("/endive/stripe.js"), f"Stripe('pk_test_{own.tail}').{method}({{}})")
    assert thrown["name"] == "IntegrationError"
    assert "doesn't have this; it has Elements for cards, and Checkout" in thrown["message"]


@pytest.mark.browser
@pytest.mark.parametrize(("path", "version"), [("/v3/", 3), ("/v3", 3), ("/basil/stripe.js", "basil")])
def test_the_script_tells_its_version_as_load_stripe_expects(shop_page, own, path, version):
    page = shop_page(path)
    assert call(page, "Stripe.version") == {"value": version}
    stripe = f"Stripe('pk_test_{own.tail}')"
    registered = call(
        page, f"(s => {{ s._registerWrapper({{name: 'stripe-js'}}); return s instanceof Stripe }})({stripe})"
    )
    assert registered == {"value": True}
