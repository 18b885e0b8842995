"""The balance, and its transactions: what charges, refunds and disputes do to it; the API only reads.

Amounts are in minor units. What comes in is pending for two days, then available. The sums are kept as they
change, so that the balance of a busy account is read as quickly as that of a new one.
"""

from __future__ import annotations

from fractions import Fraction

from stripe_sandbox.box import Box
from stripe_sandbox.core import ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.rules.arithmetic import rounded
from stripe_sandbox.server.routes import Call, Params, each_due, fetch, listing, route

KIND = "balance_transaction"
SUMS = ("available", "pending")
SETTLES_AFTER = 2 * 24 * 3600
#: What Stripe takes of a charge, per cent and in minor units; `PUT /_sandbox/settings` changes it.
FEES = {"fee_percent": 2.9, "fee_fixed": 30}


def settle(box: Box, account: str, charge: Obj) -> None:
    """Book a captured charge: its balance transaction with Stripe's usual fee, or the one that was set."""
    amount = charge["amount_captured"]
    percent, fixed = (box.store.setting(name, usual) for name, usual in FEES.items())
    fee = min(amount, rounded(amount * Fraction(str(percent)) / 100) + fixed)
    entry = book(box, account, "charge", charge["id"], amount, charge["currency"], fee=fee)
    charge["balance_transaction"] = entry["id"]
    box.store.save(account, charge)


def book(
    box: Box,
    account: str,
    type: str,
    source: str,
    amount: int,
    currency: str,
    *,
    fee: int = 0,
    category: str = "",
) -> Obj:
    """A new balance transaction, kept; `amount` is negative for what goes out."""
    now = box.clock.now()
    entry: Obj = {
        "id": ids.new("txn"),
        "object": KIND,
        "amount": amount,
        "available_on": now + SETTLES_AFTER,
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [_fee(fee, currency)] if fee else [],
        "net": amount - fee,
        "reporting_category": category or type,
        "source": source,
        "status": "pending",
        "type": type,
        "_due": now + SETTLES_AFTER,
    }
    with box.store.transaction():
        box.store.insert(account, entry)
        _count(box, account, currency, pending=entry["net"])
    return entry


def _count(box: Box, account: str, currency: str, **change: int) -> None:
    name = f"balance:{account}"
    sums = box.store.setting(name, {})
    kept = sums.setdefault(currency, dict.fromkeys(SUMS, 0))
    for which, amount in change.items():
        kept[which] += amount
    box.store.set_setting(name, sums)


def settle_due(box: Box) -> int:
    """Make available what has been pending long enough; how many transactions that were."""

    def settle_one(account: str, entry: Obj) -> None:
        box.store.save(account, {**entry, "status": "available", "_due": None})
        _count(box, account, entry["currency"], pending=-entry["net"], available=entry["net"])

    return each_due(box, KIND, settle_one)


def _fee(amount: int, currency: str) -> Obj:
    return {
        "amount": amount,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }


@route("GET", "/v1/balance")
def balance(box: Box, account: str, params: Params, call: Call) -> Obj:
    settle_due(box)
    sums = box.store.setting(f"balance:{account}") or {"usd": dict.fromkeys(SUMS, 0)}
    shown = {
        which: [
            {"amount": kept[which], "currency": currency, "source_types": {"card": kept[which]}}
            for currency, kept in sorted(sums.items())
        ]
        for which in SUMS
    }
    return {"object": "balance", **shown, "livemode": False}


@route("GET", "/v1/balance_transactions")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    settle_due(box)
    # The sandbox never pays out, so a `payout` filter finds nothing, as it should.
    where = {name: params.get(name) for name in ("currency", "type", "source", "payout")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/balance_transactions/{id}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    settle_due(box)
    return fetch(box, account, KIND, call.arg(), "balance transaction")
