"""`GET /v1/customers/search` and its kin: objects by Stripe's query language, newest first, page by page.

What is new is found at once; Stripe takes up to a minute.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core.errors import invalid
from stripe_sandbox.core.store import Obj
from stripe_sandbox.rules import search
from stripe_sandbox.rules.search import Clause
from stripe_sandbox.server.routes import Call, Handler, Params, includable, page_size, route

KINDS = {
    "charges": "charge",
    "customers": "customer",
    "payment_intents": "payment_intent",
    "prices": "price",
    "products": "product",
}
PAGE = re.compile(r"page_([0-9a-f]{1,16})_([0-9a-f]{1,16})")


def _test(clause: Clause) -> tuple[str, list[Any]]:
    """A clause as SQL over the column `body`, and its values."""
    if clause.key is not None:
        found = "(SELECT value FROM json_each(body, '$.metadata') WHERE key = ?)"
        values: list[Any] = [clause.key]
    else:
        found, values = "json_extract(body, ?)", [f"$.{clause.field}"]
    if clause.value is None:
        test = f"{found} IS NULL"
    elif clause.sign == "~":
        test, values = f"instr(fold(coalesce({found}, '')), fold(?)) > 0", [*values, clause.value]
    elif isinstance(clause.value, str):
        test, values = f"fold(coalesce({found}, '')) = fold(?)", [*values, clause.value]
    else:
        test, values = f"{found} {clause.sign} ?", [*values, clause.value]
    return (f"NOT coalesce({test}, 0)" if clause.negated else f"coalesce({test}, 0)"), values


def _find(box: Box, account: str, resource: str, params: Params, call: Call) -> Obj:
    limit = page_size(params)
    query = search.read(resource, params["query"])
    tests, values = zip(*map(_test, query.clauses), strict=True)
    test = (" OR " if query.any_of else " AND ").join(tests)
    flat = [value for some in values for value in some]
    after = None
    if "page" in params:
        place = PAGE.fullmatch(params["page"])
        if place is None:
            raise invalid(f"Invalid page: {params['page']}. Pass the `next_page` of a result.", param="page")
        after = (int(place[1], 16), int(place[2], 16))
    kind = KINDS[resource]
    beyond = "AND (created, seq) < (?, ?) " if after else ""
    found = box.store.sql(
        f"SELECT created, seq, body FROM objects WHERE account = ? AND kind = ? {beyond}"  # noqa: S608
        f"AND ({test}) ORDER BY created DESC, seq DESC LIMIT ?",
        (account, kind, *(after or ()), *flat, limit + 1),
    )
    has_more = len(found) > limit
    created, seq, _ = found[limit - 1] if has_more else (0, 0, "")
    return {
        "object": "search_result",
        "data": [json.loads(body) for _, _, body in found[:limit]],
        "has_more": has_more,
        "next_page": f"page_{created:x}_{seq:x}" if has_more else None,
        "url": call.url,
        "_search": [kind, test, flat],
    }


@includable("search_result", "total_count")
def total_count(box: Box, account: str, result: Obj) -> int:
    kind, test, values = result["_search"]
    rows = box.store.sql(
        f"SELECT count(*) FROM objects WHERE account = ? AND kind = ? AND ({test})",  # noqa: S608
        (account, kind, *values),
    )
    return int(rows[0][0])


def _handler(resource: str) -> Handler:
    def find(box: Box, account: str, params: Params, call: Call) -> Obj:
        return _find(box, account, resource, params, call)

    return find


_searches: list[Callable[..., Obj]] = [
    route("GET", f"/v1/{resource}/search")(_handler(resource)) for resource in KINDS
]
