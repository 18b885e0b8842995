"""bench.log_line measures what docs/observability.md says of a request's line, part by part."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.starting import clean_env

BASE_DIR = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_line_has_a_price_and_so_has_the_count() -> None:
    command = [sys.executable, "-m", "bench.log_line", "3"]
    done = subprocess.run(
        command, cwd=BASE_DIR, env=clean_env(), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == {"counted", "line", "scrubbed"}
    assert all(price > 0 for price in found.values())
    assert found["line"] > found["scrubbed"]
