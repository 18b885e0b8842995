"""Nothing real is called unknown: whatever Stripe's own library can call is here, or is said not to be."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe
from flask.testing import FlaskClient

from stripe_sandbox.app import create_app
from stripe_sandbox.box import Box
from stripe_sandbox.server import spec_paths
from stripe_sandbox.server.routes import ROUTES

PATHS = spec_paths.TARGET.read_text(encoding="utf-8").splitlines()
HEADERS = {"Authorization": "Bearer sk_test_paths"}


@pytest.fixture(scope="module")
def http() -> Iterator[FlaskClient]:
    box = Box()
    yield create_app(box).test_client()
    box.close()


def error_of(http: FlaskClient, method: str, path: str) -> tuple[int, str | None, str]:
    answer = http.open(path, method=method, headers=HEADERS)
    error = (answer.json or {}).get("error", {})
    return answer.status_code, error.get("code"), error.get("message", "")


def test_every_path_of_stripe_s_library_is_answered_or_said_not_to_be_here(http: FlaskClient) -> None:
    here = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in ROUTES}
    for line in PATHS:
        method, path = line.split()
        status, code, message = error_of(http, method, re.sub(r"\{\w+\}", "x_1", path))
        if (method, re.sub(r"\{\w+\}", "{}", path)) in here:
            assert code != "sandbox_not_supported", line
            assert "Unrecognized" not in message, line
        else:
            assert (status, code) == (404, "sandbox_not_supported"), line
    assert len(PATHS) > 600


def test_the_error_says_what_is_asked_for_and_what_is_here(http: FlaskClient) -> None:
    _, _, message = error_of(http, "POST", "/v1/subscriptions?customer=cus_1")
    assert message.startswith("The local sandbox does not have POST /v1/subscriptions, though Stripe does.")
    assert "/v1/checkout/sessions, /v1/confirmation_tokens, /v1/coupons, /v1/customers" in message


def test_what_looks_like_an_id_of_ours_is_not_taken_for_one(http: FlaskClient) -> None:
    assert error_of(http, "GET", "/v1/subscriptions/search?query=x")[1] == "sandbox_not_supported"
    assert error_of(http, "GET", "/v1/customers/cus_nope")[1] == "resource_missing"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/teapots"), ("DELETE", "/v1/payment_intents/pi_1"), ("GET", "/v1/customers/c/teapots")],
)
def test_only_what_stripe_does_not_have_is_unrecognized(http: FlaskClient, method: str, path: str) -> None:
    assert error_of(http, method, path)[2].startswith(f"Unrecognized request URL ({method}: {path})")


def test_an_id_that_is_missing_is_no_list(http: FlaskClient) -> None:
    status, _, message = error_of(http, "GET", "/v1/customers/")
    assert status == 404
    assert message == (
        "Unrecognized request URL (GET: /v1/customers/). If you are trying to list objects, remove the "
        "trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) "
        "identifier in your code. Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
    )
    assert error_of(http, "GET", "/v1/teapots")[2] == (
        "Unrecognized request URL (GET: /v1/teapots). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/."
    )


def test_the_list_has_all_that_the_library_of_the_tests_calls() -> None:
    found = spec_paths.read([Path(stripe.__file__).parent])
    assert len(found) > 500
    shapes = {re.sub(r"\{\w+\}", "{}", line) for line in PATHS}
    assert {re.sub(r"\{\w+\}", "{}", line) for line in found} <= shapes
