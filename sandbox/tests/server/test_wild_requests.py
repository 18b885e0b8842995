"""Whatever is sent to any address, nothing in the sandbox breaks: wild parameters, seeded, in process.

A request is refused in JSON with a sentence, or done; no answer is a 500. DEEP=1 sends far more of them.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from stripe_sandbox.app import create_app
from stripe_sandbox.box import Box
from stripe_sandbox.control.views import BUYER, CARD, HELP
from stripe_sandbox.core.faults import SPEC
from stripe_sandbox.resources.payment_intents import offered
from stripe_sandbox.server import forms
from stripe_sandbox.server.routes import ROUTES

COUNT = 15_000 if os.environ.get("DEEP") == "1" else 150
HEADERS = {"Authorization": "Bearer sk_test_wild"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXTS = (
    "", "0", "-1", "999999999999999999", "1e400", "NaN", "\x00", "٣", "²", "ж" * 41, "a" * 600, "🍵", "%",
    "'", "[", "null", "true", "usd", "kwd", "zzz", "http://x", "http://[", "https://a:b:c", "mailto:x",
    "a@b.c", "id", "card", "pm_card_visa", "tok_visa", "4242424242424242", "AT611904300234573201",
    "ru", "zh-Hant-TW", "{CHECKOUT_SESSION_ID}",
)  # fmt: skip
NUMBERS = ("0", "1", "12", "50", "1000", "2030", "-1", "1900000000", "4102444799", "999999999999999999")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, 10**9, 10**12, 10**30, float("inf"), float("nan"), "whsec_x",
    "2022-11-15", "succeeded", "won", [], {}, [1, 2], [5, 1], ["x"], {"a": 1}, {"path": "^("},
    [{"kind": "error"}], *TEXTS,
)  # fmt: skip
BODIES = ("[", "[]", "null", "\x00", '"x"', "1e999", "[" * 100_000, '{"a":' * 100_000)
#: What is there to be asked for: each is made now and then.
MADE = {
    "customers": "payment_method=pm_card_visa",
    "coupons": "percent_off=10",
    "prices": "currency=usd&unit_amount=900&product_data[name]=Tea",
    "payment_intents": "amount=1000&currency=usd&payment_method=pm_card_visa&confirm=true&return_url=http://x/",
    "setup_intents": "description=x",
    "webhook_endpoints": "url=http://127.0.0.1:9/&enabled_events[]=*",
    "checkout/sessions": "mode=payment&success_url=http://x/&allow_promotion_codes=true&line_items[0][quantity]=1"
    "&line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=900"
    "&line_items[0][price_data][product_data][name]=Tea",
}
PAGES = ("/c/pay/{}", "/c/elements/{}", "/c/authenticate/{}", "/c/receipt/{}", "/c/lookup/{}", "/", "/v3/")
ASKED = "locale card iban wrong client_secret key secret frame account type id limit".split()
TYPED = "cardNumber cardExpiry cardCvc billingName email method iban result promotionCode".split()


class Wild:
    """Requests that nobody would send, of one seed."""

    def __init__(self, http: FlaskClient, seed: int) -> None:
        self.http, self.dice = http, random.Random(seed)
        self.ids = ["x", "search", "%00", "ж"]
        names = re.findall(r"[a-z_]+", " ".join(HELP.values()))
        self.fields = sorted({*names, *CARD, *BUYER, *SPEC, *offered.SETTINGS})

    def send(self, number: int) -> tuple[int, str]:
        """(status, what was asked)."""
        if number % 15 == 0:
            path = self.dice.choice(list(MADE))
            made = self.http.post(f"/v1/{path}", data=MADE[path], headers=HEADERS | FORM)
            self.ids += re.findall(r'"id": "(\w+)"', made.text)[:20]
        return self.dice.choice((self._api, self._api, self._control, self._page))()

    def _api(self) -> tuple[int, str]:
        method, template = self.dice.choice(sorted(ROUTES))
        schema = forms.methods().get(f"{method} {template}", {})
        pairs = list(self._flat(self._object(schema)))
        if self.dice.random() < 0.1:
            pairs.append(
                ("expand[]", self.dice.choice(("data", "", ".", "customer", "line_items.data.price")))
            )
        form = urlencode(pairs, errors="replace")
        path = self._filled(template)
        if method == "POST":
            answer = self.http.post(path, data=form, headers=HEADERS | FORM)
        else:
            answer = self.http.open(f"{path}?{form}", method=method, headers=HEADERS)
        return answer.status_code, f"{method} {path} {form}"

    def _control(self) -> tuple[int, str]:
        method, path = self.dice.choice(sorted(HELP)).split()
        known = SPEC if path == "faults" else offered.SETTINGS if path == "settings" else self.fields
        sent = {
            self.dice.choice(list(known)): self.dice.choice(VALUES) for _ in range(self.dice.randint(0, 3))
        }
        if path.endswith("/pay"):
            sent["card"] = self.dice.choice(("4242424242424242", "4000000000003220", "1"))
        body = self.dice.choice(BODIES) if self.dice.random() < 0.1 else json.dumps(sent)
        address = f"/_sandbox/{self._filled(path)}?{self._query()}"
        answer = self.http.open(address, method=method, data=body)
        self.http.put("/_sandbox/faults", json={name: SPEC[name][0] for name in SPEC})
        return answer.status_code, f"{method} {address} {body[:500]}"

    def _page(self) -> tuple[int, str]:
        path = self.dice.choice(PAGES).format(self.dice.choice((*self.ids, "payment", "address", "card")))
        method = self.dice.choice(("GET", "POST"))
        form = urlencode(
            {self.dice.choice(TYPED): self.dice.choice(TEXTS) for _ in range(4)}, errors="replace"
        )
        address = f"{path}?{self._query()}"
        answer = self.http.open(address, method=method, data=form, headers=FORM)
        return answer.status_code, f"{method} {address} {form}"

    def _query(self) -> str:
        return urlencode({self.dice.choice(ASKED): self.dice.choice(TEXTS)}, errors="replace")

    def _filled(self, template: str) -> str:
        return re.sub(r"\{\w+\}", lambda _: self.dice.choice(self.ids), template)

    def _object(self, schema: Any) -> dict[str, Any]:
        required, properties = schema.get("required", ()), schema.get("properties", {})
        rare = 0.3 if len(properties) < 12 else 0.15
        chosen = [name for name in properties if self.dice.random() < (0.95 if name in required else rare)]
        return {name: self._value(properties[name]) for name in chosen}

    def _value(self, schema: Any) -> Any:
        if self.dice.random() < 0.1:
            text = self.dice.choice(TEXTS)
            return text if self.dice.random() < 0.7 else {self.dice.choice(("0", "x", "", "²")): text}
        if "anyOf" in schema:
            return self._value(self.dice.choice(schema["anyOf"]))
        if "enum" in schema:
            return self.dice.choice(schema["enum"])
        kind = schema.get("type", "string")
        if kind == "array":
            return {
                str(index): self._value(schema["items"]) for index in range(self.dice.randint(0, 2))
            } or ""
        if kind == "object":
            given = {"a": self._value(schema["map"])} if "map" in schema else self._object(schema)
            return given or ""
        if kind == "boolean":
            return self.dice.choice(("true", "false"))
        if kind in ("integer", "number"):
            return self.dice.choice(NUMBERS)
        return self.dice.choice(self.ids if self.dice.random() < 0.5 else TEXTS)

    def _flat(self, value: Any, name: str = "") -> Iterator[tuple[str, str]]:
        if not isinstance(value, dict):
            yield name, value
            return
        for key, child in value.items():
            yield from self._flat(child, f"{name}[{key}]" if name else key)


@pytest.mark.parametrize("seed", [20261128, 7])
def test_no_request_breaks_the_sandbox(seed: int) -> None:
    box = Box()
    wild = Wild(create_app(box).test_client(), seed)
    statuses = set()
    for number in range(COUNT):
        status, asked = wild.send(number)
        assert status < 500, asked
        statuses.add(status)
    assert {200, 400, 404} <= statuses
    box.close()
