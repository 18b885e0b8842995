"""What arrives at a webhook endpoint, and that the API never waits for it."""

from __future__ import annotations

import json
import time

import pytest
import stripe

from sandbox_testing.own import SECRET, Own, Receiver, eventually, own_sandbox, receiving
from sandbox_testing.spec import object_violations


def test_an_event_arrives_signed_as_the_stripe_library_verifies_it(own: Own, receiver: Receiver) -> None:
    customer = own.client.v1.customers.create({"email": "a@example.com"})
    received = receiver.wait(1)[0]
    event = received.event()
    assert event.type == "customer.created"
    assert event.data.object.id == customer.id
    assert event.livemode is False
    assert event.api_version == "2026-10-28.endive"
    assert abs(received.timestamp - time.time()) < 5
    with pytest.raises(stripe.SignatureVerificationError):
        received.event("whsec_of_somebody_else")


def test_the_body_and_headers_look_like_stripes(own: Own, receiver: Receiver) -> None:
    own.client.v1.customers.create({"name": "Анна"})
    received = receiver.wait(1)[0]
    assert object_violations(json.loads(received.body)) == []
    assert received.body == json.dumps(json.loads(received.body), indent=2, ensure_ascii=False).encode()
    assert "Анна".encode() in received.body
    assert received.headers["User-Agent"] == "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
    assert received.headers["Content-Type"] == "application/json; charset=utf-8"


def test_the_event_names_the_request_that_caused_it(own: Own, receiver: Receiver) -> None:
    customer = own.client.v1.customers.create({}, {"idempotency_key": "the-key"})
    event = receiver.wait(1)[0].event()
    assert event.request.id == customer.last_response.request_id
    assert event.request.idempotency_key == "the-key"


def test_an_update_tells_what_was_before(own: Own, receiver: Receiver) -> None:
    customer = own.client.v1.customers.create({"name": "Ann", "metadata": {"a": "1", "b": "2"}})
    own.client.v1.customers.update(customer.id, {"name": "Bob", "metadata": {"a": "3", "c": "4"}})
    event = receiver.wait(2)[1].event()
    assert event.type == "customer.updated"
    assert event.data.previous_attributes.to_dict() == {"name": "Ann", "metadata": {"a": "1", "c": None}}


def test_an_update_that_changes_nothing_makes_no_event(own: Own, receiver: Receiver) -> None:
    customer = own.client.v1.customers.create({"name": "Ann"})
    own.client.v1.customers.update(customer.id, {"name": "Ann"})
    own.client.v1.customers.delete(customer.id)
    receiver.wait(2)
    assert receiver.types() == ["customer.created", "customer.deleted"]


def test_a_refused_request_makes_no_event(own: Own, receiver: Receiver) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        own.client.v1.customers.create({"email": "nonsense"})
    own.client.v1.coupons.create({"percent_off": 10})
    receiver.wait(1)
    assert receiver.types() == ["coupon.created"]


def test_events_of_one_object_arrive_in_order(own: Own, receiver: Receiver) -> None:
    customer = own.client.v1.customers.create({"name": "0"})
    for number in range(1, 15):
        own.client.v1.customers.update(customer.id, {"name": str(number)})
    names = [received.event().data.object.name for received in receiver.wait(15)]
    assert names == [str(number) for number in range(15)]


def test_the_api_answers_while_an_endpoint_hangs(own: Own, receiver: Receiver) -> None:
    own.faults(webhook_timeout_seconds=60)
    receiver.hold = 30
    own.client.v1.customers.create({})
    (hanging,) = receiver.wait(1)
    for _ in range(5):
        own.client.v1.customers.create({})
    assert time.time() < hanging.at + receiver.hold


def test_an_endpoint_is_asked_a_few_things_at_once_and_no_more(own: Own, receiver: Receiver) -> None:
    receiver.hold = 0.2
    for _ in range(10):
        own.client.v1.customers.create({})
    receiver.wait(10)
    assert receiver.most_at_once == 4


def test_a_hanging_endpoint_does_not_hold_up_another(receiver: Receiver) -> None:
    with (
        receiving() as slow,
        own_sandbox(webhooks=(f"{slow.url}={SECRET}", f"{receiver.url}={SECRET}")) as own,
    ):
        own.faults(webhook_timeout_seconds=60)
        slow.hold = 30
        for _ in range(8):
            own.client.v1.customers.create({})
        receiver.wait(8)
        assert time.time() < slow.wait(1)[0].at + slow.hold


def test_an_event_counts_the_endpoints_that_have_not_taken_it(own: Own, receiver: Receiver) -> None:
    own.faults(webhooks_paused=True)
    own.client.v1.customers.create({})
    event = own.client.v1.events.list().data[0]
    assert event.pending_webhooks == 1
    own.faults(webhooks_paused=False)
    receiver.wait(1)
    eventually(lambda: own.client.v1.events.retrieve(event.id).pending_webhooks == 0)


def test_an_endpoint_with_a_tail_gets_the_events_of_that_account_alone(receiver: Receiver) -> None:
    with own_sandbox(webhooks=(f"mine@{receiver.url}={SECRET}",)) as own:
        own.client_of("other").v1.customers.create({"name": "other"})
        own.client_of("mine").v1.customers.create({"name": "mine"})
        assert receiver.wait(1)[0].event().data.object.name == "mine"
        assert len(receiver.received) == 1
        assert own.deliveries(account="other") == []


def test_waiting_for_a_delivery_ends_with_the_endpoints_answer(own: Own, receiver: Receiver) -> None:
    receiver.hold = 0.5
    customer = own.client.v1.customers.create({})
    assert not own.box.webhooks.wait_delivered(customer.id, 0.05, type="customer.created")
    assert own.box.webhooks.wait_delivered(customer.id, 0.05, type="customer.updated")
    assert own.box.webhooks.wait_delivered(customer.id, 5, type="customer.created")
    assert own.deliveries()[0]["status"] == "succeeded"
