"""Proxies and budgets are read as they are meant."""

import subprocess
import sys

from tests.support.starting import BASE_DIR, clean_env


def start(**more: str) -> "subprocess.CompletedProcess[str]":
    env = clean_env(SECRET_KEY="x", STRIPE_SANDBOX="1", **more)
    command = [
        sys.executable,
        "-c",
        "from kopeck import settings as s; print(s.TRUSTED_PROXIES, s.BUDGET_VISITOR)",
    ]
    return subprocess.run(
        command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=False
    )


def test_proxies_are_addresses_and_networks_of_both_families() -> None:
    read = start(TRUSTED_PROXIES=" 127.0.0.1, 10.0.0.0/8 ,2001:db8::/32", BUDGET_VISITOR="5 / 2h")
    assert (
        "IPv4Network('127.0.0.1/32'), IPv4Network('10.0.0.0/8'), IPv6Network('2001:db8::/32')" in read.stdout
    )
    assert "Rate(count=5, seconds=7200)" in read.stdout
