"""Input that means no good, at every call with a token: a code and a sentence, and never a 5xx."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from tests.house.test_nasty_input import healthy
from tests.support.buying import paid_order_of
from tests.support.nasty import BODIES, VALUES
from tests.support.programs import Program, make_token
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
WRITES = [
    ("POST", "/api/v1/orders"),
    ("PATCH", "/api/v1/orders/{order}"),
    ("POST", "/api/v1/orders/{order}/checkout"),
    ("POST", "/api/v1/orders/{order}/intent"),
    ("POST", "/api/v1/orders/{paid}/refunds"),
    ("POST", "/api/v1/orders/{paid}/shipment"),
    ("POST", "/api/v1/items/{item}/stock"),
    ("POST", "/api/v1/orders/{order}/cancel"),
]
#: Fields of bodies, with what else the body needs.
FIELDS = [
    ("PATCH", "/api/v1/orders/{order}", ["discount_code", "country", "shipping_rate", "lines"]),
    ("POST", "/api/v1/orders/{paid}/refunds", ["amount", "lines", "reason", "comment", "restock"]),
    ("POST", "/api/v1/orders/{paid}/shipment", ["carrier", "number", "link"]),
    ("POST", "/api/v1/items/{item}/stock", ["set", "change"]),
]
QUERIES = [
    ("/api/v1/orders", ["before", "limit", "status", "email", "since", "to_send"]),
    ("/api/v1/stock", ["after", "limit"]),
    ("/api/v1/items", ["after", "limit"]),
]
#: What JSON can say beside texts.
ODD = [None, True, 0, -1, 1.5, 10**30, [], {}, [None], {"a": {}}, [[[]]], "", "\0", "\ud800", "é" * 3000]


@pytest.fixture
def numbers(sandbox: ShopSandbox, buyer: Client, deliver: Any) -> dict[str, int]:
    make_rate()
    item = make_item(shipped=True, stock=50)
    paid = paid_order_of(sandbox, buyer, deliver, {item.pk: 2})
    order = placing.place([Wanted(item, 1)], visitor="")
    return {"item": item.pk, "order": order.pk, "paid": paid.pk}


@pytest.fixture
def program(db: None) -> Program:
    return Program(make_token())


@pytest.mark.parametrize(("method", "address"), WRITES)
def test_bodies_of_every_kind(method: str, address: str, numbers: dict[str, int], program: Program) -> None:
    for body in BODIES:
        healthy(program.ask(method, address.format(**numbers), body))


@pytest.mark.parametrize(("method", "address", "names"), FIELDS)
def test_fields_of_every_kind(
    method: str, address: str, names: list[str], numbers: dict[str, int], program: Program
) -> None:
    for name in names:
        for value in [*ODD, *VALUES]:
            answer = program.ask(method, address.format(**numbers), json.dumps({name: value}))
            healthy(answer)
            assert answer.status_code not in (401, 403), (name, value)


@pytest.mark.parametrize(("address", "names"), QUERIES)
def test_queries_of_every_kind(
    address: str, names: list[str], numbers: dict[str, int], program: Program
) -> None:
    for name in names:
        for value in VALUES:
            query = urlencode({name: value.encode("utf-8", "surrogatepass")})
            healthy(program.get(f"{address}?{query}"))


def test_headers_of_every_kind(numbers: dict[str, int], program: Program) -> None:
    order = {"lines": [{"item": numbers["item"]}]}
    for value in VALUES:
        text = value.encode("utf-8", "surrogatepass").decode("latin-1")
        answer = program.post("/api/v1/orders", order, Idempotency_Key=text)
        healthy(answer)
        assert answer.status_code in (201, 400, 409, 422)
        refused = program.post("/api/v1/orders", order, Authorization=f"Bearer {text}")
        healthy(refused)
        assert refused.status_code == 401
