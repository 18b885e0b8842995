"""Stripe's ledger against the shop's database, by plain SQL and with none of the shop's code.

Four ways to be wrong: money lost, taken or given twice, of a wrong amount, or something stuck for ever.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import requests
from psycopg.rows import dict_row

from bench.chaos.world import ACCOUNTS, World

Row = dict[str, Any]
WAS_PAID = ("paid", "refunded", "partly_refunded")
LIVE = ("creating", "open", "processing")
GIVEN = ("pending", "requires_action", "succeeded")
OPEN_AT_STRIPE = ("open", "requires_payment_method", "requires_action", "requires_confirmation")

TABLES = {
    "orders": "SELECT id, status, total, currency, discount_id, sold_out, receipt FROM orders_order",
    "payments": "SELECT id, order_id, account, kind, stripe_id, payment_intent, status, amount, currency, "
    "key::text FROM payments_payment",
    "refunds": "SELECT id, payment_id, account, stripe_id, status, amount, key::text FROM refunds_refund",
    "events": "SELECT account, event_id, type, status, outcome FROM webhooks_stripeevent",
    "discounts": "SELECT id, max_redemptions FROM catalog_discount WHERE max_redemptions IS NOT NULL",
    "mails": "SELECT order_id, kind, status FROM mail_mail",
    "lines": "SELECT order_id, item_id, quantity FROM orders_orderline",
    "stock": "SELECT id, stock FROM catalog_item WHERE stock IS NOT NULL",
    # A failed job counts unless another does the same: the next turn of a periodic one, a younger one's lock.
    "jobs": "SELECT id, task_name, status::text FROM procrastinate_jobs AS job WHERE status = 'doing' "
    "OR status = 'todo' AND coalesce(scheduled_at, now()) <= now() OR status = 'failed' "
    "AND task_name NOT IN (SELECT task_name FROM procrastinate_periodic_defers) AND NOT EXISTS "
    "(SELECT 1 FROM procrastinate_jobs AS younger WHERE younger.id > job.id "
    "AND younger.queueing_lock = job.queueing_lock)",
}


@dataclass
class Verdict:
    """Sentences under each heading. All empty: every payment is exactly one paid order."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong_amount: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in ("lost", "doubled", "wrong_amount", "stuck")}

    @property
    def example(self) -> str:
        """One of the sentences, the most grave first."""
        return [*self.lost, *self.doubled, *self.wrong_amount, *self.stuck, "nothing"][0]


@dataclass
class Stripe:
    """What Stripe has, each row with the shop's name of its account."""

    charges: list[Row]
    refunds: list[Row]
    payables: list[Row]


def read_shop(url: str) -> dict[str, list[Row]]:
    """Every row that the comparison needs, as one moment shows them."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return {name: connection.execute(query).fetchall() for name, query in TABLES.items()}


def read_stripe(world: World) -> Stripe:
    """The sandbox's ledger, and every session and intent it ever made."""
    charges, refunds = [], []
    for account in world.control("GET", "ledger")["accounts"]:
        if account["account"] not in ACCOUNTS:  # of a spell with other keys, where nothing can be paid
            continue
        name = ACCOUNTS[account["account"]]
        charges += [{**charge, "account": name} for charge in account["charges"]]
        refunds += [{**refund, "account": name} for refund in account["refunds"]]
    payables = []
    for tail, name in ACCOUNTS.items():
        sessions = _listed(world, tail, "checkout/sessions")
        of_sessions = {session["payment_intent"] for session in sessions}
        intents = [one for one in _listed(world, tail, "payment_intents") if one["id"] not in of_sessions]
        payables += [{**one, "account": name} for one in (*sessions, *intents)]
    return Stripe(charges, refunds, payables)


def _listed(world: World, tail: str, what: str) -> list[Row]:
    found: list[Row] = []
    asked: dict[str, Any] = {"limit": 100}
    with requests.Session() as session:
        session.auth = (f"sk_test_{tail}", "")
        while True:
            answer = session.get(f"{world.stripe}/v1/{what}", params=asked, timeout=60)
            answer.raise_for_status()
            page = answer.json()
            found += page["data"]
            if not page["has_more"]:
                return found
            asked["starting_after"] = found[-1]["id"]


def judge(stripe: Stripe, shop: dict[str, list[Row]], pieces: dict[int, int]) -> Verdict:
    """Compares both ways. `pieces`: how many there were of each limited item, by its id."""
    verdict = Verdict()
    charges = [charge for charge in stripe.charges if charge["status"] == "succeeded"]
    found = _charges(verdict, charges, shop)
    _orders(verdict, found, shop)
    _refunds(verdict, stripe.refunds, shop)
    _attempts(verdict, stripe.payables)
    _pieces(verdict, shop, pieces)
    _mails(verdict, shop)
    _numbers(verdict, shop)
    _unfinished(verdict, shop)
    return verdict


