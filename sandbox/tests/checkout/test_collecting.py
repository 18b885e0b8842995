"""What Checkout asks a buyer for, and lets him choose: phone, addresses, shipping, promotion codes, texts."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import line, open_session, order, pay
from sandbox_testing.own import control
from sandbox_testing.server import CheckedSandbox
from sandbox_testing.shopping import alerts, look, submit, text_of, typed, value_of

Client = stripe.StripeClient
TO_US = {"shipping_address_collection": {"allowed_countries": ["US", "GB"]}}
HOME = {
    "shippingName": "Ada Byron",
    "shippingAddressLine1": "1 St James's Square",
    "shippingLocality": "London",
    "shippingPostalCode": "SW1Y 4LE",
    "shippingCountry": "GB",
}


def rate(amount: int, name: str = "Post") -> dict[str, Any]:
    return {
        "shipping_rate_data": {
            "display_name": name,
            "type": "fixed_amount",
            "fixed_amount": {"amount": amount, "currency": "usd"},
        }
    }


def refused(client: Client, **params: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        open_session(client, **params)
    return caught.value


# -- who buys


def test_a_phone_number_is_asked_for_and_kept(client: Client) -> None:
    session = open_session(client, phone_number_collection={"enabled": True})
    assert session.phone_number_collection.enabled is True
    assert list(alerts(submit(session.url))) == ["phoneNumber"]
    assert submit(session.url, typed(phoneNumber="+44 20 7946 0000")).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert done.customer_details.phone == "+44 20 7946 0000"
    assert client.v1.charges.list().data[0].billing_details.phone == "+44 20 7946 0000"


def test_a_billing_address_is_asked_for_where_it_is_required(client: Client) -> None:
    session = open_session(client, billing_address_collection="required")
    missing = alerts(submit(session.url))
    assert list(missing) == ["billingAddressLine1", "billingLocality", "billingPostalCode", "billingCountry"]
    form = typed(
        billingAddressLine1="1 High St", billingLocality="Bath", billingPostalCode="BA1", billingCountry="GB"
    )
    assert submit(session.url, form).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    address = {
        "line1": "1 High St",
        "line2": None,
        "city": "Bath",
        "postal_code": "BA1",
        "state": None,
        "country": "GB",
    }
    assert done.customer_details.address.to_dict() == address
    charge: Any = client.v1.charges.list().data[0]
    assert charge.billing_details.address.to_dict() == address


def test_a_shipping_address_is_asked_for_and_reaches_the_payment_and_the_customer(client: Client) -> None:
    session = open_session(client, **TO_US, customer_creation="always")
    assert "shippingName" in alerts(submit(session.url))
    elsewhere = alerts(submit(session.url, typed(**{**HOME, "shippingCountry": "FR"})))
    assert elsewhere == {"shippingCountry": "It cannot be sent there."}
    assert submit(session.url, typed(**HOME)).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent", "customer"]})
    shipped = done.collected_information.shipping_details
    assert (shipped.name, shipped.address.city, shipped.address.country) == ("Ada Byron", "London", "GB")
    assert done.payment_intent.shipping.address.to_dict() == shipped.address.to_dict()
    assert done.customer.shipping.name == "Ada Byron"
    charge: Any = client.v1.charges.list().data[0]
    assert charge.shipping.address.postal_code == "SW1Y 4LE"


@pytest.mark.parametrize("places", [["XX"], ["US", "usa"]])
def test_unknown_countries_are_refused(client: Client, places: list[str]) -> None:
    error = refused(client, shipping_address_collection={"allowed_countries": places})
    assert str(error.param).startswith("shipping_address_collection[allowed_countries][")


def test_a_challenge_keeps_what_the_form_said(client: Client, sandbox: CheckedSandbox) -> None:
    session = open_session(client, **TO_US)
    asked = submit(session.url, typed("4000000000003220", **HOME))
    answer = submit(sandbox.url + asked.headers["Location"], {"result": "authorize"})
    assert answer.headers["Location"].startswith("https://shop.example/paid")
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert done.collected_information.shipping_details.address.city == "London"


def test_who_pays_by_control_may_say_all_of_it_or_nothing(client: Client, sandbox: CheckedSandbox) -> None:
    everything = {
        **TO_US,
        "phone_number_collection": {"enabled": True},
        "billing_address_collection": "required",
    }
    silent = open_session(client, **everything)
    assert pay(sandbox, silent.id)["outcome"] == "paid"
    done: Any = client.v1.checkout.sessions.retrieve(silent.id)
    assert done.collected_information.shipping_details.address.country == "US"
    assert None not in (done.customer_details.phone, done.customer_details.address.line1)
    told = open_session(client, **everything)
    said = {"phone": "+1 5", "shipping": {"name": "Bo", "address": {"line1": "x", "country": "GB"}}}
    assert pay(sandbox, told.id, **said)["outcome"] == "paid"
    done = client.v1.checkout.sessions.retrieve(told.id)
    assert (done.customer_details.phone, done.collected_information.shipping_details.name) == ("+1 5", "Bo")
    status, answer = control(sandbox.url, "POST", f"sessions/{told.id}/pay", {"shipping": "Bo"})
    assert (status, answer["error"]["message"]) == (400, "shipping is an object.")


def test_a_chip_without_javascript_fills_the_whole_form(client: Client) -> None:
    session = open_session(client, **TO_US, phone_number_collection={"enabled": True})
    page = look(f"{session.url}?card=4242424242424242")
    names = (
        "email",
        "billingName",
        "phoneNumber",
        "shippingName",
        "shippingAddressLine1",
        "shippingLocality",
    )
    form = {
        name: value_of(page, name)
        for name in (*names, "shippingPostalCode", "cardNumber", "cardExpiry", "cardCvc")
    }
    assert all(form.values()), form
    assert '<option value="US" selected>United States</option>' in page.text
    assert submit(session.url, form | {"shippingCountry": "US"}).status_code == 303


# -- shipping


def test_the_first_shipping_option_counts_until_another_is_chosen(
    client: Client, sandbox: CheckedSandbox
) -> None:
    kept = client.v1.shipping_rates.create(rate(900, "Express")["shipping_rate_data"]).id
    session = open_session(client, shipping_options=[rate(500), {"shipping_rate": kept}])
    assert (session.amount_total, session.total_details.amount_shipping) == (1500, 500)
    assert [option.shipping_amount for option in session.shipping_options] == [500, 900]
    text = text_of(look(session.url))
    assert "Shipping (Post) $5.00 Total due $15.00" in text
    assert "Post $5.00 Express $9.00" in text
    first = submit(session.url, typed(shippingRate=kept))
    assert first.status_code == 409
    assert alerts(first) == {"shippingRate": "The total has changed. Look at it, then pay."}
    assert "Shipping (Express) $9.00 Total due $19.00" in text_of(first)
    assert submit(session.url, typed(shippingRate=kept)).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent", "shipping_cost.shipping_rate"]}
    )
    assert (done.amount_total, done.shipping_cost.amount_total) == (1900, 900)
    assert done.shipping_cost.shipping_rate.display_name == "Express"
    assert (done.amount_subtotal, done.payment_intent.amount_received) == (1000, 1900)


def test_a_choice_after_a_declined_try_changes_what_is_charged(
    client: Client, sandbox: CheckedSandbox
) -> None:
    session = open_session(client, shipping_options=[rate(500), rate(0, "Collect")])
    post, collect = (option.shipping_rate for option in session.shipping_options)
    assert "error" in pay(sandbox, session.id, "4000000000000002", shipping_rate=post)
    assert pay(sandbox, session.id, shipping_rate=collect)["outcome"] == "paid"
    [intent] = client.v1.payment_intents.list().data
    assert intent.amount_received == 1000


def test_shipping_options_that_cannot_be_are_refused(client: Client) -> None:
    assert refused(client, shipping_options=[{"shipping_rate": "shr_nope"}]).code == "resource_missing"
    both = {**rate(1), "shipping_rate": "shr_nope"}
    assert "may only specify one" in str(refused(client, shipping_options=[both]).user_message)
    euros = rate(5)
    euros["shipping_rate_data"]["fixed_amount"]["currency"] = "eur"
    assert "does not match" in str(refused(client, shipping_options=[euros]).user_message)
    assert "at most 5" in str(refused(client, shipping_options=[rate(1)] * 6).user_message)
    archived = client.v1.shipping_rates.create(rate(5)["shipping_rate_data"]).id
    client.v1.shipping_rates.update(archived, {"active": False})
    assert "inactive" in str(refused(client, shipping_options=[{"shipping_rate": archived}]).user_message)


# -- promotion codes


@pytest.fixture
def code(client: Client) -> str:
    """TEA: a tenth off."""
    coupon = client.v1.coupons.create({"percent_off": 10, "duration": "once"})
    made = client.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "TEA"}
    )
    return made.id


def test_a_code_is_taken_on_the_page_and_counts(client: Client, code: str) -> None:
    vat = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False}).id
    lines = (line(1000, tax_rates=[vat]), line(550, quantity=2))
    session = open_session(client, *lines, allow_promotion_codes=True, expand=["line_items"])
    assert session.amount_total == 2300
    assert "Promotion code" in text_of(look(session.url))
    answer = submit(f"{session.url}/promotion", {"promotionCode": " tea "})
    assert answer.status_code == 303
    assert "TEA 10% off -$2.10 VAT (20%) $1.80 Total due $20.70" in text_of(look(session.url))
    more = {"expand": ["line_items", "total_details.breakdown"]}
    changed: Any = client.v1.checkout.sessions.retrieve(session.id, more)
    assert changed.discounts[0].promotion_code == code
    assert [item.id for item in changed.line_items.data] == [item.id for item in session.line_items.data]
    assert [item.amount_discount for item in changed.line_items.data] == [100, 110]
    assert changed.total_details.breakdown.discounts[0].amount == 210
    assert submit(session.url).status_code == 303
    assert client.v1.payment_intents.list().data[0].amount_received == 2070
    assert client.v1.promotion_codes.retrieve(code).times_redeemed == 1


def test_a_code_can_be_given_back_and_a_wrong_one_is_said(client: Client, code: str) -> None:
    session = open_session(client, allow_promotion_codes=True)
    submit(f"{session.url}/promotion", {"promotionCode": "TEA"})
    submit(f"{session.url}/promotion", {"promotionCode": ""})
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 1000
    wrong = submit(f"{session.url}/promotion", {"promotionCode": "COFFEE"})
    assert wrong.headers["Location"].endswith("?wrong=This+code+is+invalid.")
    told = submit(
        f"{session.url}/promotion", {"promotionCode": "COFFEE"}, headers={"Accept": "application/json"}
    )
    assert (told.status_code, told.json()) == (422, {"errors": {"promotionCode": "This code is invalid."}})


def test_control_takes_a_code_too_and_a_whole_discount_makes_it_free(
    client: Client, sandbox: CheckedSandbox
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 100, "duration": "once"})
    client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "GIFT"})
    session = open_session(client, allow_promotion_codes=True)
    assert pay(sandbox, session.id, promotion_code="GIFT")["outcome"] == "paid"
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.amount_total, done.payment_status, done.payment_intent) == (0, "paid", None)


def test_a_session_that_takes_no_codes_takes_none(client: Client, code: str) -> None:
    session = open_session(client)
    answer = submit(
        f"{session.url}/promotion", {"promotionCode": "TEA"}, headers={"Accept": "application/json"}
    )
    assert answer.json()["errors"]["promotionCode"] == "This Checkout Session takes no promotion codes."
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 1000
    error = refused(client, allow_promotion_codes=True, discounts=[{"promotion_code": code}])
    assert "You may only specify one of these parameters" in str(error.user_message)


# -- words


def test_texts_of_the_shop_are_shown(client: Client) -> None:
    texts = {
        "submit": {"message": "Paid now, sent today."},
        "shipping_address": {"message": "No P.O. boxes."},
    }
    session = open_session(client, custom_text=texts, **TO_US, submit_type="donate")
    assert session.custom_text.submit.message == "Paid now, sent today."
    assert session.custom_text.after_submit is None
    text = text_of(look(session.url))
    assert "No P.O. boxes." in text
    assert "Paid now, sent today. Donate $10.00" in text


def test_everything_at_once(client: Client, code: str, sandbox: CheckedSandbox) -> None:
    params = order(
        line(2000),
        allow_promotion_codes=True,
        billing_address_collection="required",
        phone_number_collection={"enabled": True},
        shipping_options=[rate(500)],
        customer_creation="always",
        submit_type="pay",
        locale="auto",
        **TO_US,
    )
    session = client.v1.checkout.sessions.create(params)  # type: ignore[arg-type]
    assert pay(sandbox, session.id, promotion_code="TEA")["outcome"] == "paid"
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.amount_total, done.total_details.amount_discount) == (2300, 200)


def test_the_card_s_address_may_be_that_of_the_goods(client: Client) -> None:
    session = open_session(client, **TO_US, billing_address_collection="required")
    assert 'name="sameAddress" checked' in look(session.url).text
    empty = alerts(submit(session.url, typed(sameAddress="on")))
    assert "shippingLocality" in empty
    assert "billingLocality" not in empty
    assert submit(session.url, typed(sameAddress="on", **HOME)).status_code == 303
    done: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert done.customer_details.address.city == "London"
