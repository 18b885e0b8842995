"""`manage.py doctor` at Stripe: keys, clock, endpoint, secret, discounts, and every way to be wrong."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from kopeck.ops import stripe_checks
from kopeck.stripe_api.accounts import SANDBOX_TAIL
from kopeck.webhooks import endpoints
from tests.ops.doctoring import Patient, somebody_else
from tests.ops.doctoring import patient as patient
from tests.support.mirroring import make_tax, rates, sync
from tests.support.shop import make_item
from tests.support.worker import forget_jobs

#: The doctor reads the clock of Stripe's server.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sockets]
AT = "stripe default"


def make_session() -> str:
    answer = Client(SERVER_NAME="localhost").get(f"/buy/{make_item().pk}")
    return str(answer.json()["session_id"])


def test_a_key_that_stripe_does_not_know_is_wrong_and_not_shown(patient: Patient) -> None:
    patient.account(secret_key="sk_live_nobodysecret")
    found = patient.examine()
    level, said = found[AT, "keys"]
    assert level == "fail"
    assert "Invalid API Key provided" in said
    assert "nobodysecret" not in said
    assert (AT, "clock") not in found  # nothing more to be asked with it


def test_a_stripe_that_is_away_is_said(patient: Patient) -> None:
    patient.sandbox.control("PUT", "faults", {"error_rate": 1})
    level, said = patient.examine()[AT, "keys"]
    assert (level, said[:9]) == ("fail", "APIError:")


def test_a_stripe_that_nobody_reaches_is_one_sentence(patient: Patient, settings: Any) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:1"
    assert patient.examine()[AT, "keys"] == ("fail", "Stripe did not answer: Connection refused")


def test_a_key_of_another_mode_than_we_think_is_wrong(patient: Patient) -> None:
    """pain 11"""
    make_session()
    patient.account(livemode=True)
    assert patient.examine()[AT, "keys"] == ("fail", "Stripe says that this is a test key")


def test_a_restricted_key_works(patient: Patient) -> None:
    patient.account(secret_key=f"rk_test_{SANDBOX_TAIL}")
    assert patient.examine()[AT, "keys"] == ("ok", "the restricted key works, test mode")
    assert patient.code == 0


def test_a_publishable_key_of_another_account_is_found_out_by_a_payment(patient: Patient) -> None:
    """pain 10"""
    patient.sandbox.pay(make_session())
    assert patient.examine()[AT, "publishable key"] == ("ok", "it reads this account's payments")
    patient.account(publishable_key="pk_test_stranger")
    assert patient.examine()[AT, "publishable key"] == ("fail", "it is not of this account")


@pytest.mark.parametrize(
    ("secret", "publishable", "level"),
    [
        ("sk_test_51OneAccount12345Aaaa", "pk_test_51OneAccount12345Bbbb", "ok"),
        ("rk_test_51OneAccount12345Aaaa", "pk_test_51TwoAccount12345Bbbb", "fail"),
        ("sk_test_old", "pk_test_51TwoAccount12345Bbbb", "fail"),
        ("sk_test_old", "pk_test_older", "warn"),
    ],
)
def test_before_the_first_payment_the_keys_themselves_tell(
    patient: Patient, secret: str, publishable: str, level: str
) -> None:
    """pain 10: what follows sk_test_5 and acct_ is the account's"""
    patient.account(secret_key=secret, publishable_key=publishable)
    assert patient.examine()[AT, "publishable key"][0] == level


def test_two_names_for_one_account_are_doubtful(patient: Patient) -> None:
    """pain 10"""
    assert ("stripe", "accounts") not in patient.examine()
    patient.account("eur", secret_key=f"rk_test_{SANDBOX_TAIL}")
    level, said = patient.examine()["stripe", "accounts"]
    assert level == "warn"
    assert said.startswith("default and eur have keys of the same Stripe account, acct_")


@pytest.mark.parametrize(("skew", "level"), [(-3600, "fail"), (-50, "ok"), (50, "ok"), (90, "fail")])
def test_a_clock_that_differs_from_stripes_is_wrong(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, skew: int, level: str
) -> None:
    """pain 24"""
    monkeypatch.setattr(stripe_checks, "time", SimpleNamespace(time=lambda: time.time() + skew))
    found, said = patient.examine()[AT, "clock"]
    assert found == level
    assert ("ahead of" if skew > 0 else "behind") in said


def test_an_endpoint_that_was_never_made_is_missed(patient: Patient) -> None:
    for endpoint in patient.sandbox.stripe.v1.webhook_endpoints.list().data:
        patient.sandbox.stripe.v1.webhook_endpoints.delete(endpoint.id)
    level, said = patient.examine()[AT, "webhook endpoint"]
    assert level == "fail"
    assert said.endswith("/webhooks/stripe/default: Stripe delivers to nothing")


@pytest.mark.parametrize(
    "url",
    [
        "https://staging.example/webhooks/stripe/default",
        "http://localhost:1/webhooks/stripe/default",
        "https://localhost/webhooks/stripe/default",
    ],
)
def test_an_endpoint_that_points_to_another_host_is_wrong(patient: Patient, url: str) -> None:
    patient.endpoint(url=url)
    level, said = patient.examine()[AT, "webhook endpoint"]
    assert level == "fail"
    assert said == f"none leads to {patient.url}/webhooks/stripe/default: Stripe delivers to {url}"


