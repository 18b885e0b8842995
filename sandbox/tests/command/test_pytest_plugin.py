"""The pytest plugin as a stranger's project has it: a run of its own, with nothing else of ours."""

import os
import subprocess
import sys
from pathlib import Path

from sandbox_testing.program import ROOT

TESTS = """
import pytest
import stripe
from stripe_sandbox.pytest_plugin import Declined

seen = []


@pytest.fixture
def shop(stripe_sandbox):
    return stripe.StripeClient(stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url})


def order(shop):
    price = {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Tea"}}
    line = {"quantity": 1, "price_data": price}
    return shop.v1.checkout.sessions.create(
        {"mode": "payment", "success_url": "https://shop.example/", "line_items": [line]}
    ).id


def test_a_buyer_pays(stripe_sandbox, shop):
    session = order(shop)
    with pytest.raises(Declined) as declined:
        stripe_sandbox.pay_session(session, "4000000000009995")
    assert declined.value.decline_code == "insufficient_funds"
    assert stripe_sandbox.pay_session(session, email="ann@example.com")["outcome"] == "paid"
    assert stripe_sandbox.events("checkout.session.*")[0]["type"] == "checkout.session.completed"
    seen.append(stripe_sandbox.secret_key)


def test_time_passes(stripe_sandbox, shop):
    session = order(shop)
    stripe_sandbox.advance(days=1, seconds=1)
    assert shop.v1.checkout.sessions.retrieve(session).status == "expired"
    seen.append(stripe_sandbox.secret_key)


def test_nothing_is_left_of_the_tests_before(stripe_sandbox):
    assert stripe_sandbox.control("GET", "clock")["offset"] == 0
    assert stripe_sandbox.control("GET", "accounts")["data"] == []
    assert stripe_sandbox.secret_key not in seen


def test_webhooks_are_signed_with_a_secret_of_ones_own(stripe_sandbox):
    assert stripe_sandbox.send_webhooks_to("http://127.0.0.1:9/", secret="whsec_mine") == "whsec_mine"
    assert stripe_sandbox.send_webhooks_to("http://127.0.0.1:9/", "customer.created").startswith("whsec_")
    stripe_sandbox.post("customers", email="ann@example.com")
    assert len(stripe_sandbox.deliver()) == 2


def test_faults_strike(stripe_sandbox, shop):
    stripe_sandbox.faults(error_rate=1)
    with pytest.raises(stripe.APIError):
        shop.v1.customers.list()
"""


def test_a_project_tests_its_shop_with_it(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(TESTS, encoding="utf-8")
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "stripe_sandbox.pytest_plugin",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
