#!/usr/bin/env python3
"""Visitors who browse and buy until standard input ends; then one JSON line of what they were answered.

    python3 tests/system/ship/load.py http://localhost:8080 [VISITORS] <fifo

A failure is an answer of 500 and above, or none. Needs nothing but Python.
"""

import http.client
import json
import re
import sys
import threading
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field

WAYS = ("/", "/item/{item}", "/", "/item/{item}", "/orders", "/api/v1/openapi.json", "/buy/{item}")


@dataclass
class Load:
    """`answers` by status, `failures` in words; `stop` ends it after the requests that are under way."""

    shop: str
    visitors: int = 6
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._items = self._goods()
        self._threads = [
            threading.Thread(target=self._visit, args=(number,)) for number in range(self.visitors)
        ]

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> "Load":
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + len(self.failures)

    def _goods(self) -> list[str]:
        _, _, page = _ask(self.shop, "GET", "/", "")
        items = re.findall(r'href="/item/(\d+)"', page)
        if not items:
            raise SystemExit("load: the shop window shows no item.")
        return items

    def _visit(self, number: int) -> None:
        cookie, turn = "", number
        while not self._over.is_set():
            item = self._items[turn % len(self._items)]
            way = WAYS[turn % len(WAYS)].format(item=item)
            # A form's POST is what a balancer may not repeat, so these are what an update loses first.
            method = "POST" if way.startswith("/buy") and turn % 3 else "GET"
            try:
                status, given, _ = _ask(self.shop, method, way, cookie)
            except (OSError, http.client.HTTPException) as problem:
                with self._lock:
                    self.failures.append(f"{method} {way}: {problem!r}")
                continue
            finally:
                turn += 1
            cookie = given or cookie
            with self._lock:
                if status >= 500:
                    self.failures.append(f"{method} {way}: {status}")
                else:
                    self.answers[status] += 1


def _ask(shop: str, method: str, path: str, cookie: str) -> tuple[int, str, str]:
    """Status, the visitor's cookie if one is given, and the body."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(shop).netloc, timeout=240)
    try:
        connection.request(method, path, headers={"Cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        return answer.status, (answer.getheader("Set-Cookie") or "").partition(";")[0], body
    finally:
        connection.close()


def main() -> int:
    load = Load(sys.argv[1], *map(int, sys.argv[2:3])).start()
    sys.stdin.read()
    load.stop()
    told = {
        "requests": load.total,
        "failed": len(load.failures),
        "answers": {str(status): count for status, count in sorted(load.answers.items())},
        "first_failures": load.failures[:5],
    }
    print(json.dumps(told))
    return 1 if load.failures or not load.total else 0


if __name__ == "__main__":
    sys.exit(main())
