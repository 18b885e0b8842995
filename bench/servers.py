"""What the benchmarks measure: PostgreSQL, the local Stripe and web servers, as programs of their own.

All listen on 127.0.0.1, and are stopped by who started them. `Wire` asks them, `cpu_us` and `memory_mb` read
what that cost.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from kopeck.ops.serve import FEW_HEAPS, granian
from kopeck_local import postgres
from kopeck_local.child import spawn, tail

BASE_DIR = Path(__file__).resolve().parents[1]
KEY, WEBHOOK_SECRET = "sk_test_bench", "whsec_bench"
START_SECONDS = 120.0
#: clock_getcpuclockid(3): which of a process's clocks.
_CPU_CLOCK = 2
#: What a browser sends.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
}


class Unexpected(SystemExit):
    """A server did not start, or answered otherwise than it should: no figure is better than a wrong one."""


def shop_env(folder: Path, database_url: str, stripe_url: str = "http://127.0.0.1:1") -> dict[str, str]:
    """A shop in production, but for the local Stripe, and budgets that one address does not use up."""
    return {
        "DJANGO_SETTINGS_MODULE": "kopeck.settings",
        "ENV_FILE": os.devnull,
        "DATA_DIR": str(folder),
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "STRIPE_SANDBOX": "1",
        "STRIPE_API_BASE": stripe_url,
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_PUBLISHABLE_KEY": "pk_test_bench",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BUDGET_VISITOR": "1000000/1h",
        "BUDGET_ADDRESS": "10000000/1h",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "LOG_FORMAT": "json",
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
    }


# Servers ------------------------------------------------------------------------------------------------


@contextmanager
def database(folder: Path) -> Iterator[postgres.EmbeddedPostgres]:
    """A PostgreSQL that loses nothing, as in production."""
    server = postgres.start(folder)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running(command: Sequence[str], log: Path, env: Mapping[str, str], port: int) -> Iterator[psutil.Process]:
    """A program, from when it listens on `port`; stopped in the end."""
    child = spawn(command, log=log, cwd=BASE_DIR, env={**os.environ, **env})
    try:
        wait_until(lambda: listens(port), lambda: child.poll() is None, f"{command[2:4]}:\n{tail(log)}")
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def local_stripe(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Address and process of a sandbox, which keeps its objects in sandbox.sqlite3."""
    port = free_port()
    words = ["--port", str(port), "--data", str(folder / "sandbox.sqlite3")]
    command = [sys.executable, "-m", "stripe_sandbox", *words]
    env = {"PYTHONPATH": str(BASE_DIR / "sandbox")}
    with running(command, folder / "sandbox.log", env, port) as process:
        yield f"http://127.0.0.1:{port}", process


@dataclass(frozen=True)
class Web:
    """A Granian with one worker process, which answers at `port`."""

    port: int
    parent: psutil.Process
    worker: psutil.Process


@contextmanager
def web(
    folder: Path, env: Mapping[str, str], *, application: str = "", threads: int = 64, python: str = ""
) -> Iterator[Web]:
    """The shop's web server, or the same server with another WSGI application or of another environment."""
    port = free_port()
    command = granian("127.0.0.1", port, threads=threads)
    command[0] = python or command[0]
    command[-1] = application or command[-1]
    log = folder / f"web-{port}.log"
    with running(command, log, {**FEW_HEAPS, **env, "WEB_THREADS": str(threads)}, port) as parent:
        (worker,) = parent.children()
        yield Web(port, parent, worker)


@dataclass(frozen=True)
class Shop:
    """A shop with the demo's goods, of which no program runs yet but its PostgreSQL and its Stripe."""

    folder: Path
    env: dict[str, str]
    stripe_url: str
    database_url: str

    def stripe_takes(self, milliseconds: int) -> None:
        """For each answer from now on."""
        control(self.stripe_url, "faults", {"latency_ms": milliseconds}, method="PUT")


@contextmanager
def shop() -> Iterator[Shop]:
    with tempfile.TemporaryDirectory(prefix="kopeck-bench-") as name:
        folder = Path(name)
        with database(folder) as server, local_stripe(folder) as (stripe_url, _process):
            env = shop_env(folder, server.url, stripe_url)
            for command in ("migrate", "load_demo"):
                manage(env, command)
            yield Shop(folder, env, stripe_url, server.url)


def manage(env: Mapping[str, str], *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=BASE_DIR,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Unexpected(f"bench: manage.py {words[0]} failed:\n{done.stderr[-2000:]}")


def control(stripe_url: str, path: str, body: Mapping[str, object], method: str = "POST") -> None:
    answer = requests.request(method, f"{stripe_url}/_sandbox/{path}", json=body, timeout=60)
    answer.raise_for_status()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_so: Callable[[], bool], is_alive: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        if not is_alive() or time.monotonic() > deadline:
            raise Unexpected(f"bench: not ready: {what}")
        time.sleep(0.05)


# Asking -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """`headers` are as they came, in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A connection that is kept, with as little work of its own as can be: it shares the machine."""

    def __init__(self, port: int, timeout: float = 60) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._left = b""

    def ask(self, request: bytes) -> Answer:
        self.send(request)
        return self.receive()

    def send(self, request: bytes) -> None:
        self._socket.sendall(request)

    def receive(self) -> Answer:
        while (end := self._left.find(b"\r\n\r\n")) < 0:
            self._more()
        first, *lines = self._left[:end].decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.lower(): value.strip() for name, value in pairs}
        status = int(first.split()[1])
        size = 0 if status in (204, 304) else int(headers["content-length"])
        while len(self._left) < end + 4 + size:
            self._more()
        body, self._left = self._left[end + 4 : end + 4 + size], self._left[end + 4 + size :]
        return Answer(status, headers, body)

    def _more(self) -> None:
        block = self._socket.recv(65536)
        if not block:
            raise ConnectionError("the server closed the connection")
        self._left += block

    def close(self) -> None:
        self._socket.close()


def get(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    """A request as a browser sends it; `headers` by their names with _ for -."""
    found = {"Host": "127.0.0.1", **BROWSER}
    found |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    if body:
        found["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in found.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


# What it cost -------------------------------------------------------------------------------------------


def cpu_us(process: psutil.Process) -> float:
    """Microseconds of processor that a process has had, ended threads too: Linux's clock of it, to the ns."""
    return time.clock_gettime_ns(~process.pid << 3 | _CPU_CLOCK) / 1000


def cpu_of_tree_us(process: psutil.Process) -> float:
    """Of a process, its children, and those of theirs that have ended. Counted in hundredths of a second."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total * 1e6


def memory_mb(process: psutil.Process) -> float:
    """Megabytes of a process, what it shares with others counted by its part of it (PSS)."""
    return float(process.memory_full_info().pss) / 2**20
