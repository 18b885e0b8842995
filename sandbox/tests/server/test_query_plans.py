"""Reads stay cheap however much there is: held by SQLite's own plans of what they ask, not by a clock."""

import re

import pytest
from flask import Flask

from stripe_sandbox.app import create_app
from stripe_sandbox.box import Box
from stripe_sandbox.checkout import sessions
from stripe_sandbox.control.sweep import sweep
from stripe_sandbox.server.forms import methods
from stripe_sandbox.server.routes import ROUTES

HEADERS = {"Authorization": "Bearer sk_test_plans"}
LISTS = sorted(path for method, path in ROUTES if method == "GET" and "{" not in path)
#: What a list is asked for: everything that its parameters name, with a value of the right shape.
SHAPES = {"integer": "1", "boolean": "true"}


@pytest.fixture
def app(box: Box) -> Flask:
    return create_app(box)


@pytest.fixture
def asked(box: Box, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries so far."""
    queries: list[str] = []
    sql = box.store.sql
    monkeypatch.setattr(box.store, "sql", lambda query, *values: queries.append(query) or sql(query, *values))
    return queries


def plan(box: Box, query: str) -> str:
    names = dict.fromkeys(re.findall(r":(\w+)", query), "")
    steps = box.store.sql(f"EXPLAIN QUERY PLAN {query}", names or ("",) * query.count("?"))
    return " / ".join(step[3] for step in steps)


def slow(box: Box, queries: list[str]) -> list[str]:
    """The plans of those that would look at more than they answer."""
    reads = {query for query in queries if query.startswith(("SELECT", "WITH"))}
    plans = {query: plan(box, query) for query in reads}
    return [
        f"{found}: {query}"
        for query, found in plans.items()
        if re.search(r"SCAN (?!CONSTANT|each\b)|TEMP B-TREE|objects_anywhere \(kind=\?\)", found)
        or "json_extract" in query
    ]


def one_of_everything(app: Flask) -> dict[str, str]:
    """The id of a session that is open, and of an intent that is paid."""
    client = app.test_client()
    line = {"currency": "usd", "unit_amount": "900", "product_data[name]": "Tea"}
    form = {
        f"line_items[0][price_data]{'[' + n.replace('[', '][', 1) if '[' in n else '[' + n + ']'}": v
        for n, v in line.items()
    }
    form |= {"mode": "payment", "success_url": "https://shop.example/", "line_items[0][quantity]": "1"}
    session = client.post("/v1/checkout/sessions", data=form, headers=HEADERS)
    paid = {"amount": "900", "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa"}
    intent = client.post(
        "/v1/payment_intents", data=paid | {"return_url": "https://shop.example/"}, headers=HEADERS
    )
    return {"session": session.json["id"], "intent": intent.json["id"]}  # type: ignore[index]


def filters(path: str) -> list[dict[str, str]]:
    """Each of a list's parameters alone, then those that belong together."""
    found = []
    for name, schema in methods()[f"GET {path}"]["properties"].items():
        if name in ("expand", "starting_after", "ending_before", "limit"):
            continue
        if schema.get("type") == "array":
            found.append({f"{name}[0]": "charge.succeeded"})
        elif schema.get("type") == "object":
            found += [{f"{name}[{inner}]": "month"} for inner in schema.get("properties", {})]
        elif name == "created":
            found.append({"created[gte]": "1"})
        else:
            plain = next(iter(schema.get("enum", [])), SHAPES.get(schema.get("type", ""), "usd"))
            found.append({name: plain})
    return [{}, *found, {"created[gte]": "1", "limit": "3"}]


def test_every_list_finds_what_it_answers_by_an_index(box: Box, app: Flask, asked: list[str]) -> None:
    one_of_everything(app)
    client = app.test_client()
    tried = 0
    for path in LISTS:
        for query in filters(path):
            answer = client.get(path, query_string=query, headers=HEADERS)
            tried += answer.status_code == 200
            assert answer.status_code in (200, 400), (path, query, answer.text)
    assert tried > 40
    assert slow(box, asked) == []


def test_a_page_after_a_cursor_is_found_by_an_index(box: Box, app: Flask, asked: list[str]) -> None:
    client = app.test_client()
    first, second = (client.post("/v1/customers", headers=HEADERS).json for _ in range(2))
    for cursor, expected in (("starting_after", first), ("ending_before", None)):
        query = {cursor: second["id"], "created[gte]": "1"}  # type: ignore[index]
        data = client.get("/v1/customers", query_string=query, headers=HEADERS).json["data"]  # type: ignore[index]
        assert data == ([expected] if expected else [])
    assert slow(box, asked) == []


def test_reading_a_session_an_intent_a_page_and_looking_for_what_is_due_scan_nothing(
    box: Box, app: Flask, asked: list[str]
) -> None:
    made = one_of_everything(app)
    client = app.test_client()
    for path in (
        f"/v1/checkout/sessions/{made['session']}?expand[]=line_items",
        f"/v1/checkout/sessions/{made['session']}/line_items",
        f"/v1/payment_intents/{made['intent']}?expand[]=latest_charge.refunds",
        "/v1/account",
        f"/c/pay/{made['session']}",
    ):
        assert client.get(path, headers=HEADERS).status_code == 200
    sweep(box)
    assert sessions.find_session(box, made["session"]) is not None
    assert slow(box, asked) == []


def test_a_scan_is_noticed(box: Box) -> None:
    assert slow(box, ["SELECT body FROM objects WHERE created > ?"])
    assert slow(box, ["SELECT id FROM objects WHERE kind = ? AND json_extract(body, '$.expires_at') <= ?"])
    assert slow(box, ["SELECT body FROM objects WHERE account = ? AND kind = ? ORDER BY id || seq"])
