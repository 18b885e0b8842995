"""Keys and accounts: one tail is one account, and a wrong key is a 401."""

from collections.abc import Callable

import pytest
import requests
import stripe

from sandbox_testing.orders import open_session
from sandbox_testing.server import CheckedSandbox

MakeClient = Callable[..., stripe.StripeClient]


@pytest.mark.parametrize("key", ["sk_live_abcdefgh1234", "whsec_x", "abc", "sk_test_a b"])
def test_a_wrong_key_is_refused_and_masked(make_client: MakeClient, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError) as caught:
        make_client(key).v1.events.list()
    assert caught.value.http_status == 401
    assert "Invalid API Key provided" in str(caught.value)
    assert key not in str(caught.value)


def test_no_key_at_all_is_a_401(sandbox: CheckedSandbox) -> None:
    answer = requests.get(f"{sandbox.url}/v1/events", timeout=120)
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("You did not provide an API key.")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_basic_authorization_works_too(sandbox: CheckedSandbox, account: str) -> None:
    answer = requests.get(f"{sandbox.url}/v1/events", auth=(f"sk_test_{account}", ""), timeout=120)
    assert answer.status_code == 200


def test_secret_and_restricted_keys_with_one_tail_are_one_account(
    client: stripe.StripeClient, make_client: MakeClient, account: str
) -> None:
    session = open_session(client)
    assert make_client(f"rk_test_{account}").v1.checkout.sessions.retrieve(session.id).id == session.id


def test_accounts_do_not_see_each_other(client: stripe.StripeClient, make_client: MakeClient) -> None:
    session = open_session(client)
    stranger = make_client("sk_test_stranger")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        stranger.v1.checkout.sessions.retrieve(session.id)
    assert caught.value.http_status == 404
    assert caught.value.code == "resource_missing"
    assert caught.value.user_message == f"No such checkout.session: '{session.id}'"


def test_a_publishable_key_cannot_do_what_a_secret_key_can(make_client: MakeClient, account: str) -> None:
    with pytest.raises(stripe.AuthenticationError) as caught:
        open_session(make_client(f"pk_test_{account}"))
    assert caught.value.error is not None
    assert caught.value.error.code == "secret_key_required"


def test_an_address_that_stripe_does_not_have_is_a_404(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.raw_request("get", "/v1/teapots")
    assert caught.value.http_status == 404
    assert str(caught.value.user_message).startswith("Unrecognized request URL (GET: /v1/teapots).")


def test_a_method_that_only_stripe_has_says_so(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.charges.create({"amount": 1000, "currency": "usd"})
    assert caught.value.code == "sandbox_not_supported"


def test_every_answer_names_its_request_and_version(client: stripe.StripeClient) -> None:
    session = open_session(client)
    assert session.last_response is not None
    headers = {name.lower(): value for name, value in session.last_response.headers.items()}
    assert headers["request-id"].startswith("req_")
    assert headers["original-request"] == headers["request-id"]
    assert headers["stripe-version"] == "2026-10-28.endive"
    assert headers["stripe-should-retry"] == "false"
    assert headers["idempotency-key"]


def test_a_malformed_version_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        client.v1.events.list(options={"stripe_version": "yesterday"})
