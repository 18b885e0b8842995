"""The conformance run itself: its steps, its verdicts, and what it says where there is no registry."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox_testing.own import own_sandbox
from stripe_sandbox.app import RESOURCES
from stripe_sandbox.server.routes import PLACEHOLDER, ROUTES

FOLDER = Path(__file__).parents[1] / "conformance"
STEPS = json.loads((FOLDER / "steps.json").read_text(encoding="utf-8"))


def through_the_library(url: str) -> dict[str, str]:
    """What the installed library makes of each step, by endpoint."""
    done = subprocess.run(
        (sys.executable, "-W", "ignore", str(FOLDER / "sdk.py"), url, "sk_test_conformance"),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(STEPS)
    return {line["endpoint"]: line["wrong"] for line in lines}


def test_every_step_passes_with_the_installed_library() -> None:
    with own_sandbox() as own:
        wrong = through_the_library(own.url)
    assert {endpoint: text for endpoint, text in wrong.items() if text} == {}


def test_a_step_that_goes_wrong_is_seen() -> None:
    with own_sandbox() as own:
        own.faults(error_rate=1, only={"path": "/v1/coupons"})
        wrong = through_the_library(own.url)
    assert "APIError" in wrong["POST /v1/coupons"]
    assert wrong["GET /v1/balance"] == ""


def test_every_endpoint_of_a_step_is_one_of_the_sandbox() -> None:
    assert RESOURCES
    here = {f"{method} {PLACEHOLDER.sub('{}', path)}" for method, path in ROUTES}
    asked = {PLACEHOLDER.sub("{}", step["endpoint"].partition(" (")[0]) for step in STEPS}
    assert asked - here == {"GET /v1/subscriptions"}  # which is there to be refused


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_without_a_registry_it_says_so(tmp_path: Path, ci: str, code: int) -> None:
    done = subprocess.run(
        (sys.executable, str(FOLDER / "run.py"), "--quick", "--cache", str(tmp_path)),
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "CI": ci},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.startswith("make conformance: PyPI has not given stripe>=5,<6")
