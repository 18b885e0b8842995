"""Balance transactions: read only; charges and refunds make them. Amounts are in minor units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stripe_sandbox.core.store import Obj
from stripe_sandbox.server.routes import Call, Params, fetch, listing, route

if TYPE_CHECKING:
    from stripe_sandbox.box import Box

KIND = "balance_transaction"


@route("GET", "/v1/balance_transactions")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    # The sandbox never pays out, so a `payout` filter finds nothing, as it should.
    where = {name: params.get(name) for name in ("currency", "type", "source", "payout")}
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/balance_transactions/{id}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    return fetch(box, account, KIND, call.arg(), "balance transaction")
