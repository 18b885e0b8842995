"""Settings of proxies and budgets that make no sense are refused at the start, in a sentence."""

import subprocess
import sys

import pytest

from tests.run.starting import BASE_DIR, clean_env


def start(**more: str) -> "subprocess.CompletedProcess[str]":
    env = clean_env(SECRET_KEY="x", STRIPE_SANDBOX="1", **more)
    command = [
        sys.executable,
        "-c",
        "from kopeck import settings as s; print(s.TRUSTED_PROXIES, s.BUDGET_VISITOR)",
    ]
    return subprocess.run(
        command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRUSTED_PROXIES", "proxy.example", "TRUSTED_PROXIES: 'proxy.example' does not appear to be"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "TRUSTED_PROXIES: 10.0.0.1/8 has host bits set"),
        ("BUDGET_VISITOR", "20", "BUDGET_VISITOR: a budget looks like 30/10m (thirty in ten minutes), or 0"),
        ("BUDGET_ADDRESS", "5/0m", "BUDGET_ADDRESS: a budget looks like"),
    ],
)
def test_a_setting_that_cannot_be_read_is_said_in_a_sentence(name: str, value: str, said: str) -> None:
    refused = start(**{name: value})
    assert refused.returncode == 1
    (sentence,) = refused.stderr.strip().splitlines()
    assert sentence.startswith(f"kopeck: {said}")


def test_proxies_are_addresses_and_networks_of_both_families() -> None:
    read = start(TRUSTED_PROXIES=" 127.0.0.1, 10.0.0.0/8 ,2001:db8::/32", BUDGET_VISITOR="5 / 2h")
    assert (
        "IPv4Network('127.0.0.1/32'), IPv4Network('10.0.0.0/8'), IPv6Network('2001:db8::/32')" in read.stdout
    )
    assert "Rate(count=5, seconds=7200)" in read.stdout
