"""One run: buyers come while the world strikes, then it is calm, everything settles, and both sides are held
against each other.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.chaos import plan
from bench.chaos.buyers import RIVALS, Buyer
from bench.chaos.person import GaveUp, Opened, Told
from bench.chaos.seller import Seller
from bench.chaos.verdict import WAS_PAID, Verdict, judge, payable_now, read_shop, read_stripe, two_ways_to_pay
from bench.chaos.world import World, world

FIGURES = (
    "seed", "buys", "charges", "paid_orders", "refunds", "lost", "doubled", "wrong_amount", "stuck",
    "kills", "faults", "seconds",
)  # fmt: skip
AT_ONCE = 16
#: How often the calm world is tidied up before what is left counts as stuck.
ROUNDS = 4
Say = Callable[[str], None]


@dataclass
class Report:
    """What came out: `figures` by FIGURES, what people saw, what was done to the shop."""

    figures: dict[str, int]
    told: "Counter[str]"
    struck: "Counter[str]"
    verdict: Verdict

    @property
    def is_bad(self) -> bool:
        return any(self.verdict.figures.values())


class Crowd:
    """The buyers, AT_ONCE at a time, and the seller beside them. `begun` counts who has come so far."""

    def __init__(self, world: World, buys: int, seed: int) -> None:
        self.world, self.buys, self.seed = world, buys, seed
        self.told = Told()
        self.begun = itertools.count()
        self.seen = 0
        #: Orders that could be paid in two ways at some moment.
        self.two_ways: dict[str, str] = {}
        self.seller = Seller(world, seed, self.told)
        self.pool = ThreadPoolExecutor(AT_ONCE)
        self.selling = threading.Lock()
        self.running = [self.pool.submit(self._one, number) for number in range(buys)]

    def _one(self, number: int) -> None:
        self.seen = max(self.seen, next(self.begun))
        buyer = Buyer(self.world, self.seed, number, self.told)
        try:
            opened = buyer.shop_around()
            self.told(f"buyers: {buyer.twist}")
            if opened and random.Random(f"refund {self.seed} {number}").random() < 0.15:
                self._give_back(buyer, opened[-1])
        except GaveUp:
            self.told("buyers: gave up")

    def _give_back(self, buyer: Buyer, opened: Opened) -> None:
        order = buyer.order or buyer.newest_order()
        with self.selling:
            self.seller.give_back(order, opened)

    @property
    def is_done(self) -> bool:
        return all(one.done() for one in self.running)

    def finish(self) -> None:
        """Raises what a buyer could not cope with: a defect of the harness."""
        self.pool.shutdown(cancel_futures=True)
        for one in self.running:
            if not one.cancelled():
                one.result()


def storm(buys: int, seed: int, *, keep: Path | None = None, say: Say = lambda line: None) -> Report:
    """The whole run. Raises Broken where the world could not be set up."""
    began = time.monotonic()
    with world(buys // RIVALS + 1, keep) as made:
        say(f"the world stands after {time.monotonic() - began:.0f} s: {buys} buyers come, seed {seed}")
        crowd, struck = Crowd(made, buys, seed), Counter[str]()
        try:
            _strike(made, crowd, struck)
        finally:  # after Ctrl-C nobody else need come
            crowd.finish()
        say(f"the buyers are gone after {time.monotonic() - began:.0f} s; everything settles")
        _calm(made)
        verdict = _settle(made, say)
        verdict.doubled += crowd.two_ways.values()
        struck += Counter(made.control("GET", "faults/counts"))
        return _report(made, crowd, struck, verdict, seed, time.monotonic() - began)


def _strike(world: World, crowd: Crowd, struck: "Counter[str]") -> None:
    """Blow after blow until the last buyer has gone."""
    planned = plan.milestones(crowd.seed, crowd.buys)
    changes = plan.weather(crowd.seed)
    change, at = next(changes), time.monotonic()
    while not crowd.is_done:
        if planned and planned[0][0] <= crowd.seen and _blow(world, planned[0][1], struck):
            planned.pop(0)
        if time.monotonic() >= at:
            _blow(world, change, struck)
            change = next(changes)
            at = time.monotonic() + change.pause
        for name in world.revive():
            struck[f"{name} had ended by itself"] += 1
        crowd.two_ways |= two_ways_to_pay(payable_now(world.sandbox_file))
        time.sleep(0.05)


def _blow(world: World, blow: plan.Blow, struck: "Counter[str]") -> bool:
    """Whether it was done: a program that is not up is not killed, or it would never get up."""
    match blow.what:
        case "kill":
            if not world.is_up(blow.name):
                return False
            world.kill(blow.name)
            struck["kill -9"] += 1
        case "faults":
            world.control("PUT", "faults", blow.faults)
        case "postgres":
            world.restart_postgres()
            struck["PostgreSQL restarted"] += 1
        case "jump":
            world.jump(int(blow.name))
            struck["clock jumped"] += 1
    return True


def _calm(world: World) -> None:
    """No more faults; everybody is up; what Stripe still had to deliver is delivered."""
    world.control("PUT", "faults", plan.FINE | plan.PROMPT)
    world.revive()
    for name in ("web-1", "web-2"):
        world.wait(world.is_up, name)
    world.wait_for_post()


def _settle(world: World, say: Say) -> Verdict:
    """Time passes: sessions end, debits are decided, the worker's sweeps and reconcile find what is left."""
    for turn in range(1, ROUNDS + 1):
        world.let_time_pass(2400)
        found = world.reconcile()
        world.work_off_jobs()
        verdict = judge(read_stripe(world), read_shop(world.postgres.url), world.pieces)
        verdict.stuck += [f"reconcile leaves {one}" for one in found["findings"] if not one["repaired"]]
        say(f"  reconcile compared {found['checked']} and repaired {found['repaired']}")
        if not any(verdict.figures.values()):
            break
        say(f"  not settled after round {turn}: {verdict.figures}, such as {verdict.example}")
    return verdict


def _report(
    world: World, crowd: Crowd, struck: "Counter[str]", verdict: Verdict, seed: int, seconds: float
) -> Report:
    shop, stripe = read_shop(world.postgres.url), read_stripe(world)
    blows: Iterator[int] = (times for what, times in struck.items() if what != "kill -9")
    figures = {
        "seed": seed,
        "buys": crowd.buys,
        "charges": sum(charge["status"] == "succeeded" for charge in stripe.charges),
        "paid_orders": sum(order["status"] in WAS_PAID for order in shop["orders"]),
        "refunds": len(stripe.refunds),
        **verdict.figures,
        "kills": struck["kill -9"],
        "faults": sum(blows),
        "seconds": round(seconds),
    }
    return Report(figures, crowd.told.counts, struck, verdict)
