"""Idempotency keys: one effect, the same answer again, and what is not kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import stripe

from sandbox_testing.orders import line, open_session, order
from sandbox_testing.own import own_sandbox
from sandbox_testing.server import CheckedSandbox

KEY: Any = {"idempotency_key": "attempt-1"}


def create(client: stripe.StripeClient, params: dict[str, Any], options: Any = KEY) -> Any:
    return client.v1.checkout.sessions.create(params, options)  # type: ignore[arg-type]


def headers_of(obj: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in obj.last_response.headers.items()}


def test_the_same_key_replays_the_first_answer(client: stripe.StripeClient) -> None:
    first = create(client, order())
    again = create(client, order())
    assert again.to_dict() == first.to_dict()
    assert len(client.v1.checkout.sessions.list().data) == 1
    assert "idempotent-replayed" not in headers_of(first)
    assert headers_of(again)["idempotent-replayed"] == "true"
    assert headers_of(again)["original-request"] == headers_of(first)["request-id"]
    assert headers_of(again)["request-id"] != headers_of(first)["request-id"]


def test_a_replay_is_the_answer_of_then_even_when_the_object_has_changed(client: stripe.StripeClient) -> None:
    session = create(client, order())
    client.v1.checkout.sessions.expire(session.id)
    assert create(client, order()).status == "open"


def test_the_order_of_parameters_does_not_matter(client: stripe.StripeClient) -> None:
    first = create(client, order(metadata={"a": "1", "b": "2"}))
    turned = dict(reversed(order(metadata={"b": "2", "a": "1"}).items()))
    assert create(client, turned).id == first.id


def test_the_same_key_with_other_parameters_is_refused(client: stripe.StripeClient) -> None:
    create(client, order())
    with pytest.raises(stripe.IdempotencyError) as caught:
        create(client, order(line(2000)))
    assert caught.value.http_status == 400
    assert caught.value.user_message == (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        "Try using a key other than 'attempt-1' if you meant to execute a different request."
    )


def test_the_same_key_at_another_address_is_refused(client: stripe.StripeClient) -> None:
    create(client, order())
    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.customers.create({}, KEY)
    assert caught.value.user_message == (
        "Keys for idempotent requests can only be used for the same endpoint they were first used for "
        "('/v1/customers' vs '/v1/checkout/sessions'). Try using a key other than 'attempt-1' if you meant "
        "to execute a different request."
    )


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(sandbox: CheckedSandbox, account: str, key: str) -> None:
    headers = {"Authorization": f"Bearer sk_test_{account}", "Idempotency-Key": key}
    answer = requests.post(f"{sandbox.url}/v1/customers", headers=headers, timeout=120)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "dempotency" in answer.json()["error"]["message"]


def test_another_account_may_use_the_same_key(
    client: stripe.StripeClient, make_client: Callable[..., stripe.StripeClient], account: str
) -> None:
    first = create(client, order())
    assert create(make_client(f"sk_test_other{account}"), order()).id != first.id


def test_a_validation_failure_does_not_use_the_key_up(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        create(client, order(colour="red"))
    assert create(client, order()).status == "open"


def test_an_expansion_that_there_is_not_does_not_use_the_key_up(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        create(client, order(expand=["nonsense"]))
    assert create(client, order()).status == "open"


def test_a_refusal_by_the_method_itself_is_replayed(client: stripe.StripeClient) -> None:
    tiny = order(line(10))
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            create(client, tiny)
        assert caught.value.code == "amount_too_small"
    assert caught.value.headers is not None
    assert caught.value.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        create(client, order())


def test_a_declined_card_is_replayed_without_a_second_try(client: stripe.StripeClient) -> None:
    wanted: Any = {
        "amount": 1000,
        "currency": "usd",
        "confirm": True,
        "allowed_payment_method_types": ["card"],
        "payment_method": "pm_card_visa_chargeDeclined",
    }
    errors = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_intents.create(wanted, KEY)
        errors.append(caught.value.json_body)
    assert errors[0] == errors[1]
    assert len(client.v1.charges.list().data) == 1


def test_a_rate_limited_request_does_not_use_the_key_up(account: str) -> None:
    with own_sandbox() as own:
        own.faults(next=[{"kind": "rate_limit"}])
        with pytest.raises(stripe.RateLimitError):
            create(own.client, order())
        assert create(own.client, order()).status == "open"


@pytest.mark.parametrize(("kind", "made"), [("error", 0), ("error_after", 1)])
def test_a_500_can_be_kept_under_its_key_as_stripe_keeps_it(kind: str, made: int) -> None:
    with own_sandbox() as own:
        own.faults(keep_errors=True, next=[{"kind": kind}])
        for _ in range(2):
            with pytest.raises(stripe.APIError) as caught:
                own.client.v1.customers.create({}, KEY)
            assert caught.value.http_status == 500
        assert caught.value.headers is not None
        assert caught.value.headers["Idempotent-Replayed"] == "true"
        with pytest.raises(stripe.IdempotencyError):
            own.client.v1.customers.create({"name": "Ann"}, KEY)
        assert len(own.client.v1.customers.list().data) == made
        own.faults(keep_errors=False, next=[{"kind": kind}])
        with pytest.raises(stripe.APIError):
            own.client.v1.customers.create({}, {"idempotency_key": "attempt-2"})
        assert own.client.v1.customers.create({}, {"idempotency_key": "attempt-2"}).object == "customer"


def test_an_answer_that_was_lost_is_there_for_the_retry() -> None:
    with own_sandbox() as own:
        own.faults(next=[{"kind": "cut_after", "path": "/v1/checkout/sessions"}])
        patient = own.client_of(own.tail, retries=2)
        session = create(patient, order(), None)
        assert headers_of(session)["idempotent-replayed"] == "true"
        assert [found.id for found in own.client.v1.checkout.sessions.list().data] == [session.id]


def test_the_same_key_in_flight_is_a_409() -> None:
    with own_sandbox() as own:
        own.faults(next=[{"kind": "latency", "ms": 700, "path": "/v1/checkout/sessions"}])

        def ask(_: int) -> Any:
            try:
                return create(own.client_of(own.tail), order()).status
            except stripe.APIError as error:
                return error.http_status, error.json_body["error"]["code"]

        with ThreadPoolExecutor(2) as two:
            answers = set(two.map(ask, range(2)))
        assert answers == {"open", (409, "idempotency_key_in_use")}
        assert len(own.client.v1.checkout.sessions.list().data) == 1


def test_a_key_is_forgotten_after_24_hours() -> None:
    with own_sandbox() as own:
        first = create(own.client, order())
        own.box.clock.advance(24 * 3600 + 1)
        assert create(own.client, order()).id != first.id


def test_a_key_that_is_too_long_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="too long"):
        create(client, order(), {"idempotency_key": "k" * 256})


def test_every_call_of_the_library_has_a_key_of_its_own(client: stripe.StripeClient) -> None:
    assert open_session(client).id != open_session(client).id


def test_an_event_names_the_key_that_caused_it(client: stripe.StripeClient, sandbox: CheckedSandbox) -> None:
    client.v1.customers.create({}, KEY)
    [event] = client.v1.events.list({"type": "customer.created"}).data
    assert event.request is not None
    assert event.request.idempotency_key == "attempt-1"
    assert str(event.request.id).startswith("req_")
