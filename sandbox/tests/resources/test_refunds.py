"""Refunds: whole, in parts, too much, twice, and the odd cards."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from sandbox_testing.orders import event_types, line, open_session, pay
from sandbox_testing.own import Own, control, own_sandbox
from sandbox_testing.server import CheckedSandbox


@pytest.fixture
def paid(client: stripe.StripeClient, sandbox: CheckedSandbox) -> str:
    """The intent of a payment of 10.00 USD."""
    session = open_session(client, line(1000))
    pay(sandbox, session.id)
    intent = client.v1.checkout.sessions.retrieve(session.id).payment_intent
    assert isinstance(intent, str)
    return intent


def refused(client: stripe.StripeClient, **params: Any) -> stripe.InvalidRequestError:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create(params)  # type: ignore[arg-type]
    return caught.value


def the_charge(client: stripe.StripeClient) -> Any:
    [charge] = client.v1.charges.list({"expand": ["data.refunds"]}).data
    return charge


def test_a_refund_without_an_amount_gives_all_back(client: stripe.StripeClient, paid: str) -> None:
    refund = client.v1.refunds.create(
        {"payment_intent": paid, "reason": "requested_by_customer", "metadata": {"order": "7"}}
    )
    assert (refund.amount, refund.status, refund.reason) == (1000, "succeeded", "requested_by_customer")
    charge = the_charge(client)
    assert (charge.amount_refunded, charge.refunded, refund.charge) == (1000, True, charge.id)
    assert [found.id for found in charge.refunds.data] == [refund.id]
    assert event_types(client)[-2:] == ["refund.created", "charge.refunded"]


def test_parts_add_up_until_nothing_is_left(client: stripe.StripeClient, paid: str) -> None:
    client.v1.refunds.create({"payment_intent": paid, "amount": 300})
    charge = the_charge(client)
    assert (charge.amount_refunded, charge.refunded) == (300, False)
    assert client.v1.refunds.create({"charge": charge.id}).amount == 700
    charge = the_charge(client)
    assert (charge.amount_refunded, charge.refunded) == (1000, True)
    error = refused(client, payment_intent=paid)
    assert error.code == "charge_already_refunded"
    assert error.user_message == f"Charge {charge.id} has already been refunded."


def test_more_than_is_left_is_refused(client: stripe.StripeClient, paid: str) -> None:
    client.v1.refunds.create({"payment_intent": paid, "amount": 300})
    error = refused(client, payment_intent=paid, amount=701)
    assert error.param == "amount"
    assert error.user_message == "Refund amount ($7.01) is greater than unrefunded amount on charge ($7.00)"
    assert the_charge(client).amount_refunded == 300


@pytest.mark.parametrize("amount", [0, -5])
def test_nothing_cannot_be_refunded(client: stripe.StripeClient, paid: str, amount: int) -> None:
    assert refused(client, payment_intent=paid, amount=amount).param == "amount"


def test_an_unpaid_intent_has_nothing_to_refund(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "usd"})
    error = refused(client, payment_intent=intent.id)
    assert "does not have a successful charge to refund" in str(error.user_message)


def test_what_to_refund_must_be_named_and_exist(client: stripe.StripeClient) -> None:
    assert "payment_intent or charge" in str(refused(client).user_message)
    assert refused(client, charge="ch_nope").code == "resource_missing"
    assert refused(client, payment_intent="pi_nope").code == "resource_missing"


def test_the_money_leaves_the_balance_without_the_fee(client: stripe.StripeClient, paid: str) -> None:
    refund: Any = client.v1.refunds.create({"payment_intent": paid, "expand": ["balance_transaction"]})
    entry = refund.balance_transaction
    assert (entry.amount, entry.fee, entry.net, entry.source) == (-1000, 0, -1000, refund.id)


def test_the_event_tells_what_was_refunded_before(client: stripe.StripeClient, paid: str) -> None:
    client.v1.refunds.create({"payment_intent": paid, "amount": 300})
    client.v1.refunds.create({"payment_intent": paid, "amount": 200})
    event = client.v1.events.list({"type": "charge.refunded"}).data[0]
    assert event.data.object["amount_refunded"] == 500
    assert event.data.previous_attributes is not None
    assert event.data.previous_attributes["amount_refunded"] == 300


def test_refunds_are_listed_by_what_they_refund(client: stripe.StripeClient, paid: str) -> None:
    ids = [client.v1.refunds.create({"payment_intent": paid, "amount": 100}).id for _ in range(3)]
    assert [refund.id for refund in client.v1.refunds.list({"payment_intent": paid}).data] == ids[::-1]
    assert client.v1.refunds.list({"charge": "ch_other"}).data == []


def test_only_the_metadata_of_a_refund_changes(client: stripe.StripeClient, paid: str) -> None:
    refund = client.v1.refunds.create({"payment_intent": paid})
    changed = client.v1.refunds.update(refund.id, {"metadata": {"note": "sorry"}})
    assert changed.metadata is not None
    assert changed.metadata.note == "sorry"
    with pytest.raises(stripe.InvalidRequestError, match="Canceling this refund is unsupported"):
        client.v1.refunds.cancel(refund.id)


@pytest.fixture
def own() -> Iterator[Own]:
    with own_sandbox() as own:
        yield own


def refund_of(own: Own, card: str) -> Any:
    session = open_session(own.client, line(1000))
    control(own.url, "POST", f"sessions/{session.id}/pay", {"card": card})
    intent: Any = own.client.v1.checkout.sessions.retrieve(session.id).payment_intent
    return own.client.v1.refunds.create({"payment_intent": intent})


def test_a_refund_can_stay_pending_for_a_while(own: Own) -> None:
    refund = refund_of(own, "4000000000007726")
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    control(own.url, "POST", "clock/advance", {"seconds": 120})
    assert own.client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert event_types(own.client)[-1] == "refund.updated"


def test_a_refund_can_fail_after_it_has_succeeded(own: Own) -> None:
    refund = refund_of(own, "4000000000005126")
    assert refund.status == "succeeded"
    control(own.url, "POST", "clock/advance", {"seconds": 120})
    failed: Any = own.client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "unknown")
    assert failed.failure_balance_transaction.amount == 1000
    charge = the_charge(own.client)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert event_types(own.client)[-2:] == ["refund.updated", "refund.failed"]
