"""Refusals and events as Stripe gave them in its test mode in September 2026, API 2026-08-26.dahlia.

Recorded by Kiln-AI/stripe_world (github.com), whose cassettes and notes have them.
"""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from sandbox_testing.orders import event_types
from sandbox_testing.server import CheckedSandbox

Client = stripe.StripeClient
PAY: Any = {"amount": 1000, "currency": "usd", "confirm": True, "return_url": "https://shop.example/"}


def refused(ask: Callable[[], Any]) -> tuple[int | None, str | None, str | None, str]:
    """(status, code, param, message)."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        ask()
    return caught.value.http_status, caught.value.code, caught.value.param, str(caught.value.user_message)


def test_what_there_is_nothing_to_refund_of(client: Client) -> None:
    create = client.v1.refunds.create
    assert refused(lambda: create({"charge": "ch_nope"})) == (
        404,
        "resource_missing",
        "id",
        "No such charge: 'ch_nope'",
    )
    neither = "One of the following params should be provided for this request: payment_intent or charge."
    assert refused(lambda: create({})) == (400, None, None, neither)
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.create({**PAY, "payment_method": "pm_card_visa_chargeDeclined"})
    intent, charge = caught.value.error.payment_intent.id, caught.value.error.charge  # type: ignore[union-attr]
    assert refused(lambda: create({"charge": str(charge)})) == (
        400,
        None,
        None,
        f"This PaymentIntent ({intent}) does not have a successful charge to refund.",
    )


def test_a_refund_of_too_much_names_both_amounts(client: Client) -> None:
    intent = client.v1.payment_intents.create({**PAY, "amount": 7000, "payment_method": "pm_card_visa"})
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 4000})
    again = refused(lambda: client.v1.refunds.create({"payment_intent": intent.id, "amount": 4000}))
    message = "Refund amount ($40.00) is greater than unrefunded amount on charge ($30.00)"
    assert again == (400, None, "amount", message)


def test_a_disputed_payment_is_told_of_in_stripe_s_order(client: Client) -> None:
    client.v1.payment_intents.create({**PAY, "payment_method": "pm_card_createDispute"})
    told = event_types(client)
    wanted = ["charge.succeeded", "charge.dispute.created", "charge.dispute.funds_withdrawn"]
    assert [type for type in told if type in {*wanted, "payment_intent.succeeded"}] == [
        *wanted,
        "payment_intent.succeeded",
    ]
    [dispute] = client.v1.disputes.list().data
    assert dispute.id.startswith("du_")
    assert refused(lambda: client.v1.disputes.retrieve("du_nope"))[2] == "dispute"
    client.v1.disputes.close(dispute.id)
    assert refused(lambda: client.v1.disputes.close(dispute.id)) == (
        400,
        None,
        None,
        "This dispute is already closed",
    )
    [entry] = client.v1.balance_transactions.list({"source": dispute.id, "expand": ["data.source"]}).data
    assert entry.source.object == "dispute"  # type: ignore[union-attr]


def test_payment_methods_belong_to_somebody(client: Client, sandbox: CheckedSandbox) -> None:
    method = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})  # type: ignore[typeddict-item]
    attach = client.v1.payment_methods.attach
    assert refused(lambda: attach(method.id, {})) == (
        400,
        "parameter_missing",
        None,
        "Must provide customer or customer_account.",
    )
    assert refused(lambda: attach(method.id, {"customer": "cus_nope"}))[:3] == (
        400,
        "resource_missing",
        "customer",
    )
    listed = client.v1.payment_methods.list
    assert refused(lambda: listed({"customer": "cus_nope"}))[:3] == (400, "resource_missing", "customer")
    customer = client.v1.customers.create({})
    attach(method.id, {"customer": customer.id})
    assert [one.id for one in listed({"customer": customer.id}).data] == [method.id]
    assert listed().data == []


def test_a_setup_intent_that_is_over_says_why_it_stays_so(client: Client) -> None:
    intents = client.v1.setup_intents
    bare = intents.create({})
    missing = refused(lambda: intents.confirm(bare.id, {"return_url": "https://shop.example/"}))
    assert missing[3] == (
        "You cannot confirm this SetupIntent because it's missing a payment method. You can either update "
        "the SetupIntent with a payment method and then confirm it again, or confirm it again directly with "
        "a payment method or ConfirmationToken."
    )
    intents.cancel(bare.id)
    over = "You cannot cancel this SetupIntent because it is already canceled."
    assert refused(lambda: intents.cancel(bare.id)) == (400, "setup_intent_unexpected_state", None, over)
    confirmed: Any = {"payment_method": "pm_card_visa", "confirm": True, "return_url": "https://a.example/"}
    done = intents.create(confirmed)
    assert refused(lambda: intents.confirm(done.id))[3] == (
        "You cannot confirm this SetupIntent because it has already succeeded."
    )
    assert refused(lambda: intents.cancel(done.id))[3] == (
        "You cannot cancel this SetupIntent because it has a status of succeeded. Only a SetupIntent with "
        "one of the following statuses may be canceled: `requires_payment_method`, `requires_confirmation`, "
        "or `requires_action`."
    )


def test_fields_that_the_spec_may_leave_out_are_there_where_stripe_has_them(client: Client) -> None:
    customer = client.v1.customers.create({"payment_method": "pm_card_visa"})
    [method] = client.v1.payment_methods.list({"customer": customer.id}).data
    intent = client.v1.payment_intents.create({**PAY, "customer": customer.id, "payment_method": method.id})
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    assert (customer.customer_account, refund.customer_account) == (None, None)
    assert (refund.customer, refund.payment_method) == (customer.id, method.id)
    assert intent.managed_payments is not None
    assert intent.managed_payments.enabled is False


def test_an_email_address_is_looked_at(client: Client) -> None:
    assert refused(lambda: client.v1.customers.create({"email": "not-an-email"})) == (
        400,
        "email_invalid",
        "email",
        "Invalid email address: not-an-email",
    )
