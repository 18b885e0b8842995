"""Beyond what a process can carry it says so at once: 503, Retry-After, a sentence, before any wait."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from kopeck.front.crowd import Bounded, Crowd, aside
from tests.support.serving import Served, database_url, served
from tests.support.shop import ShopSandbox, make_item, sign

#: Room for 14 of 16 threads' requests.
THREADS = 16


def asked(app: Bounded, path: str) -> bool:
    """Whether the request was let in."""
    environ = {"PATH_INFO": path}
    app(environ, None)
    return "kopeck.crowded" not in environ


def test_who_finds_no_room_is_marked_and_events_and_health_have_their_own() -> None:
    inside, go = threading.Semaphore(0), threading.Event()

    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        if environ.get("stays"):
            inside.release()
            go.wait(30)
        return []

    app = Bounded(application, threads=16, connections=10)
    assert app.crowd.room == {False: 14, True: 1}
    with ThreadPoolExecutor(15) as pool:

        def stay(path: str) -> None:
            pool.submit(app, {"PATH_INFO": path, "stays": True}, None)
            assert inside.acquire(timeout=30)

        for _ in range(13):
            stay("/buy/1")
        assert asked(app, "/buy/1")
        stay("/webhooks/stripe/default")
        assert asked(app, "/webhooks/stripe/default")  # one more of the shop's room
        assert asked(app, "/buy/1")
        stay("/buy/1")
        assert [asked(app, path) for path in ("/buy/1", "/webhooks/stripe/default")] == [False, False]
        assert all(asked(app, path) for path in ("/healthz", "/readyz", "/metrics", "/static/buy.js"))
        go.set()
    assert asked(app, "/buy/1")


def test_the_room_is_that_of_the_connections_where_there_are_many_threads() -> None:
    assert Bounded(lambda *words: [], threads=500, connections=10).crowd.room[False] == 200
    assert Bounded(lambda *words: [], threads=1, connections=1).crowd.room == {False: 1, True: 1}


def test_who_steps_aside_leaves_room_and_comes_back_in() -> None:
    crowd = Crowd(1, 1)
    assert crowd.enter(is_event=False)

    def fail() -> None:
        with aside():
            assert crowd._working[False] == 0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert crowd._working[False] == 1
    crowd.leave()
    assert crowd._working[False] == 0
    with aside():  # a job's
        assert crowd._working[False] == 0


def test_a_request_that_fails_leaves_its_room() -> None:
    def application(environ: dict[str, Any], _start: Any) -> list[bytes]:
        raise RuntimeError

    app = Bounded(application, threads=1, connections=1)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            app({"PATH_INFO": "/buy/1"}, None)


@pytest.fixture
def web(sandbox: ShopSandbox, transactional_db: None, tmp_path: Path) -> Iterator[Served]:
    env = {"WEB_THREADS": str(THREADS), "DATABASE_POOL": "4", "STRIPE_API_BASE": sandbox.url}
    with served(tmp_path, **env) as server:
        yield server


@pytest.mark.slow
def test_a_process_whose_database_hangs_says_so_at_once_and_goes_on(web: Served) -> None:
    item = make_item()
    answers: list[tuple[float, requests.Response]] = []

    def press(_number: int) -> None:
        began = time.monotonic()
        answer = requests.get(f"{web.url}/buy/{item.pk}", timeout=60)
        answers.append((time.monotonic() - began, answer))

    with psycopg.connect(database_url()) as other, ThreadPoolExecutor(40) as pool:
        other.execute("LOCK TABLE orders_order IN ACCESS EXCLUSIVE MODE")
        presses = [pool.submit(press, number) for number in range(40)]
        deadline = time.monotonic() + 8
        while len(answers) < 40 - THREADS and time.monotonic() < deadline:
            time.sleep(0.05)
        refused = list(answers)
        assert requests.get(f"{web.url}/healthz", timeout=5).status_code == 200
        other.rollback()
        for one in presses:
            one.result(60)
    assert len(refused) >= 40 - THREADS
    for seconds, answer in refused:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert answer.headers["Retry-After"] == "2"
        assert seconds < 8
    assert sorted({answer.status_code for _seconds, answer in answers}) == [200, 503]
    assert requests.get(f"{web.url}/buy/{item.pk}", timeout=60).status_code == 200


@pytest.mark.slow
def test_who_waits_for_a_slow_stripe_keeps_nobody_out(web: Served, sandbox: ShopSandbox) -> None:
    """And events are heard of meanwhile."""
    item = make_item()
    sandbox.control("PUT", "faults", {"latency_ms": 1500})
    with ThreadPoolExecutor(12) as pool:
        presses = []
        for _ in range(12):
            presses.append(pool.submit(requests.get, f"{web.url}/buy/{item.pk}", timeout=60))
            time.sleep(0.05)
        assert requests.get(f"{web.url}/item/{item.pk}", timeout=30).status_code == 200
        body = json.dumps({"id": "evt_1", "type": "customer.created", "data": {"object": {}}})
        headers = {"Stripe-Signature": sign(body)}
        told = requests.post(f"{web.url}/webhooks/stripe/default", body, headers=headers, timeout=30)
        assert told.json() == {"status": "ignored"}
        assert {press.result(60).status_code for press in presses} == {200}
