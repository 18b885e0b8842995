"""HTTP_PROXY and its like in the environment: what is here is asked directly, Stripe itself by the proxy."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from kopeck.stripe_api.accounts import SANDBOX_SECRET_KEY
from kopeck_local import postgres
from tests.support.recording_proxy import recording_proxy
from tests.support.starting import BASE_DIR, Started, clean_env

KEYS = {"STRIPE_SECRET_KEY": "sk_test_a", "STRIPE_PUBLISHABLE_KEY": "pk_test_a"}
PLAY = {"STRIPE_SANDBOX": "1", "STRIPE_WEBHOOK_SECRET": "whsec_a"}
ASK_STRIPE = """
import django
django.setup()
from kopeck.stripe_api.client import StripeUnavailable, gateway
try:
    gateway("default").account_id()
except StripeUnavailable as problem:
    print(problem)
"""
#: By each library that the shop and its tests use: each has an idea of its own of what needs no proxy.
ASK_HERE = """
import sys, urllib.error, urllib.request
import django
django.setup()
import requests
for host in ("127.0.0.1", "localhost", "127.0.0.1"):
    address = f"http://{host}:{sys.argv[1]}/"
    requests.get(address, timeout=10)
    try:
        urllib.request.urlopen(address, timeout=10)
    except urllib.error.HTTPError:
        pass
"""
KNOCK = """
import sys
import django
django.setup()
from django.conf import settings
from kopeck.ops.stripe_checks import _arrives
print(_arrives(settings.STRIPE_ACCOUNTS["default"], sys.argv[1]).said)
"""


def run_python(code: str, *words: str, **env: str) -> str:
    usual = {"DJANGO_SETTINGS_MODULE": "kopeck.settings", "SECRET_KEY": "s", "STRIPE_RETRIES": "0"}
    command = [sys.executable, "-W", "ignore", "-c", code, *words]
    ended = subprocess.run(
        command,
        cwd=BASE_DIR,
        env=clean_env(**{"LOG_LEVEL": "CRITICAL", **usual, **env}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return ended.stdout + ended.stderr


def test_make_run_sells_and_its_doctor_is_content_beside_a_proxy_that_leads_nowhere(folder: Path) -> None:
    data = folder / "data"
    with recording_proxy() as proxy:
        run = Started(data, **proxy.env)
        try:
            run.wait_until_ready()
            url = postgres.attach_url(data)
            assert url
            with psycopg.connect(url) as connection:
                cheapest = "SELECT id FROM catalog_item WHERE currency = 'usd' ORDER BY price LIMIT 1"
                row = connection.execute(cheapest).fetchone()
            assert row
            bought = run.buy(row[0])
            doctor = run.manage("doctor", "--json")
            run.end(signal.SIGINT)
        finally:
            run.process.kill()
    assert bought["order"] == "paid"
    checks = json.loads(doctor.stdout)["checks"]
    assert [check for check in checks if check["level"] == "fail"] == []
    assert [check for check in checks if "reach" in check["said"]] == []
    assert proxy.asked == []


def test_stripe_itself_is_asked_by_the_proxy() -> None:
    with recording_proxy() as proxy:
        said = run_python(ASK_STRIPE, **KEYS, **proxy.env)
    assert set(proxy.asked) == {"CONNECT api.stripe.com:443"}
    assert "Stripe did not answer" in said


def test_a_sandbox_of_another_name_is_asked_directly() -> None:
    """As in compose, where Docker gives every container its own machine's proxy."""
    with recording_proxy() as proxy:
        said = run_python(ASK_STRIPE, **PLAY, STRIPE_API_BASE="http://sandbox.invalid:8420", **proxy.env)
    assert proxy.asked == []
    assert "Stripe did not answer" in said


def test_the_doctor_knocks_at_a_webhook_of_play_directly() -> None:
    """In compose it is http://caddy:8080, a name that no setting holds."""
    with recording_proxy() as proxy:
        said = run_python(KNOCK, "http://caddy.invalid:8080/webhooks/stripe/default", **PLAY, **proxy.env)
    assert proxy.asked == []
    assert "not reachable from here" in said


@pytest.mark.parametrize("settings", ["kopeck.settings", "tests.settings"])
@pytest.mark.parametrize("spared", ["", "intranet.example", "*"])
def test_this_machine_is_asked_directly_by_every_library(settings: str, spared: str) -> None:
    """tests.settings: so `make test` needs nothing either. `spared`: what NO_PROXY says already."""
    more = {"NO_PROXY": spared} if spared else {}
    with recording_proxy() as here, recording_proxy() as proxy:
        port = str(here.server_port)
        said = run_python(ASK_HERE, port, DJANGO_SETTINGS_MODULE=settings, **PLAY, **proxy.env, **more)
    assert (said, here.asked, proxy.asked) == ("", ["GET /"] * 6, [])


def test_what_no_proxy_says_already_goes_on_counting() -> None:
    said = run_python(
        "import os, kopeck.settings; print(os.environ['NO_PROXY'], os.environ['no_proxy'])",
        **PLAY,
        HTTP_PROXY="http://127.0.0.1:1",
        NO_PROXY="intranet.example",
    )
    large, small = said.split()
    assert large == small
    assert {"intranet.example", "127.0.0.1", "localhost", "::1"} <= set(large.split(","))


def test_the_smoke_test_asks_shop_and_sandbox_directly() -> None:
    with recording_proxy() as here, recording_proxy() as proxy:
        address = f"http://localhost:{here.server_port}"
        command = [sys.executable, "deploy/smoke.py", address, "--sandbox", address]
        env = clean_env(**proxy.env)
        ended = subprocess.run(
            command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=False
        )
    assert "/readyz answered 502" in ended.stderr
    assert (here.asked, proxy.asked) == (["GET /readyz"], [])


def test_no_login_of_netrc_is_sent_in_place_of_the_key(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    with recording_proxy(404) as here:
        base = f"http://127.0.0.1:{here.server_port}"
        run_python(ASK_STRIPE, **PLAY, STRIPE_API_BASE=base, HOME=str(tmp_path))
    assert here.asked == ["GET /v1/account"]
    assert here.logins == [f"Bearer {SANDBOX_SECRET_KEY}"]
