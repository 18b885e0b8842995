"""What pages cost: CPU, in null views and in the web server's raw hellos, beside django-oscar's product page.

`python -m bench.pages [ROUNDS [REQUESTS]] [--without-oscar]`. Each kind is the same server (Granian, one
worker) with another application, all of them up at once and asked in turn, so that whatever else the machine
does falls on all of them. The CPU of the worker's process is counted, in microseconds a request. The last
line is JSON, with how long a changed price takes to show, and what a first view of an item weighs.
django-oscar runs where `make bench` has put it. `in_process` measures without a server.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import psycopg

from bench.nothing import USUAL
from bench.servers import BASE_DIR, BROWSER, Shop, Unexpected, Web, Wire, cpu_us, get, manage, shop, web

#: Requests of one round to django-oscar, which takes long.
EACH_OF_OSCAR = 60
OSCAR = BASE_DIR / ".bench" / "oscar" / "bin" / "python"
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
    """CPU microseconds of a request to each application, without a server: the least of the rounds.

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
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in BROWSER.items()},
    }
    answer = application(environ, lambda *said: None)
    b"".join(answer)
    getattr(answer, "close", lambda: None)()


# Behind the server --------------------------------------------------------------------------------------


@dataclass
class Page:
    """An address of a server, asked `each` times a round, by one connection."""

    server: Web
    request: bytes
    each: int

    def ask(self, times: int) -> None:
        wire = Wire(self.server.port)
        for _one in range(times):
            answer = wire.ask(self.request)
            if answer.status != 200:
                raise Unexpected(f"bench.pages: {self.request[:40]!r} answered {answer.status}")
        wire.close()

    def cost(self) -> float:
        """CPU microseconds of the worker for one request."""
        before = cpu_us(self.server.worker)
        self.ask(self.each)
        return (cpu_us(self.server.worker) - before) / self.each


@contextmanager
def all_pages(here: Shop, each: int, *, peer: bool) -> Iterator[dict[str, Page]]:
    """The servers of all kinds; the item and the window are two pages of one."""
    with ExitStack() as stack:
        servers: dict[str, Web] = {}
        pages = {}
        for kind, (application, path) in KINDS.items():
            if application not in servers:
                started = web(here.folder, here.env, application=application, threads=4)
                servers[application] = stack.enter_context(started)
            pages[kind] = Page(servers[application], get(path), each)
        if peer:
            server, path = stack.enter_context(oscar(here))
            pages["oscar"] = Page(server, get(path), EACH_OF_OSCAR)
        yield pages


@contextmanager
def oscar(here: Shop) -> Iterator[tuple[Web, str]]:
    """django-oscar on the same PostgreSQL, and the address of its product."""
    with psycopg.connect(here.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE oscar")
    url = f"{here.database_url.rpartition('/')[0]}/oscar"
    folder = BASE_DIR / "bench" / "oscar"
    env = {"DATABASE_URL": url, "DATA_DIR": str(here.folder), "PYTHONPATH": str(folder)}
    made = subprocess.run(
        [OSCAR, folder / "shop.py"], env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    with web(here.folder, env, application="shop:application", threads=4, python=str(OSCAR)) as server:
        yield server, made.stdout.split()[-1]


def behind_the_server(here: Shop, rounds: int, each: int, *, peer: bool) -> dict[str, list[float]]:
    """CPU microseconds of a request of each kind, by round; all are asked in turn."""
    with all_pages(here, each, peer=peer) as pages:
        for page in pages.values():
            page.ask(page.each // 3)
        found: dict[str, list[float]] = {kind: [] for kind in pages}
        for _round in range(rounds):
            for kind, page in pages.items():
                found[kind].append(page.cost())
    return found


# What a buyer sees --------------------------------------------------------------------------------------


def price_visible(here: Shop, rounds: int) -> float:
    """Seconds until both of two web processes show a price changed by SQL: the longest of the rounds."""
    longest = 0.0
    with web(here.folder, here.env) as one, web(here.folder, here.env) as other:
        wires = [Wire(one.port), Wire(other.port)]
        for _round in range(rounds):
            before = [wire.ask(get("/item/1")).body for wire in wires]
            time.sleep(random.uniform(0.2, 1.2))  # a process looks once a second
            with psycopg.connect(here.database_url, autocommit=True) as connection:
                connection.execute("UPDATE catalog_item SET price = price + 100 WHERE id = 1")
            began = time.monotonic()
            while any(wire.ask(get("/item/1")).body == was for wire, was in zip(wires, before, strict=True)):
                if time.monotonic() - began > 30:
                    raise Unexpected("bench.pages: a changed price does not show.")
                time.sleep(0.02)
            longest = max(longest, time.monotonic() - began)
    return longest


def weight(here: Shop) -> float:
    """Kilobytes of an item's page with all that it loads from the shop, for a browser that comes first.

    Beside the pictures of goods: they weigh what the seller uploads.
    """
    root = {**here.env, "STATIC_ROOT": str(here.folder / "static")}
    manage(root, "collectstatic", "--noinput")
    with web(here.folder, root) as server:
        wire = Wire(server.port)
        wanted, got = ["/item/1"], {}
        for path in wanted:
            answer = got[path] = wire.ask(get(path))
            if answer.status != 200:
                raise Unexpected(f"bench.pages: {path} answered {answer.status}")
            if path == "/item/1":
                page = plain(wire, path)
                tags = re.findall(rb'<(?:link rel="(?:stylesheet|icon)"|script|img)[^>]*>', page)
                found = re.findall(rb'(?:href|src)="(/(?!media/)[^"]+)"', b"".join(tags))
                wanted += dict.fromkeys(one.decode() for one in found)
    for path, answer in got.items():
        print(f"  {len(answer.body):>7} bytes {answer.headers.get('content-encoding', ''):<5} {path}")
    return sum(len(answer.body) for answer in got.values()) / 1000


def plain(wire: Wire, path: str) -> bytes:
    return wire.ask(get(path, accept_encoding="identity")).body


# ------------------------------------------------------------------------------------------------------


def ratios(cost: dict[str, float]) -> dict[str, float | None]:
    """The keys of the goals; null for django-oscar where it is not."""
    return {
        "item_vs_hello": round(cost["hello"] / cost["item"], 2),
        "window_vs_hello": round(cost["hello"] / cost["window"], 2),
        "middleware_vs_null": round(cost["empty"] / cost["null"], 2),
        "oscar_cpu_vs_item": round(cost["oscar"] / cost["item"]) if "oscar" in cost else None,
    }


def main() -> int:
    words = argparse.ArgumentParser(prog="bench.pages")
    words.add_argument("rounds", type=int, nargs="?", default=5)
    words.add_argument("each", type=int, nargs="?", default=1500)
    words.add_argument("--without-oscar", action="store_true")
    asked = words.parse_args()
    peer, rounds = OSCAR.exists() and not asked.without_oscar, asked.rounds
    with shop() as here:
        found = behind_the_server(here, rounds, asked.each, peer=peer)
        seen = {"price_visible_s": round(price_visible(here, rounds), 2), "page_kb": round(weight(here), 1)}
    cost = {kind: statistics.median(costs) for kind, costs in found.items()}
    for kind, costs in found.items():
        low, high = min(costs), max(costs)
        print(
            f"{kind:10}{cost[kind]:8.0f} us ({low:.0f} to {high:.0f}){cost[kind] / cost['null']:8.2f} nulls"
        )
    print(json.dumps(ratios(cost) | seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
