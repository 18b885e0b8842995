"""The real web server on the tests' database: what threads, memory and time-outs do shows there alone."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import requests
from django.db import connection

from tests.support.starting import BASE_DIR, clean_env, free_port

THREADS = 64


@dataclass
class Served:
    url: str
    process: psutil.Process
    log: Path

    def memory(self) -> int:
        """Resident bytes of the process that answers."""
        (worker,) = self.process.children()
        return int(worker.memory_info().rss)


def database_url() -> str:
    facts = connection.settings_dict
    name, user, password, host, port = (
        quote(str(facts[part] or ""), safe="") for part in ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    )
    return f"postgresql://{user}:{password}@{host}{f':{port}' if port else ''}/{name}"


@contextmanager
def served(data: Path, **env: str) -> Iterator[Served]:
    """`python -m granian` as `make run` starts it, ready to answer; stopped in the end."""
    port = free_port()
    env = {
        "SECRET_KEY": "only-for-tests",
        "DATABASE_URL": database_url(),
        "DATA_DIR": str(data),
        "STRIPE_SANDBOX": "1",
        "STRIPE_WEBHOOK_SECRET": "whsec_tests",
        "WEB_THREADS": str(THREADS),
        "BUDGET_VISITOR": "0",
        "BUDGET_ADDRESS": "0",
        **env,
    }
    command = (
        f"-m granian --interface wsgi --host 127.0.0.1 --port {port} --http 1 --no-ws --workers 1".split()
    )
    command += ["--workers-kill-timeout", "2", "--blocking-threads", env["WEB_THREADS"]]
    with open(data / "web.log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "kopeck.wsgi:application"],
            cwd=BASE_DIR,
            env=clean_env(**env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, data / "web.log")
            yield Served(url, psutil.Process(process.pid), data / "web.log")
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(f"{url}/readyz", timeout=30).status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError(f"not ready:\n{log.read_text()}")
