"""PaymentIntents through the API: made, confirmed, challenged, declined, captured, cancelled."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import stripe

from sandbox_testing.orders import DECLINED, event_types, open_session, pay
from sandbox_testing.own import control
from sandbox_testing.server import CheckedSandbox

CARDS_ONLY: dict[str, Any] = {"allowed_payment_method_types": ["card"]}


def make(client: stripe.StripeClient, amount: int = 1000, **more: Any) -> Any:
    params: Any = {"amount": amount, "currency": "usd", **more}
    return client.v1.payment_intents.create(params)


def make_paid(client: stripe.StripeClient, method: str = "pm_card_visa", **more: Any) -> Any:
    return make(client, payment_method=method, confirm=True, **CARDS_ONLY, **more)


def refused(ask: Callable[[], Any]) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        ask()
    return caught.value


def test_a_new_intent_waits_for_a_payment_method(client: stripe.StripeClient) -> None:
    intent = make(client, metadata={"order": "7"}, receipt_email="ann@shop.example")
    assert (intent.status, intent.amount, intent.currency) == ("requires_payment_method", 1000, "usd")
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    assert intent.automatic_payment_methods.enabled is True
    assert intent.amount_details.to_dict() == {"tip": {}}
    assert (intent.metadata.order, intent.latest_charge) == ("7", None)
    assert event_types(client) == ["payment_intent.created"]


@pytest.mark.parametrize(
    ("amount", "code"),
    [(49, "amount_too_small"), (0, "parameter_invalid_integer"), (100_000_000, "amount_too_large")],
)
def test_an_amount_has_limits(client: stripe.StripeClient, amount: int, code: str) -> None:
    error = refused(lambda: make(client, amount))
    assert (error.code, error.param) == (code, "amount")


def test_an_intent_takes_as_many_digits_as_its_currency_has(client: stripe.StripeClient) -> None:
    assert make(client, 999_999_999_999, currency="idr").amount == 999_999_999_999
    said = {"idr": "9,999,999,999.99 IDR", "usd": "$999,999.99"}
    for currency, most in said.items():
        error = refused(lambda of=currency: make(client, 10**12, currency=of))
        assert error.user_message == f"Amount must be no more than {most}"


def test_amount_and_currency_are_needed(client: stripe.StripeClient) -> None:
    create: Any = client.v1.payment_intents.create
    assert refused(lambda: create({"currency": "usd"})).user_message == "Missing required param: amount."
    assert refused(lambda: create({"amount": 1000})).user_message == "Missing required param: currency."


def test_a_confirmed_good_card_succeeds(client: stripe.StripeClient) -> None:
    intent = make_paid(client, expand=["latest_charge"])
    assert (intent.status, intent.amount_received) == ("succeeded", 1000)
    assert (intent.latest_charge.paid, intent.latest_charge.payment_intent) == (True, intent.id)
    assert event_types(client) == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


def test_confirming_later_works_too(client: stripe.StripeClient) -> None:
    intent = make(client, **CARDS_ONLY)
    changed = client.v1.payment_intents.update(intent.id, {"payment_method": "pm_card_mastercard"})
    assert changed.status == "requires_confirmation"
    assert client.v1.payment_intents.confirm(intent.id).status == "succeeded"


def test_a_declined_confirm_is_a_card_error_that_leaves_its_traces(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as caught:
        make_paid(client, "pm_card_visa_chargeDeclinedInsufficientFunds")
    error = caught.value
    assert (error.http_status, error.code) == (402, "card_declined")
    assert error.user_message == "Your card has insufficient funds."
    assert error.error is not None
    assert error.error.decline_code == "insufficient_funds"
    assert error.error.payment_intent is not None
    intent = client.v1.payment_intents.retrieve(error.error.payment_intent.id, {"expand": ["latest_charge"]})
    charge: Any = intent.latest_charge
    assert (intent.status, charge.status, charge.id) == (
        "requires_payment_method",
        "failed",
        error.error.charge,
    )
    assert (
        client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    )


def test_redirecting_methods_need_a_return_url(client: stripe.StripeClient) -> None:
    error = refused(lambda: make(client, payment_method="pm_card_visa", confirm=True))
    assert "you must provide a `return_url`" in str(error.user_message)
    kept_here: Any = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    assert make(client, payment_method="pm_card_visa", confirm=True, **kept_here).status == "succeeded"


def test_a_confirm_needs_a_payment_method(client: stripe.StripeClient) -> None:
    intent = make(client, **CARDS_ONLY)
    error = refused(lambda: client.v1.payment_intents.confirm(intent.id))
    assert error.code == "payment_intent_unexpected_state"


def test_a_succeeded_intent_can_be_neither_confirmed_nor_cancelled_nor_changed(
    client: stripe.StripeClient,
) -> None:
    id = make_paid(client).id
    intents = client.v1.payment_intents
    for ask in (
        lambda: intents.confirm(id),
        lambda: intents.cancel(id),
        lambda: intents.update(id, {"amount": 2000}),
        lambda: intents.capture(id),
    ):
        error = refused(ask)
        assert error.code == "payment_intent_unexpected_state"
        assert error.error is not None
        assert error.error.payment_intent is not None
        assert error.error.payment_intent.status == "succeeded"
    assert intents.update(id, {"metadata": {"a": "1"}}).metadata.to_dict() == {"a": "1"}


def test_the_amount_can_be_changed_before_it_is_paid(client: stripe.StripeClient) -> None:
    intent = make(client)
    assert client.v1.payment_intents.update(intent.id, {"amount": 2500}).amount == 2500
    error = refused(lambda: client.v1.payment_intents.update(intent.id, {"amount": 1}))
    assert error.code == "amount_too_small"


def test_a_cancelled_intent_stays_cancelled(client: stripe.StripeClient) -> None:
    intent = make(client, **CARDS_ONLY)
    cancelled = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    assert cancelled.canceled_at
    error = refused(lambda: client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}))
    assert error.code == "payment_intent_unexpected_state"
    assert event_types(client)[-1] == "payment_intent.canceled"


def test_manual_capture_holds_first_and_takes_later(client: stripe.StripeClient) -> None:
    intent = make_paid(client, capture_method="manual")
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 1000, 0)
    taken = client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 700})
    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 700)
    [charge] = client.v1.charges.list().data
    assert (charge.captured, charge.amount_captured, charge.amount_refunded) == (True, 700, 300)
    assert event_types(client)[-2:] == ["charge.captured", "payment_intent.succeeded"]


def test_a_held_amount_can_be_let_go(client: stripe.StripeClient) -> None:
    intent = make_paid(client, capture_method="manual")
    refund = refused(lambda: client.v1.refunds.create({"payment_intent": intent.id}))
    assert "has not been captured" in str(refund.user_message)
    assert client.v1.payment_intents.cancel(intent.id).status == "canceled"
    [charge] = client.v1.charges.list().data
    assert (charge.captured, charge.refunded) == (False, True)


def test_3d_secure_is_a_redirect_when_there_is_a_way_back(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    back = "https://shop.example/back?order=7"
    intent = make(client, payment_method="pm_card_authenticationRequired", confirm=True, return_url=back)
    assert intent.status == "requires_action"
    assert intent.next_action.type == "redirect_to_url"
    step = intent.next_action.redirect_to_url.url
    assert requests.get(step, timeout=120).status_code == 200
    answer = requests.post(step, {"result": "authorize"}, timeout=120, allow_redirects=False)
    assert answer.status_code == 303
    where = urlsplit(answer.headers["Location"])
    assert parse_qs(where.query) == {
        "order": ["7"],
        "payment_intent": [intent.id],
        "payment_intent_client_secret": [intent.client_secret],
        "redirect_status": ["succeeded"],
    }
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_failed_3d_secure_leads_back_with_failed(client: stripe.StripeClient) -> None:
    back = "https://shop.example/back"
    intent = make(client, payment_method="pm_card_threeDSecure2Required", confirm=True, return_url=back)
    step = intent.next_action.redirect_to_url.url
    answer = requests.post(step, {"result": "fail"}, timeout=120, allow_redirects=False)
    assert "redirect_status=failed" in answer.headers["Location"]
    left = client.v1.payment_intents.retrieve(intent.id)
    assert left.status == "requires_payment_method"
    assert left.last_payment_error is not None
    assert left.last_payment_error.code == "payment_intent_authentication_failure"


def test_the_client_secret_is_enough_to_answer_a_challenge(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    intent = make_paid(client, "pm_card_authenticationRequired")
    assert intent.next_action.type == "use_stripe_sdk"
    step = f"{sandbox.url}/c/authenticate/{intent.id}"
    assert requests.post(step, {"result": "authorize"}, timeout=120).status_code == 404
    assert client.v1.payment_intents.retrieve(intent.id).status == "requires_action"


def test_the_receipt_of_a_charge_can_be_opened(client: stripe.StripeClient) -> None:
    make_paid(client)
    [charge] = client.v1.charges.list().data
    assert charge.receipt_url is not None
    page = requests.get(charge.receipt_url, timeout=120)
    assert page.status_code == 200
    assert "$10.00" in page.text


def test_a_browser_sees_an_intent_only_with_its_client_secret(
    client: stripe.StripeClient, make_client: Callable[..., stripe.StripeClient], account: str
) -> None:
    intent = make(client, metadata={"note": "private"}, **CARDS_ONLY)
    browser = make_client(f"pk_test_{account}")
    assert refused(lambda: browser.v1.payment_intents.retrieve(intent.id)).param == "client_secret"
    wrong: Any = {"client_secret": f"{intent.id}_secret_wrong"}
    assert refused(lambda: browser.v1.payment_intents.retrieve(intent.id, wrong)).param == "client_secret"
    seen = browser.v1.payment_intents.retrieve(intent.id, {"client_secret": intent.client_secret})
    assert seen.amount == 1000
    assert "metadata" not in seen
    method = browser.v1.payment_methods.create(
        {
            "type": "card",
            "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"},
        }
    )
    confirm: Any = {"payment_method": method.id, "client_secret": intent.client_secret}
    assert browser.v1.payment_intents.confirm(intent.id, confirm).status == "succeeded"


def test_the_intent_of_a_session_is_the_session_s_business(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    pay(sandbox, open_session(client).id, DECLINED)
    [intent] = client.v1.payment_intents.list().data
    for ask in (
        lambda: client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}),
        lambda: client.v1.payment_intents.cancel(intent.id),
        lambda: client.v1.payment_intents.update(intent.id, {"amount": 5000}),
    ):
        error = refused(ask)
        assert error.code == "payment_intent_unexpected_state"
        assert "Checkout Session" in str(error.user_message)


def test_a_buyer_can_pay_an_intent_through_the_sandbox(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    intent = make(client)
    status, answer = control(sandbox.url, "POST", f"intents/{intent.id}/pay", {"card": "4242424242424242"})
    assert (status, answer["outcome"]) == (200, "paid")
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


LINES = [
    {"product_name": "Tea", "quantity": 2, "unit_cost": 300, "tax": {"total_tax_amount": 60}},
    {"product_name": "Cup", "quantity": 1, "unit_cost": 400, "discount_amount": 60},
]


def test_amount_details_that_add_up_are_kept(client: stripe.StripeClient) -> None:
    details = {"line_items": LINES, "shipping": {"amount": 100, "to_postal_code": "10115"}}
    intent = make(client, 1100, amount_details=details)
    assert intent.amount_details.shipping.amount == 100
    listed = client.v1.payment_intents.amount_details_line_items.list(intent.id)
    assert [line.product_name for line in listed.data] == ["Tea", "Cup"]


def test_amount_details_that_do_not_add_up_are_refused_unless_told_otherwise(
    client: stripe.StripeClient,
) -> None:
    error = refused(lambda: make(client, 999, amount_details={"line_items": LINES}))
    assert error.code == "amount_details_amount_mismatch"
    lenient = {"line_items": LINES, "enforce_arithmetic_validation": False}
    intent = make(client, 999, amount_details=lenient)
    assert intent.amount_details.error.code == "amount_details_amount_mismatch"


def test_a_discount_stands_on_the_lines_or_above_them(client: stripe.StripeClient) -> None:
    error = refused(lambda: make(client, amount_details={"line_items": LINES, "discount_amount": 1}))
    assert error.param == "amount_details[discount_amount]"
