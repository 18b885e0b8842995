"""What the sandbox knows, for people and test programs: the money by account, objects, events with their
deliveries.

Everything is read only and newest first. Amounts are integer minor units.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core.store import shown

Json = dict[str, Any]
# Documents of our own, which Stripe would not know, begin so.
OWN = "sandbox."


def accounts(box: Box) -> list[str]:
    """The accounts (key tails) that have anything, without the pseudo-account of command-line endpoints."""
    return [account for account in box.store.accounts() if account != "*"]


def ledger(box: Box, account: str | None = None) -> Json:
    """`{"accounts": [{"account", "totals": {"usd": {...}}, "charges": [...], "refunds": [...]}]}`."""
    wanted = [account] if account is not None else accounts(box)
    with box.store.transaction():
        return {"object": "sandbox.ledger", "accounts": [_account(box, name) for name in wanted]}


def _account(box: Box, account: str) -> Json:
    sessions = {
        session["payment_intent"]: session
        for session in box.store.list(account, "checkout.session")[0]
        if session.get("payment_intent")
    }
    charges = [_charge(charge, sessions) for charge in box.store.list(account, "charge")[0]]
    refunds = [_refund(refund, sessions) for refund in box.store.list(account, "refund")[0]]
    return {
        "account": account,
        "totals": _totals(charges, refunds),
        "charges": charges,
        "refunds": refunds,
    }


def _purchase(obj: Json, sessions: dict[str, Json]) -> Json:
    """The fields by which a shop finds its order again."""
    session = sessions.get(obj["payment_intent"], {})
    return {
        "payment_intent": obj["payment_intent"],
        "checkout_session": session.get("id"),
        "client_reference_id": session.get("client_reference_id"),
        "metadata": {**(session.get("metadata") or {}), **(obj["metadata"] or {})},
    }


def _charge(charge: Json, sessions: dict[str, Json]) -> Json:
    plain = "id amount amount_captured amount_refunded currency status captured disputed failure_code created"
    return {name: charge.get(name) for name in plain.split()} | _purchase(charge, sessions)


def _refund(refund: Json, sessions: dict[str, Json]) -> Json:
    plain = "id amount currency status charge reason failure_reason created"
    return {name: refund.get(name) for name in plain.split()} | _purchase(refund, sessions)


def _totals(charges: list[Json], refunds: list[Json]) -> dict[str, Json]:
    """By currency: what was `charged`, what was `refunded` (pending ones too), and `net`."""
    totals: dict[str, Json] = defaultdict(
        lambda: {"charged": 0, "refunded": 0, "net": 0, "charges": 0, "refunds": 0, "failed_charges": 0}
    )
    for charge in charges:
        total = totals[charge["currency"]]
        if charge["status"] == "failed":
            total["failed_charges"] += 1
        elif charge["status"] == "succeeded":  # a pending one has brought nothing yet
            total["charges"] += 1
            total["charged"] += charge["amount_captured"]
    for refund in refunds:
        if refund["status"] not in ("failed", "canceled"):
            total = totals[refund["currency"]]
            total["refunds"] += 1
            total["refunded"] += refund["amount"]
    for total in totals.values():
        total["net"] = total["charged"] - total["refunded"]
    return dict(totals)


def counts(box: Box) -> list[Json]:
    """`{"account", "type", "count"}` for every kind of object of every account."""
    rows = box.store.sql(
        "SELECT account, kind, count(*) FROM objects GROUP BY account, kind ORDER BY account, kind"
    )
    return [
        {"account": account, "type": kind, "count": count}
        for account, kind, count in rows
        if not kind.startswith(OWN)
    ]


def objects(box: Box, filters: Json, limit: int) -> tuple[list[Json], bool]:
    """(`{"account", "object"}` items, has_more); `filters`: `account`, `type`, `id`, and `event_type` of
    events."""
    tests, values = ["kind NOT LIKE 'sandbox.%'"], []
    columns = {"account": "account", "type": "kind", "id": "id", "event_type": "json_extract(body, '$.type')"}
    for name, column in columns.items():
        if filters.get(name) is not None:
            tests.append(f"{column} = ?")
            values.append(filters[name])
    rows = box.store.sql(
        f"SELECT account, body FROM objects WHERE {' AND '.join(tests)} ORDER BY seq DESC LIMIT ?",  # noqa: S608
        (*values, limit + 1),
    )
    found = [{"account": account, "object": shown(json.loads(body))} for account, body in rows[:limit]]
    return found, len(rows) > limit


def events(box: Box, filters: Json, limit: int) -> tuple[list[Json], bool]:
    """(events, has_more), each Stripe's Event plus `account` (the key tail) and `deliveries` with their
    attempts."""
    found, has_more = objects(box, {**filters, "type": "event"}, limit)
    return [
        {
            **item["object"],
            "account": item["account"],
            "deliveries": box.webhooks.log.page({"event": item["object"]["id"]}, 100),
        }
        for item in found
    ], has_more
