"""Buyers who come at a steady pace, whatever the shop answers: how long they wait, and what they hold.

`python -m bench.arrivals [SECONDS]`: RATE new visitors a second, which is what Stripe lets an account create,
press Buy while Stripe takes LATENCY milliseconds to answer. Once a second a bare call to that Stripe is timed
beside them: what that takes longer is not the shop's. Then WAITING of them at once wait for a Stripe
that takes five seconds: memory of the web process and connections of the database for those. The last line
is JSON.
"""

import json
import secrets
import statistics
import sys
import threading
import time

import psycopg

from bench.servers import KEY, Answer, Shop, Unexpected, Web, Wire, get, memory_mb, shop, web

#: Buys a second, and milliseconds that Stripe takes.
RATE, LATENCY = 25, 300
#: Who waits at once, and for how many milliseconds each.
WAITING, LONG = 200, 5000
#: A quarter of a server's threads never waits for Stripe.
THREADS = 300


def buy(server: Web) -> Answer:
    """A visitor of whom the shop knows nothing, by a connection of their own."""
    wire = Wire(server.port)
    try:
        cookie = f"kopeck_visitor={secrets.token_urlsafe(32)}"
        return wire.ask(get("/buy/1", cookie=cookie, sec_fetch_site="same-origin"))
    finally:
        wire.close()


class Bare:
    """Asks the local Stripe once a second for as little as can be: a session that is not there."""

    def __init__(self, stripe_url: str) -> None:
        self.port, self.waits = int(stripe_url.rpartition(":")[2]), list[float]()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Bare":
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._done.set()
        self._thread.join()

    def _ask(self) -> None:
        request = get("/v1/checkout/sessions/cs_test_none", authorization=f"Bearer {KEY}")
        while not self._done.is_set():
            began, wire = time.monotonic(), Wire(self.port)
            wire.ask(request)
            wire.close()
            self.waits.append(time.monotonic() - began)
            self._done.wait(1)


def arrive(server: Web, seconds: float, rate: float) -> tuple[list[float], int]:
    """Seconds that each waited, and how many were not served. Nobody comes later because others wait."""
    waits: list[float] = []
    errors: list[object] = []

    def one(due: float) -> None:
        try:
            answer = buy(server)
        except OSError as problem:
            errors.append(problem)
            return
        waits.append(time.monotonic() - due)
        if answer.status != 200:
            errors.append(answer)

    people, began = [], time.monotonic()
    for number in range(int(seconds * rate)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        people.append(threading.Thread(target=one, args=[due]))
        people[-1].start()
    for person in people:
        person.join()
    for problem in errors[:3]:
        print(f"  not served: {problem}")
    return waits, len(errors)


def wait_together(here: Shop, server: Web, number: int) -> tuple[float, int]:
    """Megabytes more, and connections of the database, while so many wait for Stripe."""
    before = memory_mb(server.worker)
    answers: list[Answer] = []
    people = [threading.Thread(target=lambda: answers.append(buy(server))) for _ in range(number)]
    for person in people:
        person.start()
    time.sleep(LONG / 1000 - 1)  # all have asked Stripe, and none has been answered
    during, held = memory_mb(server.worker), connections(here.database_url)
    for person in people:
        person.join()
    if wrong := [answer for answer in answers if answer.status != 200] or number != len(answers):
        raise Unexpected(f"bench.arrivals: {number - len(answers)} of {number} had no answer; {wrong}")
    return during - before, held


def connections(database_url: str) -> int:
    """Those of the web server: no other program of the shop runs."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(row[0]) if row else 0


def measured(here: Shop, seconds: float) -> dict[str, float]:
    with web(here.folder, here.env, threads=THREADS) as server:
        for _warm in range(20):
            buy(server)
        here.stripe_takes(LATENCY)
        with Bare(here.stripe_url) as bare:
            waits, errors = arrive(server, seconds, RATE)
        cuts = statistics.quantiles(waits, n=100)
        p50 = statistics.median(waits)
        print(
            f"{len(waits)} buys at {RATE} a second, Stripe answers after {LATENCY} ms: "
            f"p50 {p50 * 1000:.0f} ms, p95 {cuts[94] * 1000:.0f}, p99 {cuts[98] * 1000:.0f}; {errors} errors"
        )
        print(f"the bare call beside them: p50 {statistics.median(bare.waits) * 1000:.0f} ms")
        here.stripe_takes(LONG)
        megabytes, held = wait_together(here, server, WAITING)
        print(f"{WAITING} who wait for Stripe: {megabytes:.0f} MB more, {held} connections of the database")
        here.stripe_takes(0)
    return {
        "arrivals_p50_vs_stripe": round(p50 * 1000 / LATENCY, 2),
        "arrivals_errors": errors,
        "mb_per_waiting_buyer": round(megabytes / WAITING, 3),
        "connections_at_200": held,
    }


def main() -> int:
    seconds = float(sys.argv[1]) if sys.argv[1:] else 60
    with shop() as here:
        found = measured(here, seconds)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
