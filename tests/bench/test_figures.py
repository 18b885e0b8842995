"""Each group of figures is measured with real programs, small here, and its last line is JSON."""

import json
import subprocess
import sys

import pytest

from tests.support.starting import BASE_DIR, clean_env

GROUPS = {
    "arrivals 2": {
        "arrivals_p50_vs_stripe": (1, 20),  # nobody is served sooner than Stripe answers
        "arrivals_errors": (0, 0),
        "mb_per_waiting_buyer": (0.01, 1),
        "connections_at_200": (1, 10),
    },
    "memory 1200": {"idle_mb": (30, 150), "memory_growth": (0.8, 1.3)},
    "sandbox 400": {"sandbox_read_ms": (0.05, 20)},
    "start 1": {"second_start_cpu_s": (1, 20)},
}


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_figures_says_its_keys_in_bounds(group: str) -> None:
    command = [sys.executable, "-m", *f"bench.{group}".split()]
    done = subprocess.run(
        command, cwd=BASE_DIR, env=clean_env(), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == GROUPS[group].keys()
    for name, (least, most) in GROUPS[group].items():
        assert least <= found[name] <= most, name
