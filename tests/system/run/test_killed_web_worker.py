"""A worker of a container's web server that is killed, as for want of memory, is followed by another one."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.starting import BASE_DIR, clean_env, free_port

Start = Callable[..., "subprocess.Popen[str]"]
SECONDS = 60.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `python -m kopeck.ops.serve`; `/healthz` asks no database, so there is none."""
    started = []

    def start(**more: str) -> "subprocess.Popen[str]":
        usual = {
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
            "STRIPE_SANDBOX": "1",
            "SECRET_KEY": "s" * 50,
            "DATA_DIR": str(tmp_path),
            "DRAIN_SECONDS": "0",
            "WEB_THREADS": "4",
            "PORT": str(free_port()),
        }
        env = clean_env(**(usual | more))
        command = [sys.executable, "-m", "kopeck.ops.serve"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=BASE_DIR, env=env, stdout=log, stderr=log, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
        process.wait()


def spawned(log: Path) -> list[int]:
    """The workers that Granian has ever begun, by its own lines."""
    return [int(pid) for pid in re.findall(r"Spawning worker-\d+ with PID: (\d+)", log.read_text())]


def wait_for(until: Callable[[], bool], server: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + SECONDS
    while not until():
        assert server.poll() is None, f"the server ended with {server.returncode}"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=240) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("number", [1, 2])
def test_a_worker_that_is_killed_is_followed_by_another(start: Start, tmp_path: Path, number: int) -> None:
    port, log = str(free_port()), tmp_path / "log"
    server = start(PORT=port, WEB_WORKERS=str(number))
    wait_for(lambda: log.read_text().count("Started worker") == number, server)
    assert answers(port)
    first = spawned(log)
    assert len(first) == number
    psutil.Process(first[-1]).kill()
    wait_for(lambda: log.read_text().count("Started worker") == number + 1, server)
    assert all(psutil.pid_exists(pid) for pid in {*spawned(log)} - {first[-1]})
    assert all(answers(port) for _ in range(10))
    server.send_signal(signal.SIGTERM)
    assert server.wait(SECONDS) == 0


def test_a_server_whose_workers_cannot_start_ends(start: Start, tmp_path: Path) -> None:
    server = start(
        WEB_WORKERS="2", SITE_URL="https://shop.example", TRUSTED_PROXIES="127.0.0.1", STRIPE_SANDBOX="0"
    )
    assert server.wait(SECONDS) == 1
    assert "crash loop" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("given", "kept"), [({}, "2"), ({"MALLOC_ARENA_MAX": "7"}, "7")])
def test_the_web_server_has_few_heaps_unless_its_owner_says_how_many(
    start: Start, tmp_path: Path, given: dict[str, str], kept: str
) -> None:
    # Granian itself writes its title over what could be read of its environment.
    (tmp_path / "granian.py").write_text("import os; print('heaps:', os.environ.get('MALLOC_ARENA_MAX'))")
    assert start(PYTHONPATH=str(tmp_path), **given).wait(SECONDS) == 0
    assert f"heaps: {kept}" in (tmp_path / "log").read_text()
