"""Stripe's events: proved by signature, stored once, never believed; in any order, any number of times."""

import itertools
import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from kopeck.payments.models import Payment
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought, paid_at_stripe
from tests.support.shop import ShopSandbox, make_item, sign

pytestmark = pytest.mark.django_db(transaction=True)
Deliver = Callable[..., Any]


def completed(sandbox: ShopSandbox) -> dict[str, Any]:
    (event,) = [e for e in sandbox.events() if e["type"] == "checkout.session.completed"]
    return event


def test_a_completed_session_makes_the_order_paid(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    order, session_id = payment.order, payment.stripe_id
    answer = deliver(completed(sandbox))
    assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    order.refresh_from_db()
    payment = order.payments.get()
    (charge,) = sandbox.charges()
    assert (order.status, payment.status, payment.stripe_id) == ("paid", "paid", session_id)
    assert (payment.card_brand, payment.card_last4) == ("visa", "4242")
    assert payment.payment_intent == charge.payment_intent
    assert order.paid_at is not None


def test_the_address_works_with_a_slash_too(sandbox: ShopSandbox, buyer: Client) -> None:
    paid_at_stripe(sandbox, buyer)
    body = json.dumps(completed(sandbox))
    headers = {"Stripe-Signature": sign(body)}
    answer = Client().post(
        "/webhooks/stripe/default/", body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 200


def test_a_duplicate_changes_nothing(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    order = payment.order
    event = completed(sandbox)
    deliver(event)
    order.refresh_from_db()
    before = order.paid_at
    assert deliver(event).status_code == 200
    order.refresh_from_db()
    assert order.paid_at == before
    stored = StripeEvent.objects.get()
    assert (stored.status, stored.attempts) == ("done", 1)


def test_twenty_copies_at_once_are_one_event_and_one_payment(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 3"""
    payment = paid_at_stripe(sandbox, buyer)
    order = payment.order
    event = completed(sandbox)

    def post(_number: int) -> int:
        status: int = deliver(event, client=Client(raise_request_exception=False)).status_code
        connection.close()
        return status

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(post, range(20))) == {200}
    assert StripeEvent.objects.count() == 1
    order.refresh_from_db()
    assert (order.status, order.payments.filter(status="paid").count()) == ("paid", 1)


def test_every_order_of_events_ends_in_the_same_state(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 5"""
    payment = paid_at_stripe(sandbox, buyer)
    order = payment.order
    events = sandbox.events()
    late = {**completed(sandbox), "id": "evt_late", "type": "checkout.session.expired"}
    late["data"] = {"object": {**late["data"]["object"], "status": "expired", "payment_status": "unpaid"}}
    events = [*events, late, {**late, "id": "evt_failed", "type": "checkout.session.async_payment_failed"}]
    orders = [random.Random(seed).sample(events, len(events)) for seed in range(5)]
    for number, shuffled in enumerate(itertools.chain(orders, [list(reversed(events))])):
        for event in shuffled:
            assert deliver({**event, "id": f"{event['id']}_{number}"}).status_code == 200
        order.refresh_from_db()
        assert (order.status, order.payments.get().status) == ("paid", "paid")


def test_a_type_we_do_not_use_is_kept_and_answered_200(sandbox: ShopSandbox, deliver: Deliver) -> None:
    event = {
        "id": "evt_1",
        "type": "customer.created",
        "data": {"object": {"id": "cus_1"}},
        "livemode": False,
    }
    answer = deliver(event)
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")


def test_a_session_that_is_not_ours_is_answered_200(sandbox: ShopSandbox, deliver: Deliver) -> None:
    event = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": {"id": "cs_test_other"}}}
    answer = deliver(event)
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")


def test_an_events_body_is_never_the_truth(sandbox: ShopSandbox, buyer: Client, deliver: Deliver) -> None:
    """Signed, but about a session that nobody paid; and one with another amount than was paid."""
    payment = bought(buyer)
    order, session_id = payment.order, payment.stripe_id
    body = {"id": session_id, "object": "checkout.session", "status": "complete", "payment_status": "paid",
            "amount_total": 1, "currency": "usd"}  # fmt: skip
    assert (
        deliver({"id": "evt_1", "type": "checkout.session.completed", "data": {"object": body}}).status_code
        == 200
    )
    order.refresh_from_db()
    assert (order.status, order.payments.get().status) == ("open", "open")


def test_a_payment_of_another_amount_is_held_and_not_called_paid(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    order = payment.order
    Payment.objects.update(amount=1)
    assert deliver(completed(sandbox)).status_code == 200
    order.refresh_from_db()
    payment = order.payments.get()
    assert (order.status, payment.status) == ("processing", "needs_review")
    assert "Stripe took 48.20 USD" in payment.problem


@pytest.mark.parametrize(
    ("signed", "code"),
    [
        (dict, "signature_missing"),
        (lambda: {"Stripe-Signature": "nonsense"}, "signature_wrong"),
        (lambda: {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}, "signature_wrong"),
        (lambda: {"Stripe-Signature": sign("{}", "whsec_other")}, "signature_wrong"),
        (lambda: {"Stripe-Signature": sign("{}", "")}, "signature_wrong"),
        (lambda: {"Stripe-Signature": sign("{}", timestamp=int(time.time()) - 400)}, "signature_too_old"),
        (lambda: {"Stripe-Signature": sign("{}")}, "payload_unreadable"),
    ],
)
def test_what_stripe_did_not_sign_is_400(signed: Callable[[], dict[str, str]], code: str) -> None:
    answer = Client().post(
        "/webhooks/stripe/default", "{}", content_type="application/json", headers=signed()
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert StripeEvent.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        *("", "not json", "[]", "null", '{"id": 1, "type": "x"}', '{"type": "x"}', "{" * 5000),
        *(f'{{"id": "evt_1", "type": "x", "a": [{number}]}}' for number in ("NaN", "-Infinity", "1e999")),
    ],
)
def test_a_signed_body_that_is_no_event_is_400(body: str) -> None:
    headers = {"Stripe-Signature": sign(body)}
    answer = Client().post("/webhooks/stripe/default", body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "payload_unreadable")


def test_bytes_that_are_no_text_and_bodies_too_large_are_400() -> None:
    for body in (b"\xff\xfe", b"{" + b" " * 3_000_000):
        headers = {"Stripe-Signature": "t=1,v1=0"}
        answer = Client().post(
            "/webhooks/stripe/default", body, content_type="application/json", headers=headers
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "payload_unreadable")


@pytest.mark.parametrize("odd", [5, 1.5, "kopeck_payment", ["kopeck_payment"], True, None, {"a": None}])
@pytest.mark.parametrize(
    "kind", ["checkout.session.completed", "payment_intent.payment_failed", "payment_intent.succeeded"]
)
def test_an_object_whose_parts_are_odd_is_kept_and_answered_200(
    sandbox: ShopSandbox, deliver: Deliver, kind: str, odd: Any
) -> None:
    body = {"id": "pi_1", "metadata": odd, "last_payment_error": odd, "payment_intent": odd, "charge": odd}
    answer = deliver({"id": "evt_1", "type": kind, "created": odd, "data": {"object": body}})
    assert (answer.status_code, answer.json()["status"]) == (200, "ignored")
    assert StripeEvent.objects.get().payload["data"]["object"]["metadata"] == odd


def test_both_secrets_are_taken_during_rotation(deliver: Deliver) -> None:
    event = {"id": "evt_1", "type": "x.y", "data": {"object": {}}}
    assert deliver(event, secret="whsec_tests").status_code == 200
    assert deliver({**event, "id": "evt_2"}, secret="whsec_tests_before").status_code == 200


def test_no_secret_means_no_endpoint(deliver: Deliver, settings: Any) -> None:
    from dataclasses import replace

    settings.STRIPE_ACCOUNTS = {"default": replace(settings.STRIPE_ACCOUNTS["default"], webhook_secrets=())}
    assert deliver({"id": "evt_1", "type": "x", "data": {"object": {}}}, secret="").status_code == 404
    assert deliver({"id": "evt_1", "type": "x", "data": {"object": {}}}, account="eur").status_code == 404
    assert StripeEvent.objects.count() == 0


def test_only_post_is_taken() -> None:
    assert Client().get("/webhooks/stripe/default").status_code == 405


def test_an_event_of_the_other_mode_is_kept_and_rejected(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    order = payment.order
    answer = deliver({**completed(sandbox), "livemode": True})
    assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
    order.refresh_from_db()
    assert order.status == "open"


def test_stripe_down_while_handling_is_500_and_the_next_delivery_works_it_off(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    """pain 4"""
    payment = paid_at_stripe(sandbox, buyer)
    order = payment.order
    event = completed(sandbox)
    sandbox.control(
        "PUT", "faults", {"next": [{"kind": "error", "path": "/v1/checkout/sessions", "method": "GET"}]}
    )
    answer = deliver(event, client=Client(raise_request_exception=False))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "event_failed")
    stored = StripeEvent.objects.get()
    assert (stored.status, stored.attempts) == ("failed", 1)
    assert "StripeUnavailable" in stored.outcome
    assert deliver(event).status_code == 200
    order.refresh_from_db()
    stored.refresh_from_db()
    assert (order.status, stored.status, stored.attempts) == ("paid", "done", 2)


def test_a_crash_between_storing_and_applying_an_event_is_made_good_by_its_next_copy(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pain 4"""
    from kopeck.webhooks import intake

    payment = paid_at_stripe(sandbox, buyer)
    order = payment.order
    event = completed(sandbox)

    class PowerCut(BaseException):
        pass

    def die(_event: StripeEvent) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(intake, "_handle", die)
        with pytest.raises(PowerCut):
            deliver(event)
    assert StripeEvent.objects.get().status == "received"
    assert deliver(event).status_code == 200
    order.refresh_from_db()
    assert order.status == "paid"


def test_an_event_of_a_session_whose_id_we_crashed_before_storing_finds_its_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    order, session_id = payment.order, payment.stripe_id
    Payment.objects.update(status="creating", stripe_id=None, url="", lease_until=None)
    assert deliver(completed(sandbox)).json()["status"] == "done"
    order.refresh_from_db()
    assert (order.status, order.payments.get().stripe_id) == ("paid", session_id)


def test_client_secrets_are_not_kept(sandbox: ShopSandbox, deliver: Deliver) -> None:
    body = {"id": "pi_1", "client_secret": "pi_1_secret_x"}
    deliver({"id": "evt_1", "type": "payment_intent.created", "data": {"object": body}})
    assert "secret" not in json.dumps(StripeEvent.objects.get().payload)


def test_events_of_three_api_versions_do_the_same(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    order, session_id = payment.order, payment.stripe_id
    for number, version in enumerate(("2022-11-15", "2025-03-31.basil", "2027-01-01.future")):
        thin = {"id": f"evt_{number}", "api_version": version, "type": "checkout.session.completed",
                "data": {"object": {"id": session_id}}}  # fmt: skip
        assert deliver(thin).json()["status"] == "done"
    order.refresh_from_db()
    assert order.status == "paid"


@pytest.mark.parametrize(
    "type_", ["payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.x"]
)
def test_the_intent_of_a_checkout_attempt_that_is_still_being_created_is_not_taken_for_its_session(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, type_: str
) -> None:
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert buyer.get(f"/buy/{make_item().pk}").status_code == 503
    sandbox.control("PUT", "faults", {"error_rate": 0})
    attempt = Payment.objects.get()
    body = {"id": "pi_1", "object": "payment_intent", "metadata": {"kopeck_payment": str(attempt.key)}}
    answer = deliver({"id": "evt_1", "object": "event", "type": type_, "data": {"object": body}})
    # A declined card is counted, whatever becomes of the rest.
    said = "done" if type_.endswith("failed") else "ignored"
    assert (answer.status_code, answer.json()) == (200, {"status": said})
    attempt.refresh_from_db()
    assert (attempt.status, attempt.stripe_id) == ("creating", None)


@pytest.mark.parametrize(
    ("way", "type_"), [("buy", "checkout.session.expired"), ("intent", "payment_intent.canceled")]
)
def test_an_object_that_stripe_does_not_know_does_not_end_an_attempt_that_is_being_created(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, way: str, type_: str
) -> None:
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert buyer.get(f"/{way}/{make_item().pk}").status_code == 503
    sandbox.control("PUT", "faults", {"error_rate": 0})
    attempt = Payment.objects.get()
    body = {"id": "cs_1", "metadata": {"kopeck_payment": str(attempt.key)}}
    answer = deliver({"id": "evt_1", "object": "event", "type": type_, "data": {"object": body}})
    assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    attempt.refresh_from_db()
    assert (attempt.status, attempt.stripe_id) == ("creating", None)
