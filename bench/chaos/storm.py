"""One run: buyers come while the world strikes, then it is calm, everything settles, and both sides are held
against each other.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        self.pool, self.office = ThreadPoolExecutor(AT_ONCE), ThreadPoolExecutor(1)
        self.selling = threading.Lock()
        self.running = [self.pool.submit(self._one, number) for number in range(buys)]

    def _one(self, number: int) -> None:
        self.seen = max(self.seen, next(self.begun))
        buyer = Buyer(self.world, self.seed, number, self.told)
        try:
            opened = buyer.shop_around()
            self.told(f"buyers: {buyer.twist}")
            if opened and random.Random(f"refund {self.seed} {number}").random() < 0.15:
                self._refund(buyer, opened[-1])
        except GaveUp:
            self.told("buyers: gave up")

    def change_a_tax(self) -> None:
        """Soon, and not in the caller's thread."""
        self.running.append(self.office.submit(self._change_a_tax))

    def _change_a_tax(self) -> None:
        with self.selling, suppress(GaveUp):
            self.seller.change_a_tax()

    def _refund(self, buyer: Buyer, opened: Opened) -> None:
        order = buyer.order or buyer.newest_order()
        with self.selling:
            self.seller.refund_unwanted(order, opened)

    @property
    def is_done(self) -> bool:
        return all(one.done() for one in self.running)

    def finish(self) -> None:
        """Raises what a buyer could not cope with: a defect of the harness."""
        for pool in (self.pool, self.office):
            pool.shutdown(cancel_futures=True)
        for one in self.running:
            if not one.cancelled():
                one.result()


def storm(
    buys: int,
    seed: int,
    *,
    without: Collection[str] = (),
    keep: Path | None = None,
    say: Say = lambda line: None,
) -> Report:
    """The whole run. Raises Broken where the world could not be set up."""
    began = time.monotonic()
    with world(buys // RIVALS + 1, keep) as made:
        say(f"the world stands after {time.monotonic() - began:.0f} s: {buys} buyers come, seed {seed}")
        crowd, struck = Crowd(made, buys, seed), Counter[str]()
        try:
            Blows(made, crowd, struck, without).strike()
        finally:  # after Ctrl-C nobody else need come
            crowd.finish()
        say(f"the buyers are gone after {time.monotonic() - began:.0f} s; everything settles")
        _calm(made)
        verdict = _settle(made, say)
        verdict.doubled += crowd.two_ways.values()
        struck += Counter(made.control("GET", "faults/counts"))
        return _report(made, crowd, struck, verdict, seed, time.monotonic() - began)


class Blows:
    """What is done to the shop while buyers come. Kills and restarts are counted in `struck`."""

    def __init__(self, world: World, crowd: Crowd, struck: "Counter[str]", without: Collection[str]) -> None:
        self.world, self.crowd, self.struck = world, crowd, struck
        self.planned = plan.milestones(crowd.seed, crowd.buys, without)
        #: How many answers were to be held back so far, and until when the keys are another account's.
        self.to_hold, self.keys_are_back = 0, 0.0
        #: What was open while the keys were changed: the shop could not close it.
        self.out_of_reach: set[str] = set()

    def strike(self) -> None:
        """Blow after blow until the last buyer has gone."""
        changes = plan.weather(self.crowd.seed)
        change, at = next(changes), time.monotonic()
        while not self.crowd.is_done:
            if self.planned and self.planned[0][0] <= self.crowd.seen and self._blow(self.planned[0][1]):
                self.planned.pop(0)
            if time.monotonic() >= at:
                self._blow(change)
                change = next(changes)
                at = time.monotonic() + change.pause
            for name in self.world.revive():
                self.struck[f"{name} had ended by itself"] += 1
            self._look()
            time.sleep(0.05)

    def _look(self) -> None:
        payable = payable_now(self.world.sandbox_file)
        if self.keys_are_back:
            self.out_of_reach |= {one["id"] for one in payable}
            if time.monotonic() >= self.keys_are_back:
                self.world.control("PUT", "faults", {"other_account": False})
                self.keys_are_back = 0
        self.crowd.two_ways |= two_ways_to_pay(one for one in payable if one["id"] not in self.out_of_reach)

    def _blow(self, blow: plan.Blow) -> bool:
        """Whether it was done: a program that is not up is not killed, or it would never get up."""
        world = self.world
        match blow.what:
            case "kill":
                if not world.is_up(blow.name):
                    return False
                world.kill(blow.name)
                self.struck["kill -9"] += 1
            case "faults":
                world.control("PUT", "faults", {**blow.faults, "next": [*self._held(), *blow.faults["next"]]})
            case plan.HOLD:
                self.to_hold += 1
            case plan.KEYS:
                world.control("PUT", "faults", {"other_account": True})
                self.keys_are_back = time.monotonic() + blow.pause
                self.struck["keys changed for a spell"] += 1
            case "tax":
                self.crowd.change_a_tax()
            case "postgres":
                world.restart_postgres()
                self.struck["PostgreSQL restarted"] += 1
            case "jump":
                world.jump(int(blow.name))
                self.struck["clock jumped"] += 1
        return True

    def _held(self) -> list[dict[str, Any]]:
        """The answers that are still to be held back."""
        left = self.to_hold - self.world.control("GET", "faults/counts").get("held_back", 0)
        return [{**plan.HELD_BACK, "times": left}] if left > 0 else []


def _calm(world: World) -> None:
    """No more faults; everybody is up; what Stripe still had to deliver is delivered."""
    world.control("PUT", "faults", plan.FINE | plan.PROMPT | {"other_account": False})
    world.revive()
    for name in ("web-1", "web-2"):
        world.wait(world.is_up, name)
    world.wait_for_post()


def _settle(world: World, say: Say) -> Verdict:
    """Time passes: sessions end, debits are decided, the worker's sweeps and reconcile find what is left."""
    for turn in range(1, ROUNDS + 1):
        world.let_time_pass(2400)
        found = world.reconcile()
        world.process_jobs()
        verdict = judge(read_stripe(world), read_shop(world.postgres.url), world.pieces)
        verdict.stuck += [f"reconcile leaves {one}" for one in found["discrepancies"] if not one["repaired"]]
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
