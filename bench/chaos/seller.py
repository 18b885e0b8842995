"""The seller refunds at Stripe's dashboard or in the admin, pressing twice at times, and changes taxes."""

import random
import re
from typing import Any

from bench.chaos.person import GaveUp, Opened, Person, Told
from bench.chaos.world import World

_INPUT = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"')
_CHECKED = re.compile(r'<input type="checkbox" name="(form-\d+-\w+)"[^>]*\bchecked\b')


class Seller(Person):
    """Logged in as staff."""

    def __init__(self, world: World, seed: int, told: Told) -> None:
        super().__init__(world, random.Random(f"seller {seed}"), told)
        self.browser.cookies.set("sessionid", world.goods["cookie"])

    def refund_unwanted(self, order: int, opened: Opened) -> None:
        """All or a part of a purchase, here or there; nothing where it was not paid."""
        try:
            if order and self.dice.random() < 0.5:
                self.in_admin(order)
            else:
                self.at_stripe(opened)
        except GaveUp:
            self.told("seller gave up")

    def change_a_tax(self) -> None:
        """Makes the newest tax a default where it is none, and the other way round: open orders cost more or
        less from here on."""
        path = "/admin/catalog/tax/"
        page = self.ask("GET", path)
        on, first = dict.fromkeys(_CHECKED.findall(page.text), "on"), "form-0-is_default"
        if not on.pop(first, None):
            on[first] = "on"
        self.ask("POST", path, data={**_hidden(page.text), **on, "_save": "Save"})
        self.told("a tax was changed")

    def at_stripe(self, opened: Opened) -> None:
        intent = self._object("payment_intent", self._intent_of(opened))
        charge = self._object("charge", intent.get("latest_charge"))
        left = charge.get("amount", 0) - charge.get("amount_refunded", 0)
        if charge.get("status") == "succeeded" and left:
            part = self.dice.choice([left, left, max(1, left // 3)])
            self.world.control("POST", f"charges/{charge['id']}/refund", {"amount": part})
            self.told("refunded at Stripe")

    def _intent_of(self, opened: Opened) -> str | None:
        if opened.kind == "intents":
            return opened.id
        return self._object("checkout.session", opened.id).get("payment_intent")

    def _object(self, kind: str, stripe_id: str | None) -> dict[str, Any]:
        if not stripe_id:
            return {}
        found = self.world.control("GET", f"objects?type={kind}&id={stripe_id}")["data"]
        return dict(found[0]["object"]) if found else {}

    def in_admin(self, order: int) -> None:
        path = f"/admin/orders/order/{order}/refund/"
        page = self.ask("GET", path)
        if page.status_code != 200:
            return  # not paid, or the shop has not heard of it yet
        wanted = {"what": "rest"}
        if self.dice.random() < 0.5:
            lines = re.findall(r'name="(line_\d+)"[^>]*max="([1-9]\d*)"', page.text)
            if lines:
                wanted = {"what": "lines", self.dice.choice(lines)[0]: "1"}
        fields = _hidden(page.text) | wanted
        shown = self.ask("POST", path, data={**fields, "action": "preview"})
        confirmed = {**fields, **_hidden(shown.text), "action": "refund"}
        if "previewed" not in confirmed:
            return
        for _press in range(self.dice.choice([1, 1, 2])):
            self.ask("POST", path, data=confirmed)
        self.told("refunded in the admin")


def _hidden(page: str) -> dict[str, str]:
    return dict(_INPUT.findall(page))
