"""Starts `python -m kopeck_local` as `make run` does, in a folder and on ports of its own."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import psutil
import requests

BASE_DIR = Path(__file__).resolve().parents[2]
START_SECONDS = 300.0
OF_THE_MACHINE = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


_GIVEN: set[int] = set()


def free_port() -> int:
    """One that this process has not given before: what is to listen there may not do so yet."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])
        if port not in _GIVEN:
            _GIVEN.add(port)
            return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def clean_env(**more: str) -> dict[str, str]:
    """The environment of a machine on which nobody has set anything of Kopeck's; no `.env` either."""
    kept = {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ}
    return {**kept, "ENV_FILE": os.devnull, **more}


def run_to_end(**more: str) -> "subprocess.CompletedProcess[str]":
    """For starts that are refused."""
    command = [sys.executable, "-m", "kopeck_local"]
    return subprocess.run(
        command, cwd=BASE_DIR, env=clean_env(**more), capture_output=True, text=True, timeout=240, check=False
    )


def manage_without_anything(data: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """`manage.py` where neither a database nor Stripe answers."""
    env = clean_env(
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/nowhere",
        STRIPE_SANDBOX="1",
        STRIPE_API_BASE="http://127.0.0.1:1",
        STRIPE_RETRIES="0",
        SECRET_KEY="s",
        DATA_DIR=str(data),
        LOG_LEVEL="CRITICAL",
    )
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=False
    )


class Started:
    """One run: `output` so far, `family` (it and all its children, as they were when it was ready)."""

    def __init__(self, data: Path, *, program: str = "kopeck_local", **more: str) -> None:
        self.port, self.sandbox_port = free_port(), free_port()
        ports = {"PORT": str(self.port), "SANDBOX_PORT": str(self.sandbox_port)}
        self.env = clean_env(DATA_DIR=str(data), **ports, **more)
        self.process = subprocess.Popen(
            [sys.executable, "-m", program],
            cwd=BASE_DIR,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=0,  # nothing is private because somebody's shell is careful
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.output = ""
        self.family: list[psutil.Process] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.output += line
                self.lines.put(line)
        self.lines.put("")

    def wait_until_ready(self) -> "Started":
        deadline = time.monotonic() + START_SECONDS
        while "Ctrl-C" not in self.output:
            line = self.lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line, f"it ended before it was ready:\n{self.output}"
        me = psutil.Process(self.process.pid)
        self.family = [me, *me.children(recursive=True)]
        return self

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            return answer.status, answer.read().decode()

    def manage(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`manage.py` beside this run, in an environment that knows its data, and not its ports."""
        command = [sys.executable, "manage.py", *words]
        env = {name: value for name, value in self.env.items() if name not in ("PORT", "SANDBOX_PORT")}
        return subprocess.run(
            command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=False
        )

    def buy(self, item_id: int) -> dict[str, str]:
        """The answer of /buy, paid at the sandbox; with `order`, what the webhook made of it."""
        visitor = requests.Session()
        shop, sandbox = (f"http://127.0.0.1:{port}" for port in (self.port, self.sandbox_port))
        # A worker that was killed while it made the item's tax rate is waited for: 15 seconds.
        answer: dict[str, str] = visitor.get(f"{shop}/buy/{item_id}", timeout=120).json()
        card = {"card": "4242424242424242"}
        pay = f"{sandbox}/_sandbox/sessions/{answer['session_id']}/pay"
        requests.post(pay, json=card, timeout=120).raise_for_status()
        deadline = time.monotonic() + 120
        answer["order"] = ""
        while answer["order"] != "paid" and time.monotonic() < deadline:
            page = visitor.get(f"{shop}/orders", timeout=120).text
            found = re.search(r'href="(/order/\d+[^"]*)"', page)
            assert found, page
            page = visitor.get(f"{shop}{found[1]}", timeout=120).text
            shown = re.search(r'data-order-status="(\w+)"', page)
            answer["order"] = shown[1] if shown else ""
            time.sleep(0.1)
        return answer

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(120)
        self._reader.join(10)
        return code

    def survivors(self, seconds: float = 0.0) -> list[str]:
        """Which of the family still live, after up to so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            left = [text for process in self.family if (text := _alive(process))]
            if not left or time.monotonic() >= deadline:
                return left
            time.sleep(0.05)


def _alive(process: psutil.Process) -> str:
    try:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            return " ".join(process.cmdline()) or process.name()
    except psutil.NoSuchProcess:
        pass
    return ""
