"""Differences between Stripe and the sandbox show: tried with a second sandbox in Stripe's place that rounds
otherwise."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import test_contract

from sandbox_testing import known_differences
from sandbox_testing.own import Own

TESTS = Path(__file__).parents[1]
CONTRACT = "tests/contract/test_contract.py"
QUESTION = "test_an_open_question_is_answered"
#: Two that differ where taxes are summed up before they are rounded, and one that does not.
DIFFERS, DIFFERS_TOO, AGREES = (
    f"{QUESTION}[stripe-{asked}]"
    for asked in ("tax_ties_over_lines", "inclusive_by_line_or_sum", "several_rates")
)


def hold_against(stripe: Own, folder: Path, *tests: str, known: str = "{}") -> dict[str, str]:
    """What became of the contract tests with that sandbox as Stripe and these differences known."""
    (folder / "knows.py").write_text(
        "from sandbox_testing import known_differences\n"
        "from sandbox_testing.known_differences import Known\n"
        f"known_differences.KNOWN = {known}\n"
    )
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"STRIPE_TEST_KEY": "sk_test_theirs", "STRIPE_TEST_BASE": stripe.url}
    env["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(folder)])
    command = [sys.executable, "-m", "pytest", "-p", "knows", "-p", "no:cacheprovider", "-n", "0", "-rA"]
    done = subprocess.run(
        [*command, *(f"{CONTRACT}::{name}" for name in tests)],
        cwd=TESTS.parent, env=env, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    found = re.findall(r"^([A-Z]+) tests/contract/test_contract\.py::(\S+)", done.stdout, re.M)
    assert len(found) == len(tests), done.stdout + done.stderr
    assert (done.returncode == 0) == all(became != "FAILED" for became, _name in found), done.stdout
    return {name: became for became, name in found}


@pytest.fixture
def other_stripe(own: Own) -> Own:
    own.box.faults.reset()
    own.faults(rounding="total")
    return own


def test_a_difference_that_nobody_knows_of_fails(other_stripe: Own, tmp_path: Path) -> None:
    became = hold_against(other_stripe, tmp_path, DIFFERS, AGREES)
    assert became == {DIFFERS: "FAILED", AGREES: "PASSED"}


def test_a_known_one_is_expected_and_has_to_be_the_one_that_is_known(
    other_stripe: Own, tmp_path: Path
) -> None:
    entries = {
        DIFFERS: "Known('stripe says', 'rounds the sum', 'asked')",
        DIFFERS_TOO: "Known('stripe says 42', 'rounds the sum', 'asked')",
        AGREES: "Known('stripe says', 'rounds the sum', 'asked')",
    }
    known = ", ".join(f"{name!r}: {entry}" for name, entry in entries.items())
    assert hold_against(other_stripe, tmp_path, *entries, known=f"{{{known}}}") == {
        DIFFERS: "XFAIL",
        DIFFERS_TOO: "FAILED",  # in another way than that which is known
        AGREES: "FAILED",  # not (any more)
    }


def test_every_known_difference_has_a_test_a_reason_and_a_source() -> None:
    for name, known in known_differences.KNOWN.items():
        test, _, asked = name.partition("[")
        assert hasattr(test_contract, test)
        assert asked.startswith("stripe")
        assert all((known.stripe, known.reason, known.source))