def payable_now(file: Path) -> list[Row]:
    """What can be paid at this moment, by the sandbox's file: sessions, and intents of no session."""
    marks, accounts = (", ".join("?" * len(them)) for them in (OPEN_AT_STRIPE, ACCOUNTS))
    query = (
        "SELECT body FROM objects WHERE kind IN ('checkout.session', 'payment_intent') "
        f"AND account IN ({accounts}) AND json_extract(body, '$.status') IN ({marks}) "
        "AND json_extract(body, '$._session') IS NULL"
    )
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as connection:
        return [json.loads(body) for (body,) in connection.execute(query, (*ACCOUNTS, *OPEN_AT_STRIPE))]


def two_ways_to_pay(payables: Iterable[Row]) -> dict[str, str]:
    """Orders with more than one session or intent that can be paid, each with a sentence."""
    open_ones = defaultdict(list)
    for one in payables:
        order = one["metadata"].get("kopeck_order")
        if order and one["status"] in OPEN_AT_STRIPE:
            open_ones[order].append(one["id"])
    return {
        order: f"order {order} could be paid by {' and '.join(ids)}"
        for order, ids in open_ones.items()
        if len(ids) > 1
    }


def _charges(verdict: Verdict, charges: list[Row], shop: dict[str, list[Row]]) -> dict[int, list[Row]]:
    """Every charge is one payment, and its order's; the charges by order."""
    orders = {order["id"]: order for order in shop["orders"]}
    names = defaultdict(list)
    for payment in shop["payments"]:
        for name in {payment["stripe_id"], payment["payment_intent"]} - {None, ""}:
            names[payment["account"], name].append(payment)
    by_order: dict[int, list[Row]] = defaultdict(list)
    for charge in charges:
        ids = (charge["checkout_session"], charge["payment_intent"])
        mine = {p["id"]: p for name in ids for p in names[charge["account"], name]}
        if len(mine) != 1:
            verdict.lost.append(f"{charge['id']} ({_money(charge)}) is {len(mine)} payments of the shop")
            continue
        (payment,) = mine.values()
        order = orders[payment["order_id"]]
        by_order[order["id"]].append({**charge, "payment": payment})
        back = charge["amount_refunded"]
        if payment["status"] == "needs_review" and back == charge["amount"]:
            continue
        if payment["status"] != "paid" or order["status"] not in WAS_PAID:
            how = f"payment {payment['id']} is {payment['status']}, order {order['id']} {order['status']}"
            verdict.lost.append(f"{charge['id']} ({_money(charge)}) was taken, but {how}")
        elif not charge["amount"] == payment["amount"] == order["total"] or not _same_currency(charge, order):
            verdict.wrong_amount.append(
                f"{charge['id']} took {_money(charge)}, order {order['id']} is {order['total']} "
                f"{order['currency']}"
            )
    return by_order


def _same_currency(charge: Row, order: Row) -> bool:
    return bool(charge["currency"] == order["currency"])


def _orders(verdict: Verdict, charges: dict[int, list[Row]], shop: dict[str, list[Row]]) -> None:
    """Every paid order has its money, once; a code is used no more often than it may be."""
    given: dict[int, int] = defaultdict(int)
    for refund in shop["refunds"]:
        if refund["status"] in GIVEN:
            given[refund["payment_id"]] += refund["amount"]
    for order in shop["orders"]:
        mine = charges.get(order["id"], [])
        kept = [charge for charge in mine if charge["payment"]["status"] == "paid"]
        if order["status"] in WAS_PAID and order["total"] and len(kept) != 1:
            verdict.lost.append(f"order {order['id']} is {order['status']} by {len(kept)} charges")
        whole = [charge for charge in mine if charge["amount_refunded"] < charge["amount"]]
        if len(whole) > 1:
            verdict.doubled.append(f"order {order['id']} was charged by {[c['id'] for c in whole]}")
        if order["status"] in WAS_PAID and len(kept) == 1:
            back = given[kept[0]["payment"]["id"]]
            meant = "refunded" if back >= order["total"] else "partly_refunded" if back else "paid"
            if order["status"] != meant:
                verdict.wrong_amount.append(f"order {order['id']} is {order['status']}, not {meant}")
    for discount in shop["discounts"]:
        used = [o for o in shop["orders"] if o["discount_id"] == discount["id"] and o["status"] in WAS_PAID]
        if len(used) > discount["max_redemptions"]:
            verdict.doubled.append(f"discount {discount['id']} was used {len(used)} times")