@pytest.mark.parametrize("path", ["/webhooks/stripe/eur", "/webhooks/stripe", "/stripe/webhook"])
def test_an_endpoint_that_points_to_another_path_is_wrong(patient: Patient, path: str) -> None:
    """pain 10"""
    patient.endpoint(url=f"{patient.url}{path}")
    assert patient.examine()[AT, "webhook endpoint"][0] == "fail"


def test_a_slash_at_the_end_is_the_same_address(patient: Patient) -> None:
    patient.endpoint(url=f"{patient.url}/webhooks/stripe/default/")
    assert patient.examine()[AT, "webhook endpoint"][0] == "ok"
    assert patient.code == 0


def test_an_endpoint_that_is_switched_off_is_wrong(patient: Patient) -> None:
    patient.endpoint(status="disabled")
    level, said = patient.examine()[AT, "webhook endpoint"]
    assert (level, said.split()[-1]) == ("fail", "disabled")


def test_events_that_are_not_sent_are_named(patient: Patient) -> None:
    left_out = "checkout.session.async_payment_failed"
    patient.endpoint(enabled_events=[name for name in endpoints.event_types() if name != left_out])
    assert patient.examine()[AT, "webhook events"] == ("fail", f"not sent: {left_out}")
    patient.endpoint(enabled_events=["*"])
    assert patient.examine()[AT, "webhook events"][0] == "ok"


@pytest.mark.parametrize("version", ["2024-06-20", None])
def test_an_endpoint_of_another_api_version_is_doubtful(patient: Patient, version: str | None) -> None:
    """pain 25"""
    patient.settings.STRIPE_SANDBOX = False
    patient.endpoint(api_version=version)
    level, said = patient.examine()[AT, "webhook version"]
    assert level == "warn"
    assert said == f"{version or 'the default of the account'} instead of 2026-10-28.endive"


def test_two_endpoints_that_deliver_here_are_doubtful(patient: Patient) -> None:
    patient.sandbox.stripe.v1.webhook_endpoints.create(
        {"url": f"{patient.url}/webhooks/stripe/default", "enabled_events": ["*"]}
    )
    level, said = patient.examine()[AT, "webhook endpoint"]
    assert (level, said) == ("warn", "2 endpoints deliver the same events here")


def test_a_key_that_may_not_read_endpoints_is_said(patient: Patient) -> None:
    fault = {"kind": "error", "path": "/v1/webhook_endpoints"}
    patient.sandbox.control("PUT", "faults", {"next": [fault]})
    level, said = patient.examine()[AT, "webhook endpoint"]
    assert (level, said[:21]) == ("warn", "Stripe does not tell:")


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ({"status": 204}, "fail", "not this shop answers there: status 204"),
        ({"status": 200, "body": "<html>"}, "fail", "not this shop answers there: status 200"),
        ({"status": 301, "Location": "/elsewhere"}, "fail", "a redirect, which Stripe does not follow"),
        ({"status": 400, "body": '{"error": {"code": "signature_wrong"}}'}, "fail", "another webhook secret"),
        ({"status": 404, "body": '{"error": {"code": "no_such_endpoint"}}'}, "fail", "secret, or none"),
        ({"status": 400, "body": '{"error": {"code": "signature_too_old"}}'}, "fail", "clock is wrong"),
        ({"status": 400, "body": '{"error": "no"}'}, "fail", "status 400"),
    ],
)
def test_an_address_where_somebody_else_answers_is_wrong(
    patient: Patient, answer: dict[str, Any], level: str, words: str
) -> None:
    """pain 24, and pain 1: an old host that answers 204 to everything"""
    with somebody_else(**answer) as url:
        patient.settings.SITE_URL = url
        patient.endpoint(url=f"{url}/webhooks/stripe/default")
        found, said = patient.examine()[AT, "webhook address"]
    assert (found, words in said) == (level, True), said


def test_an_address_that_can_not_be_reached_from_here_is_doubtful(patient: Patient) -> None:
    patient.settings.SITE_URL = "http://127.0.0.1:1"
    patient.endpoint(url="http://127.0.0.1:1/webhooks/stripe/default")
    level, said = patient.examine()[AT, "webhook address"]
    assert (level, said[:26]) == ("warn", "not reachable from here: [")


def test_the_knock_at_the_webhook_leaves_no_event_behind(patient: Patient) -> None:
    from kopeck.webhooks.models import StripeEvent

    assert patient.examine()[AT, "webhook address"] == ("ok", "leads to this shop, with this secret")
    assert StripeEvent.objects.count() == 0


def test_drift_is_counted(patient: Patient) -> None:
    tax = make_tax(is_default=True)
    sync(tax)
    forget_jobs()
    assert patient.examine()[AT, "discounts and taxes"] == ("ok", "the same at Stripe")
    (rate,) = rates(patient.sandbox.stripe)
    patient.sandbox.stripe.v1.tax_rates.update(rate.id, {"active": False})
    assert patient.examine()[AT, "discounts and taxes"] == ("warn", "1 discrepancy")
