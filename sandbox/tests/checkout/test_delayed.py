"""Delayed payments: a debit is on its way, then its money comes or does not; for sessions and for intents."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from sandbox_testing.own import Own, own_sandbox
from sandbox_testing.shopping import open_session, session_of

PAYS, FAILS = "AT611904300234573201", "AT861904300235473202"
BUYER = {"name": "Ada Byron", "email": "ada@example.com"}
SETTINGS = {"delayed_methods": False, "automatic_tax_rate": 10, "fee_percent": 2.9, "fee_fixed": 30}


@pytest.fixture
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def switch_on(own: Own) -> None:
    status, settings = own.control("PUT", "settings", {"delayed_methods": True})
    assert (status, settings["delayed_methods"]) == (200, True)


def make(own: Own, **more: Any) -> Any:
    return own.client.v1.payment_intents.create({"amount": 1000, "currency": "eur", **more})


def debit(iban: str = PAYS) -> Any:
    data = {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": BUYER}
    return {"payment_method_data": data, "return_url": "https://shop.example/back"}


def events(own: Own) -> list[str]:
    return [event.type for event in own.client.v1.events.list({"limit": 100}).data][::-1]


def pay(own: Own, id: str, delayed: str = "succeeds", kind: str = "sessions") -> Any:
    status, answer = own.control("POST", f"{kind}/{id}/pay", {"delayed": delayed})
    assert status == 200, answer
    return answer


def settle(own: Own, id: str, outcome: str, kind: str = "sessions") -> Any:
    return own.control("POST", f"{kind}/{id}/settle", {"outcome": outcome})


def test_by_default_only_cards_are_offered(own: Own) -> None:
    assert own.control("GET", "settings") == (200, SETTINGS)
    assert make(own).payment_method_types == ["card"]
    assert open_session(own, currency="eur").payment_method_types == ["card"]
    intent = make(own)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        own.client.v1.payment_intents.confirm(intent.id, debit())
    assert caught.value.code == "payment_intent_incompatible_payment_method"


def test_switched_on_a_debit_is_offered_for_euros_that_are_captured_at_once(own: Own) -> None:
    switch_on(own)
    both = ["card", "sepa_debit"]
    assert make(own).payment_method_types == both
    assert open_session(own, currency="eur").payment_method_types == both
    assert make(own, currency="usd").payment_method_types == ["card"]
    assert make(own, capture_method="manual").payment_method_types == ["card"]
    assert make(own, allowed_payment_method_types=["card"]).payment_method_types == ["card"]
    assert make(own, excluded_payment_method_types=["card"]).payment_method_types == ["sepa_debit"]
    allowed = open_session(own, currency="eur", allowed_payment_method_types=["sepa_debit"])
    assert allowed.payment_method_types == ["sepa_debit"]
    with pytest.raises(stripe.InvalidRequestError, match="No valid payment method types"):
        make(own, currency="usd", allowed_payment_method_types=["sepa_debit"])


def test_a_session_completes_unpaid_and_is_paid_when_the_money_comes(own: Own) -> None:
    session = open_session(own, currency="eur")
    assert pay(own, session.id)["outcome"] == "processing"
    waiting = own.client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["payment_intent.latest_charge"]}
    )
    intent: Any = waiting.payment_intent
    assert (waiting.status, waiting.payment_status, intent.status) == ("complete", "unpaid", "processing")
    assert intent.amount_received == 0
    charge = intent.latest_charge
    assert (charge.status, charge.paid, charge.balance_transaction) == ("pending", False, None)
    assert charge.payment_method_details.sepa_debit.last4 == "3201"
    assert events(own)[-3:] == ["charge.pending", "payment_intent.processing", "checkout.session.completed"]
    assert settle(own, session.id, "succeeded") == (200, {"session": session.id, "payment_status": "paid"})
    paid = session_of(own, session.id)
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    taken = own.client.v1.charges.retrieve(charge.id)
    assert (taken.status, taken.paid) == ("succeeded", True)
    assert taken.balance_transaction is not None
    assert events(own)[-3:] == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.async_payment_succeeded",
    ]


def test_a_failed_debit_leaves_the_session_unpaid_and_says_why(own: Own) -> None:
    session = open_session(own, currency="eur")
    pay(own, session.id, "fails")
    assert settle(own, session.id, "failed")[0] == 200
    left = own.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    intent: Any = left.payment_intent
    assert (left.status, left.payment_status) == ("complete", "unpaid")
    assert (intent.status, intent.last_payment_error.code) == (
        "requires_payment_method",
        "insufficient_funds",
    )
    [charge] = own.client.v1.charges.list().data
    assert (charge.status, charge.paid, charge.captured) == ("failed", False, False)
    assert events(own)[-3:] == [
        "charge.failed",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ]
    [ledger] = own.control("GET", "ledger")[1]["accounts"]
    assert ledger["totals"]["eur"]["net"] == 0


@pytest.mark.parametrize(("delayed", "payment_status"), [("succeeds", "paid"), ("fails", "unpaid")])
def test_by_itself_it_ends_as_its_account_does_when_the_clock_has_moved_on(
    own: Own, delayed: str, payment_status: str
) -> None:
    session = open_session(own, currency="eur")
    pay(own, session.id, delayed)
    own.control("POST", "clock/advance", {"seconds": 100})
    assert own.client.v1.charges.list().data[0].status == "pending"
    own.control("POST", "clock/advance", {"seconds": 100})
    assert own.client.v1.charges.list().data[0].status != "pending"
    assert session_of(own, session.id).payment_status == payment_status
    assert events(own)[-1].startswith("checkout.session.async_payment_")


def test_it_ends_only_once(own: Own) -> None:
    session = open_session(own)
    assert settle(own, session.id, "succeeded")[0] == 409
    pay(own, session.id)
    assert settle(own, session.id, "nonsense")[0] == 400
    assert settle(own, session.id, "succeeded")[0] == 200
    before = events(own)
    assert settle(own, session.id, "failed")[0] == 409
    own.control("POST", "clock/advance", {"seconds": 1000})
    assert events(own) == before
    assert settle(own, "cs_test_nothing", "failed")[0] == 404


@pytest.mark.parametrize(("iban", "status"), [(PAYS, "succeeded"), (FAILS, "requires_payment_method")])
def test_an_intent_is_confirmed_with_an_iban_and_ends_later(own: Own, iban: str, status: str) -> None:
    switch_on(own)
    intent = own.client.v1.payment_intents.confirm(make(own).id, debit(iban))
    assert (intent.status, intent.amount_received) == ("processing", 0)
    own.control("POST", "clock/advance", {"seconds": 200})
    assert own.client.v1.payment_intents.retrieve(intent.id).status == status


def test_after_a_failed_debit_a_card_can_pay(own: Own) -> None:
    switch_on(own)
    intent = own.client.v1.payment_intents.confirm(make(own).id, debit())
    assert settle(own, intent.id, "failed", "intents") == (
        200,
        {"payment_intent": intent.id, "status": "requires_payment_method"},
    )
    again: Any = {"payment_method": "pm_card_visa", "return_url": "https://shop.example/back"}
    assert own.client.v1.payment_intents.confirm(intent.id, again).status == "succeeded"


def test_money_on_its_way_can_be_neither_called_back_nor_refunded_nor_paid_again(own: Own) -> None:
    intent = make(own)
    pay(own, intent.id, kind="intents")
    intents = own.client.v1.payment_intents
    for ask in (lambda: intents.cancel(intent.id), lambda: intents.confirm(intent.id, debit())):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            ask()
        assert caught.value.code == "payment_intent_unexpected_state"
    [charge] = own.client.v1.charges.list().data
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        own.client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError, match="still pending"):
        own.client.v1.refunds.create({"charge": charge.id})
    assert own.control("POST", f"intents/{intent.id}/pay", {"delayed": "succeeds"})[0] == 409


def test_a_debit_whose_money_came_can_be_refunded(own: Own) -> None:
    intent = make(own)
    pay(own, intent.id, kind="intents")
    settle(own, intent.id, "succeeded", "intents")
    refund = own.client.v1.refunds.create({"payment_intent": intent.id, "amount": 400})
    assert (refund.status, refund.amount) == ("succeeded", 400)


@pytest.mark.parametrize(
    ("iban", "code"),
    [
        ("AT611904300234573202", "invalid_bank_account_iban"),
        ("hello", "invalid_bank_account_iban"),
        ("GB33BUKB20201555555555", "bank_account_unusable"),
    ],
)
def test_what_is_no_test_account_is_refused(own: Own, iban: str, code: str) -> None:
    switch_on(own)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        own.client.v1.payment_intents.confirm(make(own).id, debit(iban))
    assert caught.value.code == code


def test_a_debit_needs_to_know_whose_it_is(own: Own) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        own.client.v1.payment_methods.create({"type": "sepa_debit", "sepa_debit": {"iban": PAYS}})
    assert caught.value.param == "billing_details[name]"


def test_settings_are_checked(own: Own) -> None:
    assert own.control("PUT", "settings", {"delayed_methods": "yes"})[0] == 400
    assert own.control("PUT", "settings", {"nonsense": True})[0] == 400
    for rate in (True, -1, 100.5, "10"):
        assert own.control("PUT", "settings", {"automatic_tax_rate": rate})[0] == 400
    assert own.control("POST", "sessions/cs_test_x/pay", {"delayed": "maybe"})[0] in (400, 404)
    switch_on(own)
    own.control("POST", "reset")
    assert own.control("GET", "settings")[1] == SETTINGS
