"""The hosted Checkout page as plain HTML: what it shows, what it refuses in words, and where it leads."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sandbox_testing.own import own_sandbox, receiving
from sandbox_testing.shopping import (
    SHOP,
    alerts,
    look,
    open_session,
    session_of,
    submit,
    text_of,
    typed,
    value_of,
)
from stripe_sandbox.rules.cards import TEST_CARDS

CHALLENGED = "4000000000003220"
DECLINED = "4000000000000002"
LATER_CARDS = [card for card in TEST_CARDS if card.decline is None and not card.three_d_secure]
REFUSED_CARDS = [card for card in TEST_CARDS if card.decline and not card.three_d_secure]


def test_the_page_shows_lines_discount_taxes_and_total(own):
    coupon = own.client.v1.coupons.create({"percent_off": 10, "name": "First order"})
    vat = own.client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False})
    session = open_session(
        own,
        line_items=[
            {
                "quantity": 3,
                "tax_rates": [vat.id],
                "price_data": {
                    "currency": "usd",
                    "unit_amount": 900,
                    "product_data": {
                        "name": "Field notebook",
                        "description": "Dots, not lines.",
                        "images": ["http://127.0.0.1:9/notebook.webp"],
                    },
                },
            }
        ],
        discounts=[{"coupon": coupon.id}],
    )
    page = look(session.url)
    assert page.status_code == 200
    text = text_of(page)
    assert "Field notebook Dots, not lines. Qty 3 $27.00 $9.00 each" in text
    assert "Subtotal $27.00 First order 10% off -$2.70 VAT (20%) $4.86 Total due $29.16" in text
    assert 'src="http://127.0.0.1:9/notebook.webp"' in page.text
    assert re.search(r'data-testid="total-amount">\$29\.16<', page.text)
    assert "Pay $29.16" in text


def test_an_inclusive_tax_says_that_it_is_included(own):
    rate = own.client.v1.tax_rates.create({"display_name": "MwSt.", "percentage": 19, "inclusive": True})
    price = {"currency": "eur", "unit_amount": 1190, "product_data": {"name": "Tea"}}
    session = open_session(own, line_items=[{"quantity": 1, "tax_rates": [rate.id], "price_data": price}])
    assert "MwSt. (19% incl.) €1.90 Total due €11.90" in text_of(look(session.url))


@pytest.mark.parametrize(
    ("currency", "amount", "locale", "accepted", "shown"),
    [
        ("eur", 123450, "de", "en", "1.234,50 €"),
        ("eur", 123450, "auto", "fr;q=0.8,de", "1.234,50 €"),
        ("jpy", 12000, "en", "", "¥12,000"),
        ("isk", 50000, "en", "", "ISK 500"),
        ("kwd", 5120, "en", "", "KWD 5.120"),
        ("huf", 17500, "en", "", "HUF 175.00"),
        ("usd", 5000, "auto", "tlh,*", "$50.00"),
    ],
)
def test_amounts_are_written_as_the_currency_and_the_locale_want(
    own, currency, amount, locale, accepted, shown
):
    session = open_session(own, [("Lamp", amount, 1)], currency, locale=locale)
    page = look(session.url, headers={"Accept-Language": accepted})
    assert f"Total due {shown}" in text_of(page)


def test_a_good_card_pays_and_leads_to_the_shop_with_the_sessions_id(own):
    session = open_session(own)
    answer = submit(session.url)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{SHOP}/done?session={session.id}")
    paid = session_of(own, session.id)
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert paid.customer_details.email == "ada@example.com"
    charge = own.client.v1.charges.list({"payment_intent": paid.payment_intent}).data[0]
    assert charge.billing_details.name == "Ada Byron"
    assert charge.amount == 4200


@pytest.mark.parametrize("braces", ["%7BCHECKOUT_SESSION_ID%7D", "%7bCHECKOUT_SESSION_ID%7d"])
def test_url_encoded_braces_are_replaced_too(own, braces):
    session = open_session(own, success_url=f"{SHOP}/done?session={braces}")
    assert submit(session.url).headers["Location"] == f"{SHOP}/done?session={session.id}"


@pytest.mark.parametrize("card", REFUSED_CARDS, ids=lambda card: card.label)
def test_a_refused_card_is_said_in_words_and_leaves_the_session_open(own, card):
    session = open_session(own)
    answer = submit(session.url, typed(card.number))
    assert answer.status_code == 402
    assert list(alerts(answer).values()) == [card.decline.message]
    assert session_of(own, session.id).status == "open"
    assert submit(session.url).status_code == 303


@pytest.mark.parametrize("card", LATER_CARDS, ids=lambda card: card.label)
def test_every_card_without_a_decline_pays(own, card):
    session = open_session(own)
    cvc = "1234" if card.brand == "amex" else "123"
    assert submit(session.url, typed(card.number, cardCvc=cvc)).status_code == 303
    assert session_of(own, session.id).payment_status == "paid"


@pytest.mark.parametrize(
    ("field", "wrong", "words"),
    [
        ("cardNumber", "", "Enter a card number."),
        ("cardNumber", "4242 4242", "Your card number is incomplete."),
        ("cardNumber", "4242424242424241", "Your card number is incorrect."),
        ("cardNumber", "4111111111111111", "Your card was declined. Your request was in test mode"),
        ("cardExpiry", "12", "Your card's expiration date is incomplete."),
        ("cardExpiry", "01/20", "Your card's expiration year is invalid."),
        ("cardExpiry", "13/34", "Your card's expiration month is invalid."),
        ("cardCvc", "1", "Your card's security code is incomplete."),
        ("cardCvc", "1234", "Your card's security code is invalid."),
        ("email", "ada", "Your email is incomplete."),
        ("email", "", "Enter your email."),
        ("billingName", " ", "Enter the name on the card."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_charged(own, field, wrong, words):
    session = open_session(own)
    answer = submit(session.url, typed(**{field: wrong}))
    assert answer.status_code in (402, 422)
    assert list(alerts(answer)) == [field]
    assert alerts(answer)[field].startswith(words)
    assert session_of(own, session.id).status == "open"


@pytest.mark.parametrize("expiry", ["12/34", "12 / 34", "1234", "12/2034", "1/34"])
def test_every_usual_way_to_write_an_expiry_is_understood(own, expiry):
    assert submit(open_session(own).url, typed(cardExpiry=expiry)).status_code == 303


def test_after_an_error_what_was_typed_stays_but_no_card_data(own):
    answer = submit(open_session(own).url, typed(DECLINED))
    assert value_of(answer, "email") == "ada@example.com"
    assert value_of(answer, "billingName") == "Ada Byron"
    assert [value_of(answer, name) for name in ("cardNumber", "cardExpiry", "cardCvc")] == ["", "", ""]


def test_what_was_typed_cannot_become_markup(own):
    answer = submit(open_session(own).url, typed(billingName='"><b id=evil>', email="<b id=evil>"))
    assert "<b id=evil" not in answer.text
    assert value_of(answer, "billingName") == '"><b id=evil>'


def begin_challenge(own, session, card=CHALLENGED):
    asked = submit(session.url, typed(card))
    assert asked.status_code == 303
    address = own.url + asked.headers["Location"]
    page = look(address)
    assert 'id="test-source-authorize-3ds"' in page.text
    assert 'id="test-source-fail-3ds"' in page.text
    assert session_of(own, session.id).payment_status == "unpaid"
    return address


def test_a_passed_challenge_pays(own):
    session = open_session(own)
    address = begin_challenge(own, session)
    assert "$42.00 from your card ···· 3220" in text_of(look(address))
    assert submit(address, {"result": "authorize"}).headers["Location"] == f"{SHOP}/done?session={session.id}"
    assert session_of(own, session.id).payment_status == "paid"


def test_a_failed_challenge_refuses_and_the_buyer_can_try_again(own):
    session = open_session(own)
    address = begin_challenge(own, session)
    refused = submit(address, {"result": "fail"})
    assert refused.status_code == 402
    assert alerts(refused)["cardNumber"].startswith("We are unable to authenticate your payment method.")
    assert value_of(refused, "email") == "ada@example.com"
    assert session_of(own, session.id).status == "open"
    # The challenge is over: answering it again charges nothing.
    again = submit(address, {"result": "authorize"})
    assert again.headers["Location"] == f"/c/pay/{session.id}"
    assert session_of(own, session.id).status == "open"
    assert submit(session.url).status_code == 303


def test_a_challenge_passed_before_a_decline_is_refused(own):
    session = open_session(own)
    address = begin_challenge(own, session, "4000008400001629")
    assert alerts(submit(address, {"result": "authorize"})) == {"cardNumber": "Your card was declined."}


def test_a_challenge_belongs_to_its_own_session(own):
    first, second = open_session(own), open_session(own)
    address = begin_challenge(own, first).replace(first.id, second.id)
    assert submit(address, {"result": "authorize"}).headers["Location"] == f"/c/pay/{second.id}"
    assert session_of(own, second.id).status == "open"


def test_a_double_submit_pays_once_and_both_lead_to_the_shop(own):
    session = open_session(own)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: submit(session.url), range(6)))
    assert {answer.headers["Location"] for answer in answers} == {f"{SHOP}/done?session={session.id}"}
    intent = session_of(own, session.id).payment_intent
    assert len(own.client.v1.charges.list({"payment_intent": intent}).data) == 1


def test_an_expired_session_says_so_and_leads_back(own):
    session = open_session(own)
    own.client.v1.checkout.sessions.expire(session.id)
    page = look(session.url)
    assert page.status_code == 200
    assert "This page has expired" in text_of(page)
    assert f'href="{SHOP}/cart"' in page.text
    assert "<form" not in page.text
    assert submit(session.url).headers["Location"] == f"/c/pay/{session.id}"
    assert session_of(own, session.id).payment_intent is None


def test_a_paid_session_says_so_and_leads_on(own):
    session = open_session(own)
    submit(session.url)
    page = look(session.url)
    assert "You have paid" in text_of(page)
    assert f'href="{SHOP}/done?session={session.id}"' in page.text
    assert "<form" not in page.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_session_is_a_404_in_words(own, method):
    answer = requests.request(method, f"{own.url}/c/pay/cs_test_nothing", timeout=120)
    assert answer.status_code == 404
    assert "There is no such payment" in text_of(answer)


def test_a_total_of_zero_asks_for_no_card(own):
    coupon = own.client.v1.coupons.create({"percent_off": 100})
    session = open_session(own, discounts=[{"coupon": coupon.id}])
    page = look(session.url)
    assert 'name="cardNumber"' not in page.text
    assert "Complete order" in text_of(page)
    assert submit(session.url, {"email": "ada@example.com"}).status_code == 303
    done = session_of(own, session.id)
    assert (done.status, done.payment_status, done.payment_intent) == ("complete", "paid", None)


@pytest.mark.parametrize(
    ("submit_type", "words"),
    [("auto", "Pay $42.00"), ("pay", "Pay $42.00"), ("book", "Book $42.00"), ("donate", "Donate $42.00")],
)
def test_the_button_says_the_sessions_submit_type(own, submit_type, words):
    page = look(open_session(own, submit_type=submit_type).url)
    assert f'<span class="submit-text">{words}</span>' in page.text


def test_an_email_that_the_shop_has_given_cannot_be_typed_over(own):
    session = open_session(own, customer_email="grace@example.com")
    page = look(session.url)
    assert value_of(page, "email") == "grace@example.com"
    assert "readonly" in page.text
    submit(session.url, typed(email="mallory@example.com"))
    assert session_of(own, session.id).customer_details.email == "grace@example.com"


def test_the_back_link_leads_to_the_cancel_url_and_is_missing_without_one(own):
    assert f'href="{SHOP}/cart" data-testid="business-link"' in look(open_session(own).url).text
    session = own.client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "success_url": SHOP,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Tea"}},
                }
            ],
        }
    )
    assert "business-link" not in look(session.url).text


def test_the_shops_name_is_the_sessions_own(own):
    session = open_session(own, branding_settings={"display_name": "Kopeck & Sons"})
    assert "Pay Kopeck & Sons" in text_of(look(session.url))


def test_a_chip_fills_the_form_without_javascript_and_only_for_test_cards(own):
    session = open_session(own)
    assert f'href="?card={DECLINED}"' in look(session.url).text
    filled = look(f"{session.url}?card={DECLINED}")
    assert value_of(filled, "cardNumber") == DECLINED
    assert value_of(look(f"{session.url}?card=5105105105105100"), "cardNumber") == ""


def test_the_page_holds_no_secret_and_nothing_inline(own):
    page = look(open_session(own).url)
    assert "sk_test" not in page.text
    assert own.tail not in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", page.text)


def test_the_pages_script_gets_json_where_a_form_gets_a_redirect(own):
    session = open_session(own)
    json = {"Accept": "application/json"}
    refused = submit(session.url, typed(DECLINED), headers=json)
    assert (refused.status_code, refused.json()) == (
        402,
        {"errors": {"cardNumber": "Your card was declined."}},
    )
    paid = submit(session.url, headers=json)
    assert (paid.status_code, paid.json()) == (
        200,
        {"redirect": f"{SHOP}/done?session={session.id}", "paid": True},
    )


def test_the_buyer_waits_until_the_shop_has_answered_the_webhook():
    with receiving() as shop, own_sandbox(webhooks=(f"{shop.url}=whsec_of_the_tests",)) as own:
        session = open_session(own)
        shop.hold = 0.5
        assert submit(session.url).status_code == 303
        assert "checkout.session.completed" in shop.types()
        delivery = own.deliveries(event_type="checkout.session.completed")[0]
        assert delivery["status"] == "succeeded"
