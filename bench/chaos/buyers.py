"""Buyers as they are: two tabs, second thoughts, a declined card, a debit, a payment in an old tab.

One purchase each, all choices from the seed and the buyer's number.
"""

import random
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.chaos.person import DECLINED, Opened, Person, Told
from bench.chaos.world import World

#: What a buyer does besides, and how often among a hundred.
TWISTS = {
    "nothing": 25,
    "double_click": 15,
    "second_tab_goes_on": 8,
    "change": 8,
    "change_while_paying": 8,
    "other_way": 6,
    "other_way_while_paying": 8,
    "decline": 8,
    "debit": 10,
    "abandon": 8,
    "buy_again": 4,
}


#: How many buyers in a row want the same last use of a code.
RIVALS = 12


class Buyer(Person):
    """Goes through one purchase by `shop_around`. `order` is its number, where the buyer knows it."""

    def __init__(self, world: World, seed: int, number: int, told: Told) -> None:
        super().__init__(world, random.Random(f"buyer {seed} {number}"), told)
        self.come_from(number)
        self.twist = self.dice.choices(list(TWISTS), list(TWISTS.values()))[0]
        #: One in ten is after what runs out.
        wanted_few = self.dice.random() < 0.1
        items = [item for item in world.goods["items"] if item["few"] == wanted_few]
        if self.twist == "debit":
            items = [item for item in items if item["currency"] == "eur"]
        self.item = self.dice.choice(items)
        self.way = self.dice.choice(["buy", "buy", "intent"])
        self.order = 0
        #: Can be used once; those who come at the same time want the same one.
        self.last_code = f"ONE-{number // RIVALS}"
        self.quantity = self.dice.randint(1, 3)
        self.by_order = self.dice.random() < 0.6

    def shop_around(self) -> list[Opened]:
        """The purchase; what was opened on the way, the last one last. Raises GaveUp."""
        self.ask("GET", f"/item/{self.item['id']}?mine=1")
        if self.by_order and not self.place():
            return []
        if self.twist in ("double_click", "second_tab_goes_on"):
            return self._double_click() if self.twist == "double_click" else self._second_tab_goes_on()
        opened = self.open(self.way)
        if opened is None:
            return []
        act: Callable[[Opened], list[Opened]] = getattr(self, f"_{self.twist}")
        seen = [opened, *act(opened)]
        if self.dice.random() < 0.5:
            self.come_back(seen[-1])
        return seen

    def place(self) -> bool:
        """An order by the API: one to three items of one currency, perhaps with a code."""
        others = [
            item
            for item in self.world.goods["items"]
            if item["currency"] == self.item["currency"] and item != self.item and not item["few"]
        ]
        chosen = [self.item, *self.dice.sample(others, self.dice.randint(0, len(others)))]
        lines = [{"item": item["id"], "quantity": self.dice.randint(1, 4)} for item in chosen]
        code = self.dice.choice(["", self.last_code, self.last_code, *self.world.goods["codes"]])
        answer = self.ask("POST", "/api/v1/orders", json={"lines": lines, "discount_code": code})
        if answer.status_code == 422:  # a code that does not fit
            answer = self.ask("POST", "/api/v1/orders", json={"lines": lines})
        if answer.status_code != 201:
            self.told(f"refused: {answer.json()['error']['code']}")
            return False
        self.order = int(answer.json()["id"])
        return True

    def open(self, way: str, *, agreed: bool = False) -> Opened | None:
        """Presses Buy; None where the shop refuses in a sentence."""
        path = f"/order/{self.order}/{way}" if self.order else f"/{way}/{self.item['id']}"
        query = {} if self.order else {"quantity": str(self.quantity)}
        answer = self.ask("GET", path, params=query)
        if answer.status_code == 200:
            return Opened(answer.json())
        code = answer.json()["error"]["code"]
        self.told(f"refused: {code}")
        if code == "price_changed" and not agreed:  # the new total was shown: all right, then
            return self.open(way, agreed=True)
        if code == "discount_used_up" and self.last_code:
            self.last_code = ""  # without it, then
            self.ask("POST", f"/order/{self.order}/discount", data={"code": ""})
            return self.open(way)
        return None

    def change(self) -> Opened | None:
        """Other quantities, and Buy again."""
        self.quantity += 1
        if self.order:
            quantity = str(self.dice.randint(2, 9))
            self.ask("POST", f"/order/{self.order}/lines", data={f"item_{self.item['id']}": quantity})
        return self.open(self.way)

    def come_back(self, opened: Opened) -> None:
        order = self.order or self.newest_order()
        if order:
            name = "session_id" if opened.kind == "sessions" else "payment_intent"
            self.ask("GET", f"/order/{order}/return", params={name: opened.id})

    def newest_order(self) -> int:
        found = re.findall(r'href="/order/(\d+)', self.ask("GET", "/orders").text)
        return max(map(int, found), default=0)

    # The twists: each gets the first thing that was opened and gives what was opened besides.

    def _nothing(self, opened: Opened) -> list[Opened]:
        self.pay(opened)
        return []

    def _abandon(self, opened: Opened) -> list[Opened]:
        return []

    def _decline(self, opened: Opened) -> list[Opened]:
        self.pay(opened, card=DECLINED)
        self.pay(opened)
        return []

    def _debit(self, opened: Opened) -> list[Opened]:
        self.pay(opened, delayed=self.dice.choice(["succeeds", "succeeds", "fails"]))
        return []

    def _buy_again(self, opened: Opened) -> list[Opened]:
        self.pay(opened)
        again = self.open(self.way)
        if again:
            self.pay(again)
        return [again] if again else []

    def _double_click(self) -> list[Opened]:
        both = _at_once(lambda: self.open(self.way), lambda: self._twin().open(self.way))
        _at_once(*(lambda it=it: self.pay(it) for it in both if it))
        return [it for it in both if it]

    def _second_tab_goes_on(self) -> list[Opened]:
        """The first tab waits for its answer; the second one changes the order and pays it meanwhile."""

        def other_tab() -> list[Opened]:
            twin = self._twin()
            time.sleep(twin.dice.uniform(0, 1))
            changed = twin.change()
            if changed:
                twin.pay(changed)
            return [changed] if changed else []

        first, others = _at_once(lambda: self.open(self.way), other_tab)
        if first:
            self.pay(first)
        return [*others, *([first] if first else [])]

    def _change(self, opened: Opened) -> list[Opened]:
        changed = self.change()
        self.pay(opened)  # the old tab, which should be closed by now
        if changed:
            self.pay(changed)
        return [changed] if changed else []

    def _change_while_paying(self, opened: Opened) -> list[Opened]:
        changed, _paid = _at_once(self.change, lambda: self.pay(opened))
        if changed:
            self.pay(changed)
        return [changed] if changed else []

    def _other_way(self, opened: Opened) -> list[Opened]:
        other = self.open(self._other())
        self.pay(opened)
        if other:
            self.pay(other)
        return [other] if other else []

    def _other_way_while_paying(self, opened: Opened) -> list[Opened]:
        other, _paid = _at_once(lambda: self.open(self._other()), lambda: self.pay(opened))
        if other:
            self.pay(other)
        return [other] if other else []

    def _other(self) -> str:
        return "intent" if self.way == "buy" else "buy"

    def _twin(self) -> "Buyer":
        """The same browser's second tab: the cookie shared, dice of its own."""
        twin = Buyer.__new__(Buyer)
        Person.__init__(twin, self.world, random.Random(self.dice.random()), self.told)
        twin.browser.cookies.update(self.browser.cookies)
        twin.browser.headers.update(self.browser.headers)
        twin.last_code = self.last_code
        twin.item, twin.way, twin.order, twin.quantity = self.item, self.way, self.order, self.quantity
        return twin


def _at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Does all of them at the same time; GaveUp of one only after the others are done."""
    if not acts:
        return []
    with ThreadPoolExecutor(len(acts)) as pool:
        running = [pool.submit(act) for act in acts]
    return [one.result() for one in running]
