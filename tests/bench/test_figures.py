"""`make bench` measures every figure with real programs, and its last line is JSON."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.__main__ import GOALS, table
from tests.support.starting import BASE_DIR, clean_env

#: What the figures of a sound run cannot leave, however busy the machine is.
BOUNDS = {
    "item_vs_hello": (0.05, 2),
    "window_vs_hello": (0.05, 2),
    "price_visible_s": (0.01, 20),
    "middleware_vs_null": (0.5, 5),
    "buy_cpu_vs_sdk": (0.1, 20),
    "webhook_stored_vs_null": (0.005, 2),
    "webhook_duplicate_vs_null": (0.005, 2),
    "webhook_applied_vs_null": (0.001, 2),
    "paid_order_in_nulls": (10, 5000),
    "arrivals_p50_vs_stripe": (1, 20),  # nobody is served sooner than Stripe answers
    "arrivals_errors": (0, 0),
    "mb_per_waiting_buyer": (0.01, 1),
    "connections_at_200": (1, 10),
    "page_kb": (5, 30),
    "sandbox_read_ms": (0.05, 20),
    "second_start_cpu_s": (1, 20),
}
LEFT_OUT = {"oscar_cpu_vs_item", "list_growth", "memory_growth", "idle_mb"}


def run(*words: str, **more: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=BASE_DIR,
        env=clean_env(**more),
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_quick_bench_says_every_figure_and_null_for_what_it_leaves_out() -> None:
    found = run("bench", QUICK="1")
    assert [name for name, value in found.items() if value is None] == [
        name for name in found if name in LEFT_OUT
    ]
    queries = found.pop("queries")
    assert queries["item"] == queries["window"] == 0 < queries["buy"] <= 8
    for name, (least, most) in BOUNDS.items():
        assert least <= found.pop(name) <= most, name
    assert found.keys() == LEFT_OUT


@pytest.mark.slow
def test_memory_is_measured_before_and_after_the_load() -> None:
    found = run("bench.memory", "1200")
    assert 30 < found["idle_mb"] < 150
    assert 0.8 < found["memory_growth"] < 1.3


def test_the_table_says_which_goal_is_not_reached_and_which_figure_there_is_not() -> None:
    rows = dict(zip(GOALS, table({"page_kb": 30, "queries": {"buy": 9}, "item_vs_hello": 0.5}), strict=True))
    assert rows["page_kb"].endswith("<= 30")
    assert rows["item_vs_hello"].endswith(">= 0.5")
    assert rows["queries buy"].endswith("not reached")
    assert rows["idle_mb"].split()[-4:] == ["-", "<=", "90", "-"]