def _refunds(verdict: Verdict, refunds: list[Row], shop: dict[str, list[Row]]) -> None:
    """Every refund at Stripe is one of the shop, of the same amount and state, and the other way round."""
    ours = {(r["account"], r["stripe_id"]): r for r in shop["refunds"] if r["stripe_id"]}
    keys: dict[str, list[str]] = defaultdict(list)
    for refund in refunds:
        known = ours.pop((refund["account"], refund["id"]), None)
        if key := refund["metadata"].get("kopeck_refund"):
            keys[key].append(refund["id"])
        if known is None:
            verdict.lost.append(f"{refund['id']} ({_money(refund)}) went back, and the shop does not know")
        elif (known["amount"], known["status"]) != (refund["amount"], refund["status"]):
            verdict.wrong_amount.append(
                f"{refund['id']} is {_money(refund)} {refund['status']}, in the shop {known['amount']} "
                f"{known['status']}"
            )
    verdict.lost += [f"refund {stripe_id} is unknown at Stripe" for _, stripe_id in ours]
    verdict.doubled += [f"one refund was given by {ids}" for ids in keys.values() if len(ids) > 1]


def _attempts(verdict: Verdict, payables: list[Row]) -> None:
    """One attempt to pay is one object at Stripe, whatever broke while it was made."""
    made = defaultdict(list)
    for one in payables:
        if key := one["metadata"].get("kopeck_payment"):
            made[key].append(one["id"])
    verdict.doubled += [f"one attempt made {ids} at Stripe" for ids in made.values() if len(ids) > 1]


def _pieces(verdict: Verdict, shop: dict[str, list[Row]], pieces: dict[int, int]) -> None:
    """What was paid and not refunded as sold out has left the stock, piece by piece."""
    sold: dict[int, int] = defaultdict(int)
    kept = {o["id"] for o in shop["orders"] if o["status"] in WAS_PAID and not o["sold_out"]}
    for line in shop["lines"]:
        if line["order_id"] in kept:
            sold[line["item_id"]] += line["quantity"]
    left = {item["id"]: item["stock"] for item in shop["stock"]}
    for item, first in pieces.items():
        if sold[item] > first:
            verdict.doubled.append(f"item {item}: {sold[item]} pieces were sold of {first}")
        elif sold[item] != first - left[item]:
            verdict.lost.append(
                f"item {item}: of {first} pieces {sold[item]} were sold and {left[item]} are left"
            )


def _mails(verdict: Verdict, shop: dict[str, list[Row]]) -> None:
    """A paid order owes one mail, a receipt or an apology; all are sent."""
    owed: dict[int, int] = defaultdict(int)
    for mail in shop["mails"]:
        owed[mail["order_id"]] += mail["kind"] in ("receipt", "apology")
        if mail["status"] == "waiting":
            verdict.stuck.append(f"the {mail['kind']} of order {mail['order_id']} is waiting")
    for order in shop["orders"]:
        if order["status"] in WAS_PAID and not owed[order["id"]]:
            verdict.lost.append(f"order {order['id']} has no receipt")
    verdict.doubled += [f"order {order} has {times} receipts" for order, times in owed.items() if times > 1]


def _numbers(verdict: Verdict, shop: dict[str, list[Row]]) -> None:
    """Receipts are numbered from 1 on, none is left out and none given twice."""
    numbers = sorted(order["receipt"] for order in shop["orders"] if order["receipt"] is not None)
    missing = set(range(1, (numbers or [0])[-1] + 1)) - set(numbers)
    verdict.lost += [f"receipt {number} is missing" for number in sorted(missing)]
    verdict.doubled += [f"receipt {one} was given twice" for one, two in pairwise(numbers) if one == two]


def _unfinished(verdict: Verdict, shop: dict[str, list[Row]]) -> None:
    stored: dict[tuple[str, str], int] = defaultdict(int)
    for event in shop["events"]:
        stored[event["account"], event["event_id"]] += 1
        if event["status"] in ("received", "failed"):
            verdict.stuck.append(
                f"{event['type']} {event['event_id']} is {event['status']}: {event['outcome']}"
            )
    verdict.doubled += [
        f"event {event} is stored {times} times" for (_, event), times in stored.items() if times > 1
    ]
    for payment in shop["payments"]:
        if payment["status"] in LIVE:
            verdict.stuck.append(
                f"payment {payment['id']} of order {payment['order_id']} is {payment['status']}"
            )
    for order in shop["orders"]:
        if order["status"] == "processing":
            verdict.stuck.append(f"order {order['id']} is processing")
    for refund in shop["refunds"]:
        if refund["status"] == "creating":
            verdict.stuck.append(f"refund {refund['id']} was never answered")
    for job in shop["jobs"]:
        verdict.stuck.append(f"job {job['id']} {job['task_name']} is {job['status']}")


def _money(row: Row) -> str:
    return f"{row['amount']} {row['currency']}"
