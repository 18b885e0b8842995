"""What everybody in the storm does the same way: ask the shop, ask again, pay at Stripe.

People try again a few times where the shop does not answer or says 503, and then give up.
"""

import random
import threading
import time
from collections import Counter
from typing import Any

import requests

from bench.chaos.world import World

TRIES = 10
GOOD, DECLINED = "4242424242424242", "4000000000000002"


class GaveUp(Exception):
    """The shop did not answer for too long."""


class Told:
    """Counts what people saw; they all tell at once."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


class Person:
    """One browser. `dice` decides what it does; what it sees is `told`."""

    def __init__(self, world: World, dice: random.Random, told: Told) -> None:
        self.world, self.dice, self.told = world, dice, told
        self.browser = requests.Session()
        self.browser.trust_env = False
        # What a browser says of what the shop's own pages ask for: pieces are held for it.
        self.browser.headers["Sec-Fetch-Site"] = "same-origin"

    def come_from(self, number: int) -> None:
        """An address of one's own, as a proxy would tell it; of the range that is kept for such tests."""
        self.browser.headers["X-Forwarded-For"] = f"198.18.{number // 250}.{number % 250 + 1}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """An answer of either web process that is no 5xx. Raises GaveUp."""
        for attempt in range(TRIES):
            base = self.dice.choice(self.world.webs)
            try:
                answer = self.browser.request(
                    method, f"{base}{path}", timeout=40, allow_redirects=False, **more
                )
            except requests.RequestException:
                self.told("no answer")
            else:
                if answer.status_code < 500:
                    return answer
                self.told(f"HTTP {answer.status_code}")
            # Nothing tells a person when the shop is back: they wait a moment, each time a little longer.
            time.sleep(self.dice.uniform(0.1, 0.4) * (attempt + 1))
        raise GaveUp(path)

    def pay(self, opened: "Opened", **how: Any) -> bool:
        """As the buyer on Stripe's page. Whether it was taken; the bank or a closed page may say no.

        What a spell with other keys made can't be paid: the other account takes no money.
        """
        if self.world.is_elsewhere(opened.type, opened.id):
            self.told("closed")
            return False
        how = {"email": "buyer@shop.example", **(how or {"card": GOOD})}
        answer = requests.post(
            f"{self.world.stripe}/_sandbox/{opened.kind}/{opened.id}/pay", json=how, timeout=60
        )
        if answer.status_code not in (200, 402, 409):
            raise RuntimeError(f"the sandbox answers {answer.status_code}: {answer.text[:300]}")
        self.told("paid" if answer.ok else "declined" if answer.status_code == 402 else "closed")
        return bool(answer.ok)


class Opened:
    """A way to pay that the shop handed out: `kind` is sessions or intents, `type` and `id` are Stripe's."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.kind = "sessions" if "session_id" in body else "intents"
        self.type = "checkout.session" if "session_id" in body else "payment_intent"
        self.id: str = body.get("session_id") or body["payment_intent_id"]
