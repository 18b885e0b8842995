"""What `/_sandbox/` refuses, each in a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox_testing.own import Own
from sandbox_testing.shopping import GOOD, open_session


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "sentence"),
    [
        (
            "POST",
            "sessions/cs_nope/pay",
            {"card": GOOD},
            404,
            "no_such_session",
            "No such Checkout Session: cs_nope.",
        ),
        (
            "POST",
            "intents/pi_nope/pay",
            {"card": GOOD},
            404,
            "no_such_intent",
            "No such PaymentIntent: pi_nope.",
        ),
        ("POST", "webhooks/deliver", {"event": "evt_nope"}, 404, "no_such_event", "No such event: evt_nope."),
        ("POST", "webhooks/deliver", {"evnt": "x"}, 400, "unknown_field", "Unknown: evnt. Known are event."),
        (
            "POST",
            "webhook_endpoints/we_nope/roll",
            {},
            404,
            "no_such_endpoint",
            "No such webhook endpoint: we_nope.",
        ),
        (
            "POST",
            "clock/advance",
            {"seconds": -1},
            400,
            "bad_seconds",
            "seconds is a whole number of at least 0",
        ),
        ("POST", "clock/advance", {"seconds": "1"}, 400, "bad_field", "seconds is a whole number."),
        ("POST", "clock/advance", [], 400, "bad_json", "Send a JSON object."),
        ("POST", "clock/advance", {"seconds": 10**18}, 400, "bad_seconds", f"{10**18} seconds are too many"),
        ("POST", "clock/advance", json.loads("[" * 900 + "]" * 900), 400, "bad_json", "Send a JSON object."),
        (
            "PUT",
            "faults",
            {"latency_ms": float("inf")},
            400,
            "bad_fault",
            "latency_ms is a number",
        ),
        ("PUT", "accounts/mine", {"api_version": "2022-11-16"}, 400, "bad_version", "api_version is one of"),
        ("GET", "events?limit=0", None, 400, "bad_limit", "limit is a whole number from 1 to 500."),
    ],
)
def test_a_bad_request_is_refused_in_a_sentence(
    own: Own, method: str, path: str, body: Any, status: int, code: str, sentence: str
) -> None:
    told, answer = own.control(method, path, body)
    assert (told, answer["error"]["code"]) == (status, code)
    assert answer["error"]["message"].startswith(sentence)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "card_missing"),
        ({"card": 4242}, "bad_field"),
        ({"card": GOOD, "authenticate": "yes"}, "bad_field"),
        ({"card": GOOD, "cvv": "1"}, "unknown_field"),
    ],
)
def test_a_payment_without_a_proper_card_is_refused(own: Own, body: dict[str, Any], code: str) -> None:
    status, answer = own.control("POST", f"sessions/{open_session(own).id}/pay", body)
    assert (status, answer["error"]["code"]) == (400, code)
