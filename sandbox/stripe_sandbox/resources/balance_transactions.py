"""Balance transactions: what charges, refunds and disputes do to the account's balance; the API only reads.

Amounts are in minor units.
"""

from __future__ import annotations

from fractions import Fraction

from stripe_sandbox.box import Box
from stripe_sandbox.core import ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.rules.arithmetic import rounded
from stripe_sandbox.server.routes import Call, Params, fetch, listing, route

KIND = "balance_transaction"
SETTLES_AFTER = 2 * 24 * 3600
FEE_SHARE, FEE_FIXED = Fraction(29, 1000), 30


def settle(box: Box, account: str, charge: Obj) -> None:
    """Book a captured charge: its balance transaction with Stripe's usual fee (2.9 % and 30 minor units)."""
    amount = charge["amount_captured"]
    fee = min(amount, rounded(amount * FEE_SHARE) + FEE_FIXED)
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
    }
    box.store.insert(account, entry)
    return entry


def _fee(amount: int, currency: str) -> Obj:
    return {
        "amount": amount,
        "application": None,
        "currency": currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }


@route("GET", "/v1/balance_transactions")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    # The sandbox never pays out, so a `payout` filter finds nothing, as it should.
    where = {name: params.get(name) for name in ("currency", "type", "source", "payout")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/balance_transactions/{id}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "balance transaction")
