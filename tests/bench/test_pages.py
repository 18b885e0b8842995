"""bench.pages measures each kind of page with the same server, and says the ratios."""

import json
import subprocess
import sys

import pytest

from tests.support.starting import BASE_DIR, clean_env

#: In a process of its own: the applications set Django up.
IN_PROCESS = """
import json, os
from bench import pages
os.environ.update(pages.ENVIRONMENT)
print(json.dumps(pages.in_process(rounds=3, each=20)))
"""


def test_in_process_a_page_of_the_shop_costs_more_than_a_null_view_and_not_five_times() -> None:
    command = [sys.executable, "-c", IN_PROCESS]
    done = subprocess.run(
        command, cwd=BASE_DIR, env=clean_env(), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert 0 < found["hello"] < found["null"] < found["empty"] < 5 * found["null"]
    assert "GET /nothing/here 200" in done.stderr  # the line of the log is part of what was measured


@pytest.mark.slow
def test_behind_the_server_the_last_line_is_json() -> None:
    command = [sys.executable, "-m", "bench.pages", "1", "300", "--without-oscar"]
    done = subprocess.run(
        command, cwd=BASE_DIR, env=clean_env(), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert 0 < found["middleware_vs_null"] < 5
    assert found["item_vs_hello"] > 0.1  # 0.005 where nothing is kept
    assert found["window_vs_hello"] > 0.1
    assert found["oscar_cpu_vs_item"] is None
    assert 0 < found["price_visible_s"] < 10
    assert 5 < found["page_kb"] < 30
