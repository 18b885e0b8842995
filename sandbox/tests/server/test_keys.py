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


@pytest.mark.parametrize("version", ["yesterday", "2022-11-16", "2025-03-31.clover", "2025-12-15."])
def test_a_version_that_stripe_never_had_is_refused(
    sandbox: CheckedSandbox, account: str, version: str
) -> None:
    headers = {"Authorization": f"Bearer sk_test_{account}", "Stripe-Version": version}
    answer = requests.get(f"{sandbox.url}/v1/events", headers=headers, timeout=120)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("Invalid Stripe API version: ")


@pytest.mark.parametrize(
    "version", ["2019-12-03", "2025-03-31", "2025-03-31.basil", "2025-03-31.preview", "2026-11-25.endive"]
)
def test_each_version_of_stripe_s_and_later_ones_are_taken(client: stripe.StripeClient, version: str) -> None:
    answer = client.raw_request("get", "/v1/events", stripe_version=version)
    assert answer.headers["Stripe-Version"] == version


def test_a_key_has_no_account_but_its_own(client: stripe.StripeClient) -> None:
    own = client.v1.accounts.retrieve_current().id
    assert client.v1.customers.create({}, {"stripe_account": own}).object == "customer"
    for header in ("stripe_account", "stripe_context"):
        with pytest.raises(stripe.PermissionError) as caught:
            client.v1.customers.create({}, {header: "acct_of_another"})  # type: ignore[misc]
        assert caught.value.error is not None
        assert (caught.value.http_status, caught.value.error.code) == (403, "account_invalid")
        assert "does not have access to account 'acct_of_another'" in str(caught.value)
    assert len(client.v1.customers.list().data) == 1
