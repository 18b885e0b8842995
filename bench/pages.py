"""What a page costs beside its view: CPU, in null views and in the web server's raw hellos.

`python -m bench.pages [ROUNDS]`. Each kind is the same server (Granian, one worker) with another application,
all of them up at once and asked in turn, so that whatever else the machine does falls on all of them. The CPU
of the worker's process is counted, in microseconds a request; the last line is JSON. `in_process` measures
the applications without a server, which says more about a change of a middleware.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil

from kopeck_local import postgres
from tests.support.starting import free_port

BASE_DIR = Path(__file__).resolve().parents[1]
#: Requests of one round.
EACH = 1500
#: What `django-admin startproject` writes, for the null view.
USUAL = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
#: What a browser sends.
HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
}
#: Of a shop that needs no database for what it is asked.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "kopeck.settings",
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "of this measurement only, and long enough for it",
    "STRIPE_SANDBOX": "1",
    "LOG_FORMAT": "json",
    "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
}
#: By the kind: the application that Granian loads, and the address that is asked.
KINDS = {
    "hello": ("bench.pages:hello", "/"),
    "null": ("bench.pages:null", "/nothing/here"),
    "empty": ("bench.pages:empty", "/nothing/here"),
    "machine": ("bench.pages:empty", "/healthz"),
    "item": ("kopeck.wsgi:application", "/item/1"),
    "window": ("kopeck.wsgi:application", "/"),
}
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


# The applications ---------------------------------------------------------------------------------------


def hello(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


def null(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A Django view that does nothing, under Django's usual middlewares."""
    return _handler(usual=True)(environ, start_response)


def empty(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The same view under all middlewares of the shop."""
    return _handler(usual=False)(environ, start_response)


@cache
def _handler(*, usual: bool) -> Wsgi:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    django.setup()
    settings.ROOT_URLCONF = "bench.nothing"
    if usual:
        settings.MIDDLEWARE = USUAL
    return WSGIHandler()


# In process ---------------------------------------------------------------------------------------------


def in_process(rounds: int = 30, each: int = 100) -> dict[str, float]:
    """CPU microseconds of a request of each kind but "machine", without a server: the least of the rounds.

    The caller's environment holds ENVIRONMENT.
    """
    wanted: dict[str, Wsgi] = {"hello": hello, "empty": empty, "null": null}
    for ask in wanted.values():
        _ask(ask)  # loads the middlewares, before the settings say those of the next
    least = dict.fromkeys(wanted, float("inf"))
    for _round in range(rounds):
        for kind, ask in wanted.items():
            began = time.thread_time_ns()
            for _one in range(each):
                _ask(ask)
            least[kind] = min(least[kind], (time.thread_time_ns() - began) / each / 1000)
    return least


def _ask(application: Wsgi) -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/nothing/here",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()},
    }
    answer = application(environ, lambda *said: None)
    b"".join(answer)
    getattr(answer, "close", lambda: None)()


# Behind the server --------------------------------------------------------------------------------------


@dataclass
class Server:
    """A Granian with one worker, and a connection to it that is kept."""

    worker: psutil.Process
    connection: http.client.HTTPConnection
    path: str

    def ask(self, times: int) -> None:
        for _one in range(times):
            self.connection.request("GET", self.path, headers=HEADERS)
            answer = self.connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{self.path} answered {answer.status}")

    def cost(self, times: int) -> float:
        """CPU microseconds of the worker for one request."""
        before = self.worker.cpu_times()
        self.ask(times)
        after = self.worker.cpu_times()
        return (after.user + after.system - before.user - before.system) / times * 1e6


@contextmanager
def serving(application: str, path: str, **environment: str) -> Iterator[Server]:
    port = free_port()
    listen = ["--host", "127.0.0.1", "--port", str(port), "--http", "1", "--no-ws", "--workers", "1"]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", *listen, "--blocking-threads", "4"]
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "log"), "wb") as log:
        settings = {**ENVIRONMENT, "PROMETHEUS_MULTIPROC_DIR": folder, **environment}
        process = subprocess.Popen(
            [*command, application],
            cwd=BASE_DIR,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            _wait_for(connection, process)
            (worker,) = psutil.Process(process.pid).children()
            yield Server(worker, connection, path)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def shop_of_the_demo() -> Iterator[str]:
    """The address of a database with the demo's items, which is gone in the end."""
    with tempfile.TemporaryDirectory() as folder:
        server = postgres.start(Path(folder, "postgres"), fast=True)
        try:
            settings = {**os.environ, **ENVIRONMENT, "DATABASE_URL": server.url, "DATA_DIR": folder}
            for command in ("migrate", "load_demo"):
                done = subprocess.run(
                    [sys.executable, "manage.py", command], cwd=BASE_DIR, env=settings, capture_output=True
                )
                done.check_returncode()
            yield server.url
        finally:
            server.stop()


def _wait_for(connection: http.client.HTTPConnection, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            connection.connect()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def behind_the_server(rounds: int = 5, each: int = EACH) -> dict[str, float]:
    """CPU microseconds of a request of each kind: medians of rounds in which all are asked in turn."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with ExitStack() as stack:
        database = stack.enter_context(shop_of_the_demo())
        servers = {
            kind: stack.enter_context(serving(*where, DATABASE_URL=database)) for kind, where in KINDS.items()
        }
        for server in servers.values():
            server.ask(100)
        for _round in range(rounds):
            for kind, server in servers.items():
                found[kind].append(server.cost(each))
    return {kind: statistics.median(costs) for kind, costs in found.items()}


def main() -> None:
    cost = behind_the_server(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    for kind, microseconds in cost.items():
        print(f"{kind:10}{microseconds:8.0f} µs{microseconds / cost['null']:8.2f} of a null view")
    ratios = {
        "item_vs_hello": cost["hello"] / cost["item"],
        "window_vs_hello": cost["hello"] / cost["window"],
        "middleware_vs_null": cost["empty"] / cost["null"],
    }
    print(json.dumps({name: round(ratio, 2) for name, ratio in ratios.items()}))


if __name__ == "__main__":
    main()
