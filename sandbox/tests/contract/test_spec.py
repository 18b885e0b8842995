"""The checker itself: it must be able to find fault, or its silence means nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import stripe

from sandbox_testing import spec
from sandbox_testing.orders import open_session
from sandbox_testing.server import CheckedSandbox
from stripe_sandbox.server import spec_parameters
from stripe_sandbox.server.forms import methods
from stripe_sandbox.server.routes import ROUTES


@pytest.fixture
def session(client: stripe.StripeClient) -> dict[str, Any]:
    answer: dict[str, Any] = open_session(client).to_dict()
    return answer


def of_session(body: Any) -> list[str]:
    return spec.response_violations("GET", "/v1/checkout/sessions/{session}", 200, body)


def test_a_good_answer_is_not_complained_of(session: dict[str, Any]) -> None:
    assert of_session(session) == []


@pytest.mark.parametrize(
    "change",
    [
        {"amount_total": "1000"},
        {"status": "done"},
        {"colour": "red"},
        {"created": None},
        {"total_details": {"amount_discount": 0}},
        {"url": 7},
    ],
)
def test_a_wrong_answer_is_found(session: dict[str, Any], change: dict[str, Any]) -> None:
    [complaint] = of_session({**session, **change})
    assert complaint


def test_a_missing_field_is_found(session: dict[str, Any]) -> None:
    del session["payment_status"]
    assert "payment_status" in of_session(session)[0]


def test_a_wrong_object_inside_an_event_is_found(client: stripe.StripeClient) -> None:
    client.v1.customers.create({})
    event = client.v1.events.list().data[0].to_dict(for_json=True)
    assert spec.object_violations(event) == []
    event["data"]["object"]["livemode"] = "no"
    assert spec.object_violations(event)[0].startswith("customer.created: livemode")


def test_a_wrong_error_is_found() -> None:
    assert spec.response_violations("GET", None, 404, {"error": {"type": "invalid_request_error"}}) == []
    assert spec.response_violations("GET", None, 404, {"error": {"type": "oops"}})
    assert spec.response_violations("GET", None, 404, {"message": "no"})


@pytest.mark.parametrize(
    "sent",
    [
        [("colour", "red")],
        [("mode", "rent")],
        [("line_items[0][quantity]", "many")],
        [("line_items[0][price_data][unit_amount]", "1")],
        [("client_reference_id", "x" * 201)],
        [("metadata", "x")],
    ],
)
def test_a_request_that_the_spec_does_not_allow_is_found(sent: list[tuple[str, str]]) -> None:
    assert len(spec.request_violations("POST", "/v1/checkout/sessions", sent)) == 1


def test_a_request_that_the_spec_allows_is_not(sandbox: CheckedSandbox) -> None:
    sent = [("line_items[0][price_data][currency]", "usd"), ("discounts", ""), ("expand[0]", "line_items")]
    assert spec.request_violations("POST", "/v1/checkout/sessions", sent) == []


def test_every_method_of_the_sandbox_is_one_of_stripe_s() -> None:
    known = {(verb.upper(), path) for path, verbs in spec.spec()["paths"].items() for verb in verbs}
    assert set(ROUTES) <= known


def test_the_parameters_are_those_of_the_spec() -> None:
    """`parameters.json` is what `stripe_sandbox.server.spec_parameters` makes of file and library."""
    file = json.loads(spec.FILE.read_text(encoding="utf-8"))
    fresh = spec_parameters.cut(file, Path(stripe.__file__).parent)
    assert json.loads(json.dumps(fresh)) == methods()
