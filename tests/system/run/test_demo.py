"""The shop that anybody may try: one port, a log-in that only looks, nothing left of it the next day."""

import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from tests.support.starting import Started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]
#: A forwarder's headers, as an editor in the browser sends them: https ends before it.
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Started]:
    """Started now, to begin anew in two to three minutes."""
    soon = datetime.now(UTC) + timedelta(minutes=3)
    run = Started(folder / "demo", program="kopeck_local.demo", DEMO_RESET=f"{soon:%H:%M}")
    yield run.wait_until_ready()
    run.end(signal.SIGTERM)


def pay_at_checkout(visitor: requests.Session, url: str, **options: object) -> requests.Response:
    """The form of the hosted page, filled in as a buyer does."""
    page = visitor.get(url, timeout=60, **options)  # type: ignore[arg-type]
    assert page.status_code == 200, page.text
    form = dict.fromkeys(re.findall(r'<input[^>]+name="([^"]+)"[^>]*required', page.text), "Test 1")
    card = {"cardNumber": "4242424242424242", "cardExpiry": "12/34", "cardCvc": "123"}
    buyer = {"email": "ada@example.com", "billingName": "Ada Byron"}
    return visitor.post(
        url,
        data={**form, **card, **buyer},
        timeout=60,
        allow_redirects=False,
        **options,  # type: ignore[arg-type]
    )


def status_of(visitor: requests.Session, base: str, **options: object) -> str:
    """What the page of the visitor's one order says, once it is not open any more."""
    deadline = time.monotonic() + 60
    while True:
        listed = visitor.get(f"{base}/orders", timeout=60, **options).text  # type: ignore[arg-type]
        found = re.search(r'href="(/order/\d+[^"]*)"', listed)
        assert found, listed
        page = visitor.get(f"{base}{found[1]}", timeout=60, **options).text  # type: ignore[arg-type]
        shown = re.search(r'data-order-status="(\w+)"', page)
        assert shown, page
        if shown[1] != "open" or time.monotonic() > deadline:
            return shown[1]
        time.sleep(0.2)


def test_a_buyer_pays_by_the_one_port_and_the_next_day_knows_nothing_of_it(demo: Started) -> None:
    base, visitor = f"http://localhost:{demo.port}", requests.Session()
    bought = visitor.get(f"{base}/buy/1", timeout=120).json()
    assert bought["url"].startswith(f"{base}/stripe/c/pay/")
    assert pay_at_checkout(visitor, bought["url"]).status_code == 303
    assert status_of(visitor, base) == "paid"
    assert visitor.get(f"{base}/stripe/", timeout=60).status_code == 200

    deadline = time.monotonic() + 300
    while demo.output.count("Ctrl-C") < 2:  # ready a second time
        assert demo.process.poll() is None, demo.output
        assert time.monotonic() < deadline, demo.output
        time.sleep(0.5)
    assert visitor.get(f"{base}/order/1", timeout=60).status_code == 404
    ledger = requests.get(f"{base}/stripe/_sandbox/ledger", timeout=60).json()
    assert [account["charges"] for account in ledger["accounts"]] == [[], []]


def test_the_visitor_of_the_admin_looks_and_changes_nothing(demo: Started) -> None:
    base, visitor = f"http://localhost:{demo.port}", requests.Session()

    def post(path: str, **fields: str) -> requests.Response:
        page = visitor.get(f"{base}{path}", timeout=60).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        sent = {**fields, "csrfmiddlewaretoken": token[1] if token else ""}
        return visitor.post(f"{base}{path}", data=sent, timeout=60)

    assert "password <b>visitor</b>" in visitor.get(f"{base}/admin/login/", timeout=60).text
    assert post("/admin/login/", username="visitor", password="visitor", next="/admin/").status_code == 200
    for page in ("/admin/", "/admin/orders/order/", "/admin/catalog/item/1/change/"):
        assert visitor.get(f"{base}{page}", timeout=60).status_code == 200, page
    assert visitor.get(f"{base}/admin/auth/user/", timeout=60).status_code == 403
    new = {"old_password": "visitor", "new_password1": "my-own-now-1", "new_password2": "my-own-now-1"}
    refused = post("/admin/password_change/", **new)
    assert refused.status_code == 403
    assert "changes nothing" in refused.text
    assert post("/admin/catalog/item/1/change/", name="Mine").status_code == 403


def test_nobody_turns_the_clock_of_its_stripe_or_uses_a_secret_key(demo: Started) -> None:
    stripe = f"http://localhost:{demo.port}/stripe"
    for answer in (
        requests.post(f"{stripe}/_sandbox/reset", timeout=60),
        requests.put(f"{stripe}/_sandbox/faults", json={"api": {"error_rate": 1}}, timeout=60),
        requests.get(f"{stripe}/v1/charges", auth=("sk_test_kopeckSandboxSandboxSandbox", ""), timeout=60),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "demo")


def test_behind_the_forwarded_port_of_an_editor_a_purchase_is_whole(folder: Path) -> None:
    run = Started(
        folder / "editor",
        CODESPACE_NAME="blue-door",
        GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN="app.github.dev",
    ).wait_until_ready()
    try:
        here = f"http://localhost:{run.port}"
        there = f"https://blue-door-{run.port}.app.github.dev"
        assert f"{there}/admin/" in run.output
        visitor = requests.Session()
        visitor.headers.update(FORWARDED)
        answer = visitor.get(f"{here}/buy/1", timeout=120)
        # https cookies do not go back over the plain line of this test by themselves.
        cookies = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.cookies)}
        url = answer.json()["url"]
        assert url.startswith(f"{there}/stripe/c/pay/")
        paid = pay_at_checkout(visitor, url.replace(there, here), headers=cookies)
        assert paid.headers["Location"].startswith(f"{there}/order/")
        assert status_of(visitor, here, headers=cookies) == "paid"
    finally:
        run.end(signal.SIGTERM)
