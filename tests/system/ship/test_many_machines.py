"""Three web servers and three workers on one PostgreSQL, killed in turn while people buy.

What a kill may cost is what the killed server was answering at that moment, and nothing else.
"""

import http.client
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.lacking import lacks
from tests.system.ship.many import SHARED, Machines, find_pgbouncer
from tests.system.ship.servers import CADDY, find_caddy, status, wait_for

MACHINES, BUYERS, BUYS_BETWEEN_KILLS = 3, 5, 4
CARD = {"card": "4242424242424242", "email": "buyer@example.com"}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    caddy, pgbouncer = find_caddy() or lacks(CADDY), find_pgbouncer() or lacks("pgbouncer")
    started = Machines(tmp_path_factory.mktemp("machines"), MACHINES)
    try:
        started.start_all(caddy, pgbouncer)
        yield started
    finally:
        started.close()


@dataclass
class Buyers:
    """People who look at an item, buy it, pay and come back, each with a new cookie for every purchase."""

    machines: Machines
    paid: list[str] = field(default_factory=list)
    requests: int = 0
    failures: list[tuple[float, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.over, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self._live, args=(n,)) for n in range(BUYERS)]

    def _live(self, number: int) -> None:
        turn = number
        while not self.over.is_set():
            turn += 1
            self._buy(turn % 3 + 1)

    def _buy(self, item: int) -> None:
        """Where an answer fails the buyer presses again, as people do, for the same purchase."""
        cookie = self._ask("GET", f"/item/{item}", "")[1]
        session = ""
        for _try in range(10):
            status, given, location = self._ask("POST", f"/buy/{item}", cookie)
            cookie = given or cookie
            if status == 303:
                session = re.findall(r"cs_\w+", location)[0]
                break
        assert session, "ten times in a row nothing could be bought"
        post(f"{self.machines.sandbox}/_sandbox/sessions/{session}/pay", CARD)
        with self.lock:
            self.paid.append(session)
        self._ask("GET", "/orders", cookie)

    def _ask(self, method: str, path: str, cookie: str) -> tuple[int, str, str]:
        """Status, the visitor's cookie if one is given, where it leads; (0, "", "") for no answer."""
        began = time.monotonic()
        connection = http.client.HTTPConnection(urlsplit(self.machines.shop).netloc, timeout=240)
        try:
            connection.request(method, path, headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
            given = [word for word in (answer.getheader("Set-Cookie") or "").split("; ") if "visitor" in word]
            found = (given[0].rpartition(", ")[2] if given else "", answer.getheader("Location") or "")
        except (OSError, http.client.HTTPException) as problem:
            status, found = 0, ("", repr(problem))
        finally:
            connection.close()
        with self.lock:
            self.requests += 1
            if status == 0 or status >= 500:
                said = f"{method} {path}: {status} {found[1]}"
                self.failures.append((began, time.monotonic(), said))
        return status, *found


def post(address: str, body: dict[str, str]) -> None:
    asked = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=240) as answer:
        assert answer.status == 200


def kill_all_in_turn(machines: Machines, buyers: Buyers) -> list[tuple[float, float]]:
    """One web server and one worker of each machine, while purchases go on.

    From when to when each web server died: on a busy machine its processes take a moment.
    """
    killed = []
    for number in range(MACHINES):
        await_purchases(buyers, BUYS_BETWEEN_KILLS)
        began = time.monotonic()
        machines.kill(machines.webs[number])
        await_silence(machines.web[number])
        killed.append((began, time.monotonic()))
        machines.kill(machines.workers[number])
        await_purchases(buyers, BUYS_BETWEEN_KILLS)  # by the two that are left
        machines.webs[number] = machines.start_one(number)
        machines.workers[number] = machines.start_worker()
        wait_for(f"{machines.web[number]}/readyz", 200, machines.webs[number])
    await_purchases(buyers, BUYS_BETWEEN_KILLS)
    return killed


def await_silence(address: str) -> None:
    """Until nothing listens there any more."""
    place = urlsplit(address)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        with socket.socket() as tried:
            if tried.connect_ex((place.hostname, place.port)):
                return
        time.sleep(0.01)
    raise AssertionError(f"{address} outlives its killing")


def await_purchases(buyers: Buyers, number: int) -> None:
    wanted, deadline = len(buyers.paid) + number, time.monotonic() + 240
    while len(buyers.paid) < wanted:
        assert time.monotonic() < deadline, "nobody can buy any more"
        time.sleep(0.05)


def test_three_machines_killed_in_turn_lose_no_order(machines: Machines) -> None:
    buyers = Buyers(machines)
    for thread in buyers.threads:
        thread.start()
    try:
        killed = kill_all_in_turn(machines, buyers)
    finally:
        buyers.over.set()
        for thread in buyers.threads:
            thread.join()
    at_the_kill = [
        any(began <= dead and dying <= ended for dying, dead in killed) for began, ended, _ in buyers.failures
    ]
    assert all(at_the_kill), buyers.failures
    assert len(buyers.failures) <= BUYERS * MACHINES
    assert len(buyers.paid) == len(set(buyers.paid))
    assert orders_paid(machines, buyers.paid) == sorted(buyers.paid)
    assert charged(machines) == sorted(buyers.paid)


def test_all_web_servers_share_a_few_connections(machines: Machines) -> None:
    """PostgreSQL sees those of PgBouncer, however many threads the web servers have."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%pgbouncer%'"
    post_many = [threading.Thread(target=status, args=(f"{machines.shop}/orders",)) for _ in range(60)]
    for thread in post_many:
        thread.start()
    for thread in post_many:
        thread.join()
    with psycopg.connect(machines.postgres.url, autocommit=True) as connection:
        (held,) = connection.execute(asked).fetchone() or (0,)
    assert 1 <= held <= SHARED


def orders_paid(machines: Machines, sessions: list[str]) -> list[str]:
    """The sessions whose orders are paid, once all events have arrived: within a minute."""
    asked = (
        "SELECT stripe_id FROM payments_payment JOIN orders_order ON orders_order.id = order_id "
        "WHERE payments_payment.status = 'paid' AND orders_order.status = 'paid' ORDER BY 1"
    )
    deadline = time.monotonic() + 240
    with psycopg.connect(machines.postgres.url, autocommit=True) as connection:
        while True:
            found = [str(row[0]) for row in connection.execute(asked).fetchall()]
            if len(found) >= len(sessions) or time.monotonic() > deadline:
                return sorted(found)
            post(f"{machines.sandbox}/_sandbox/webhooks/deliver", {})
            time.sleep(0.2)


def charged(machines: Machines) -> list[str]:
    with urllib.request.urlopen(f"{machines.sandbox}/_sandbox/ledger", timeout=240) as answer:
        accounts = json.load(answer)["accounts"]
    return sorted(one["checkout_session"] for account in accounts for one in account["charges"])
