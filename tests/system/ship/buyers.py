"""People who buy without pause from a shop on servers, and what of it the shop and Stripe know."""

import http.client
import json
import re
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg

from tests.system.ship.servers import Servers

CARD = {"card": "4242424242424242", "email": "buyer@example.com"}
#: Seconds in which a buyer gets something to pay, whatever dies meanwhile.
PATIENCE = 120


@dataclass
class Buyers:
    """People who look at an item, buy it, pay and come back, each with a new cookie for every purchase."""

    shop: Servers
    number: int
    paid: list[str] = field(default_factory=list)
    requests: int = 0
    failures: list[tuple[float, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.over, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self._live, args=(n,)) for n in range(self.number)]

    def __enter__(self) -> None:
        for thread in self.threads:
            thread.start()

    def __exit__(self, *problem: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _live(self, number: int) -> None:
        turn = number
        while not self.over.is_set():
            turn += 1
            self._buy(turn % 3 + 1)

    def _buy(self, item: int) -> None:
        """Where an answer fails the buyer presses again, as people do, for the same purchase."""
        cookie = self._ask("GET", f"/item/{item}?mine=1", "")[1]
        session, deadline = "", time.monotonic() + PATIENCE
        while not session and time.monotonic() < deadline:
            status, given, location = self._ask("POST", f"/buy/{item}", cookie)
            cookie = given or cookie
            if status == 303:
                session = re.findall(r"cs_\w+", location)[0]
            else:
                time.sleep(0.2)
        assert session, "for minutes nothing could be bought"
        post(f"{self.shop.sandbox}/_sandbox/sessions/{session}/pay", CARD)
        with self.lock:
            self.paid.append(session)
        self._ask("GET", "/orders", cookie)

    def _ask(self, method: str, path: str, cookie: str) -> tuple[int, str, str]:
        """Status, the visitor's cookie if one is given, where it leads; (0, "", "") for no answer."""
        began = time.monotonic()
        connection = http.client.HTTPConnection(urlsplit(self.shop.shop).netloc, timeout=240)
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


def await_purchases(buyers: Buyers, number: int) -> None:
    wanted, deadline = len(buyers.paid) + number, time.monotonic() + 240
    while len(buyers.paid) < wanted:
        assert time.monotonic() < deadline, "nobody can buy any more"
        time.sleep(0.05)


def orders_paid(shop: Servers, database: str, sessions: list[str]) -> list[str]:
    """The sessions whose orders are paid, once all events have arrived: within a minute."""
    asked = (
        "SELECT stripe_id FROM payments_payment JOIN orders_order ON orders_order.id = order_id "
        "WHERE payments_payment.status = 'paid' AND orders_order.status = 'paid' ORDER BY 1"
    )
    deadline = time.monotonic() + 240
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            found = [str(row[0]) for row in connection.execute(asked).fetchall()]
            if len(found) >= len(sessions) or time.monotonic() > deadline:
                return sorted(found)
            post(f"{shop.sandbox}/_sandbox/webhooks/deliver", {})
            time.sleep(0.2)


def charged(shop: Servers) -> list[str]:
    with urllib.request.urlopen(f"{shop.sandbox}/_sandbox/ledger", timeout=240) as answer:
        accounts = json.load(answer)["accounts"]
    return sorted(one["checkout_session"] for account in accounts for one in account["charges"])
