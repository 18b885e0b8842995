"""What the world does to the shop, drawn from the seed: Stripe's weather, the post's, kills, restarts, jumps.

The plan is the same for a seed; what exactly each blow hits among threads and processes is not.
"""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

PROGRAMS = ("web-1", "web-2", "worker-1", "worker-2")
#: Longer than the shop waits for Stripe (world.py), so a call times out though its work is done.
TOO_SLOW = 2600

FINE: dict[str, Any] = {
    "latency_ms": 0,
    "error_rate": 0,
    "error_after_rate": 0,
    "rate_limit_rate": 0,
    "lock_timeout_rate": 0,
    "cut_before_rate": 0,
    "cut_after_rate": 0,
    "next": [],
}
WEATHER: tuple[dict[str, Any], ...] = (
    {},
    {"error_rate": 0.2},
    {"error_after_rate": 0.25},
    {"rate_limit_rate": 0.25},
    {"lock_timeout_rate": 0.25},
    {"cut_before_rate": 0.2},
    {"cut_after_rate": 0.25},
    {"latency_ms": [50, 400]},
    {"next": [{"kind": "latency", "method": "POST", "ms": TOO_SLOW, "times": 4}]},
    {"next": [{"kind": "cut_after", "method": "POST", "times": 6}]},
    {"error_rate": 0.95},
    {name: 0.05 for name in FINE if name.endswith("_rate")},
)
PROMPT: dict[str, Any] = {
    "webhook_drop_rate": 0,
    "webhook_duplicate_rate": 0,
    "webhook_delay_ms": 0,
    "webhook_reorder": False,
}
POST: tuple[dict[str, Any], ...] = (
    {"webhook_drop_rate": 0.1, "webhook_duplicate_rate": 0.1},
    {"webhook_drop_rate": 0.5},
    {"webhook_duplicate_rate": 0.7},
    {"webhook_delay_ms": [0, 4000]},
    {"webhook_reorder": 8, "webhook_duplicate_rate": 0.3},
    {"webhook_reorder": True},
    {"webhook_drop_rate": 1},
)
#: An answer to what makes or closes a way to pay comes after the attempt's lease (15 s) has ended, and mostly
#: when those who waited for it have gone.
HELD_BACK: dict[str, Any] = {
    "kind": "held_back",
    "method": "POST",
    "path": r"^/v1/(checkout/sessions|payment_intents)(/\w+/(expire|cancel))?$",
    "ms": [16_000, 32_000],
}
#: What can be left out of a storm by its name: answers held back on the way, and a spell with the keys of
#: another account.
HOLD, KEYS = "held-back", "keys-changed"
#: How long that lasts, in seconds.
SPELL = (1.5, 5.0)
#: Longer than a session lives, longer than an attempt's lease, a little drift.
JUMPS = (2400, 90, 20)


@dataclass(frozen=True)
class Blow:
    """One thing that happens: after `pause` seconds (or for so long), `what` with its details."""

    pause: float
    what: str
    name: str = ""
    faults: dict[str, Any] = field(default_factory=dict)


def weather(seed: int) -> Iterator[Blow]:
    """Without end: Stripe's weather and the post's change every second or two."""
    dice = random.Random(f"weather {seed}")
    while True:
        faults = FINE | PROMPT | dice.choice(WEATHER) | dice.choice(POST)
        yield Blow(dice.uniform(0.5, 2.0), "faults", faults=faults)


def milestones(seed: int, buys: int, without: Collection[str] = ()) -> list[tuple[int, Blow]]:
    """What happens when the so-manieth buyer comes: kills, restarts of PostgreSQL, jumps of the clock, taxes
    that change, answers held back, spells with other keys; the last two unless the storm is `without` them.
    """
    dice = random.Random(f"milestones {seed}")
    found, number = [], dice.randint(2, 6)
    while number < buys:
        found.append((number, Blow(0, "kill", name=dice.choice(PROGRAMS))))
        number += dice.randint(4, 16)
    restarts, jumps = max(1, buys // 300), max(2, buys // 150)
    when = dice.sample(range(max(1, buys // 10), max(buys, 20)), restarts + jumps)
    found += [(number, Blow(0, "postgres")) for number in when[:restarts]]
    for turn, number in enumerate(when[restarts:]):
        found.append((number, Blow(0, "jump", name=str(JUMPS[turn % len(JUMPS)]))))
    # Dice of their own: the rest of the storm is the same with and without them.
    dice = random.Random(f"late {seed}")
    for what, every in (("tax", 40), (HOLD, 15), (KEYS, 70)):
        for turn in range(max(1, buys // every)):
            blow = Blow(dice.uniform(*SPELL), what)
            number = turn * every + dice.randrange(every)
            if what not in without:
                found.append((min(number, buys - 1), blow))
    return sorted(found, key=lambda it: it[0])
