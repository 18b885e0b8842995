"""`Stripe-Version` means something: each change, asked for on both sides of its date.

Answers of older versions cannot be held against the spec, which is of the newest; so these ask in process.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from stripe_sandbox import versions
from stripe_sandbox.app import create_app
from stripe_sandbox.box import Box
from stripe_sandbox.control.sweep import sweep
from stripe_sandbox.versions import translate

NEWEST = translate.NEWEST
LINE = {
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "900",
    "line_items[0][price_data][product_data][name]": "Tea",
}
ORDER = {"mode": "payment", "success_url": "https://shop.example/", **LINE}
CARD = {"amount": "900", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}


class Stripe:
    """The sandbox as a client of one version meets it; `version` None names none."""

    def __init__(self, http: FlaskClient, account: str = "versions") -> None:
        self.http, self.account = http, account

    def ask(
        self,
        method: str,
        path: str,
        form: dict[str, str] | None = None,
        version: str | None = None,
        **headers: str,
    ) -> Any:
        headers |= {"Authorization": f"Bearer sk_test_{self.account}"}
        if version:
            headers["Stripe-Version"] = version
        return self.http.open(f"/v1/{path}", method=method, data=form, headers=headers).json

    def post(self, path: str, form: dict[str, str], version: str | None = None, **headers: str) -> Any:
        return self.ask("POST", path, form, version, **headers)

    def get(self, path: str, version: str | None = None) -> Any:
        return self.ask("GET", path, None, version)


@pytest.fixture
def api(box: Box) -> Stripe:
    return Stripe(create_app(box).test_client())


def test_every_file_of_the_folder_is_a_change_and_they_are_in_order() -> None:
    files = [path.stem for path in Path(versions.__file__).parent.glob("v*.py")]
    assert len(files) == len(translate.CHANGES)
    dates = [change.version for change in translate.CHANGES]
    assert dates == sorted(dates)
    assert sorted(name[1:11].replace("_", "-") for name in files) == dates


@pytest.mark.parametrize(
    "version", ["2020-08-27", "2022-11-15", "2023-10-16", "2025-02-24.acacia", "2026-08-26.dahlia"]
)
def test_payment_method_types_are_taken_until_they_went(api: Stripe, version: str) -> None:
    types = {"payment_method_types[0]": "card"}
    session = api.post("checkout/sessions", ORDER | types, version)
    assert session["payment_method_types"] == ["card"]
    assert "allowed_payment_method_types" not in session
    intent = api.post("payment_intents", CARD | types, version)
    assert (intent["status"], intent["automatic_payment_methods"]) == ("succeeded", None)
    for path, form in (("checkout/sessions", ORDER), ("payment_intents", CARD)):
        error = api.post(path, form | types, NEWEST)["error"]
        assert error["code"] == "payment_method_types_no_longer_supported"


def test_charges_are_in_an_intent_and_refunds_in_a_charge_until_2022_11_15(api: Stripe) -> None:
    old, new = "2022-08-01", "2022-11-15"
    intent = api.post("payment_intents", CARD, old)
    [charge] = intent["charges"]["data"]
    assert charge["id"] == intent["latest_charge"]
    api.post("refunds", {"charge": charge["id"], "amount": "100"}, old)
    [shown] = api.get(f"payment_intents/{intent['id']}", old)["charges"]["data"]
    assert [refund["amount"] for refund in shown["refunds"]["data"]] == [100]
    deep = api.get(f"payment_intents/{intent['id']}?expand[]=charges.data.balance_transaction", old)
    assert deep["charges"]["data"][0]["balance_transaction"]["amount"] == 900
    later = api.get(f"payment_intents/{intent['id']}?expand[]=latest_charge", new)
    assert "charges" not in later
    assert "refunds" not in later["latest_charge"]
    refused = api.get(f"payment_intents/{intent['id']}?expand[]=charges", new)
    assert refused["error"]["message"] == "This property cannot be expanded (charges)."


def test_an_intent_takes_cards_alone_until_2023_08_16_and_needs_no_return_url(api: Stripe) -> None:
    intent = api.post("payment_intents", CARD, "2022-11-15")
    assert (intent["status"], intent["automatic_payment_methods"]) == ("succeeded", None)
    assert "return_url" in api.post("payment_intents", CARD, "2023-08-16")["error"]["message"]
    asked = CARD | {"automatic_payment_methods[enabled]": "true", "return_url": "https://shop.example/"}
    assert api.post("payment_intents", asked, "2022-11-15")["automatic_payment_methods"]["enabled"] is True


def test_a_session_has_its_intent_and_makes_a_customer_until_2022_08_01(api: Stripe) -> None:
    old, new = (api.post("checkout/sessions", ORDER, version) for version in ("2020-08-27", "2022-08-01"))
    assert old["payment_intent"].startswith("pi_")
    assert (old["customer_creation"], new["customer_creation"]) == ("always", "if_required")
    assert new["payment_intent"] is None
    paid = api.http.post(f"/_sandbox/sessions/{old['id']}/pay", json={"card": "4242424242424242"})
    assert paid.json == {"outcome": "paid", "redirect_url": "https://shop.example/", "session": old["id"]}
    after = api.get(f"checkout/sessions/{old['id']}", "2020-08-27")
    assert (after["payment_intent"], after["payment_status"]) == (old["payment_intent"], "paid")
    assert after["customer"].startswith("cus_")


def test_the_intent_of_an_old_session_is_canceled_when_it_expires(api: Stripe, box: Box) -> None:
    session = api.post("checkout/sessions", ORDER, "2020-08-27")
    box.clock.advance(90_000)
    sweep(box)
    assert api.get(f"payment_intents/{session['payment_intent']}", "2020-08-27")["status"] == "canceled"


def test_lines_may_say_amount_and_name_until_2022_08_01(api: Stripe) -> None:
    line = {
        "name": "Tea",
        "amount": "900",
        "currency": "eur",
        "quantity": "2",
        "images[0]": "https://x.example/1.png",
    }
    form = {f"line_items[0][{name.replace('[', '][', 1).rstrip(']')}]": value for name, value in line.items()}
    form |= {"success_url": "https://shop.example/", "expand[0]": "line_items"}
    session = api.post("checkout/sessions", form | {"payment_method_types[0]": "card"}, "2020-08-27")
    assert (session["amount_total"], session["currency"]) == (1800, "eur")
    assert session["line_items"]["data"][0]["description"] == "Tea"
    refused = api.post("checkout/sessions", form | {"mode": "payment"}, "2022-08-01")["error"]
    assert refused["code"] == "parameter_unknown"


def test_a_promotion_code_has_its_whole_coupon_until_2025_09_30(api: Stripe) -> None:
    old, new = "2025-08-27.basil", "2025-09-30.clover"
    api.post("coupons", {"percent_off": "10", "duration": "once", "id": "TEN"}, old)
    code = api.post("promotion_codes", {"coupon": "TEN", "code": "TEA"}, old)
    assert (code["coupon"]["id"], code["coupon"]["percent_off"]) == ("TEN", 10)
    assert "promotion" not in code
    expanded = api.get(
        "promotion_codes?expand[]=data.coupon.applies_to&expand[]=data.coupon.currency_options", old
    )
    assert expanded["data"][0]["coupon"]["id"] == "TEN"
    assert api.get("promotion_codes", new)["data"][0]["promotion"] == {"type": "coupon", "coupon": "TEN"}
    assert api.post("promotion_codes", {"coupon": "TEN"}, new)["error"]["code"] in (
        "parameter_unknown",
        "parameter_missing",
    )
    form = ORDER | {"discounts[0][coupon]": "TEN", "expand[0]": "total_details.breakdown"}
    [discount] = api.post("checkout/sessions", form, old)["total_details"]["breakdown"]["discounts"]
    assert discount["discount"]["coupon"]["percent_off"] == 10


def test_names_of_ui_mode_until_2026_03_25(api: Stripe) -> None:
    session = api.post("checkout/sessions", ORDER | {"ui_mode": "hosted"}, "2026-02-25.clover")
    assert session["ui_mode"] == "hosted"
    assert api.get(f"checkout/sessions/{session['id']}", "2026-03-25.dahlia")["ui_mode"] == "hosted_page"
    order = {"mode": "payment", "return_url": "https://shop.example/", **LINE}
    embedded = api.post("checkout/sessions", order | {"ui_mode": "embedded"}, "2026-02-25.clover")
    assert embedded["ui_mode"] == "embedded"
    assert api.get(f"checkout/sessions/{embedded['id']}", NEWEST)["ui_mode"] == "embedded_page"
    assert (
        "must be one of"
        in api.post("checkout/sessions", ORDER | {"ui_mode": "hosted"}, NEWEST)["error"]["message"]
    )


def test_a_product_has_features_until_2024_04_10(api: Stripe) -> None:
    product = api.post("products", {"name": "Tea", "features[0][name]": "Green"}, "2023-10-16")
    assert product["features"] == [{"name": "Green"}]
    assert api.get(f"products/{product['id']}", "2024-04-10")["marketing_features"] == [{"name": "Green"}]


def test_the_default_capture_method_changed_on_2024_04_10(api: Stripe) -> None:
    form = {"amount": "900", "currency": "usd"}
    methods = [
        api.post("payment_intents", form, version)["capture_method"]
        for version in ("2023-10-16", "2024-04-10")
    ]
    assert methods == ["automatic", "automatic_async"]


def test_a_customer_shows_its_lists_until_2020_08_27(api: Stripe) -> None:
    old = api.post("customers", {"email": "ann@example.com"}, "2020-03-02")
    assert old["sources"]["data"] == old["subscriptions"]["data"] == []
    assert "sources" not in api.get(f"customers/{old['id']}", "2020-08-27")


def test_shipping_and_invoice_until_2025_03_31(api: Stripe) -> None:
    session = api.post("checkout/sessions", ORDER, "2025-02-24.acacia")
    assert session["shipping_details"] is None
    assert "shipping_details" not in api.get(f"checkout/sessions/{session['id']}", "2025-03-31.basil")
    assert api.get(f"checkout/sessions/{session['id']}", "2020-08-27")["shipping"] is None
    assert (
        api.post("payment_intents", {"amount": "900", "currency": "usd"}, "2025-02-24.acacia")["invoice"]
        is None
    )


def test_a_declined_intent_inside_an_error_has_the_version_that_was_asked_for(api: Stripe) -> None:
    error = api.post("payment_intents", CARD | {"payment_method": "pm_card_chargeDeclined"}, "2020-08-27")[
        "error"
    ]
    assert error["code"] == "card_declined"
    assert [charge["status"] for charge in error["payment_intent"]["charges"]["data"]] == ["failed"]


def test_the_same_key_gets_the_same_answer_whatever_version_asks_again(api: Stripe) -> None:
    first = api.post("customers", {}, "2020-03-02", **{"Idempotency-Key": "one"})
    assert api.post("customers", {}, NEWEST, **{"Idempotency-Key": "one"}) == first


# -- the account's own version, and what it means for events


def test_an_account_has_the_version_of_its_first_request(api: Stripe, box: Box) -> None:
    api.get("customers", "2022-11-15")
    api.post("payment_intents", CARD, NEWEST)
    assert box.version_of("versions") == "2022-11-15"
    unversioned = api.post("payment_intents", CARD | {"payment_method_types[0]": "card"})
    assert unversioned["status"] == "succeeded"
    assert "charges" not in unversioned


@pytest.mark.parametrize(
    ("agent", "version"),
    [
        ("Stripe/v1 PythonBindings/5.5.1", "2022-11-15"),
        ("Stripe/v1 PythonBindings/2.60.0", "2020-08-27"),
        ("Stripe/v1 NodeBindings/8.222.0", "2020-08-27"),
        ("Stripe/v1 NodeBindings/10.17.0", "2022-08-01"),
        ("Stripe/v1 PhpBindings/7.128.0", "2020-08-27"),
        ("Stripe/v1 RubyBindings/8.0.0", "2022-11-15"),
        ("Stripe/v1 PythonBindings/99.0.0", NEWEST),
        ("curl/8.0", NEWEST),
    ],
)
def test_a_first_request_that_names_none_gets_the_newest_of_its_library_s_time(
    api: Stripe, box: Box, agent: str, version: str
) -> None:
    answer = api.http.get(
        "/v1/customers", headers={"Authorization": "Bearer sk_test_versions", "User-Agent": agent}
    )
    assert answer.headers["Stripe-Version"] == version
    assert box.version_of("versions") == version


def test_control_sets_the_version_of_an_account(api: Stripe, box: Box) -> None:
    answer = api.http.put("/_sandbox/accounts/versions", json={"api_version": "2020-08-27"})
    assert answer.json == {"account": "versions", "api_version": "2020-08-27"}
    assert api.post("payment_intents", CARD)["charges"]["data"]
    refused = api.http.put("/_sandbox/accounts/versions", json={"api_version": "old"})
    assert (refused.status_code, (refused.json or {})["error"]["code"]) == (400, "bad_version")


def test_a_browser_s_requests_neither_set_the_version_nor_follow_it(api: Stripe, box: Box) -> None:
    intent = api.post("payment_intents", CARD, "2020-08-27")
    path = f"/v1/payment_intents/{intent['id']}?client_secret={intent['client_secret']}"
    seen = api.http.get(path, headers={"Authorization": "Bearer pk_test_versions"}).json
    assert seen is not None
    assert "charges" not in seen
    api.http.get("/v1/customers", headers={"Authorization": "Bearer pk_test_other"})
    assert box.store.setting("api_version:other") is None


def test_events_are_written_in_the_account_s_version_not_the_client_s(api: Stripe) -> None:
    api.get("customers", "2020-08-27")
    api.post("payment_intents", CARD | {"return_url": "https://shop.example/"}, NEWEST)
    for version in (NEWEST, "2022-11-15"):
        [event] = api.get("events?type=payment_intent.succeeded", version)["data"]
        assert event["api_version"] == "2020-08-27"
        assert [charge["paid"] for charge in event["data"]["object"]["charges"]["data"]] == [True]
        assert api.get(f"events/{event['id']}", version) == event


def test_previous_attributes_have_the_names_of_their_version(api: Stripe) -> None:
    api.get("customers", "2023-10-16")
    product = api.post("products", {"name": "Tea", "features[0][name]": "Green"})
    api.post(f"products/{product['id']}", {"features[0][name]": "Black"})
    [event] = api.get("events?type=product.updated")["data"]
    assert event["data"]["object"]["features"] == [{"name": "Black"}]
    assert event["data"]["previous_attributes"]["features"] == [{"name": "Green"}]
    assert "marketing_features" not in json.dumps(event)
