"""The table of API methods: resource modules register handlers with @route, `app.py` serves them.

Paths are the spec's own templates (`/v1/refunds/{refund}`), so that `forms.py` finds the parameters of each
method by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core import errors
from stripe_sandbox.core.store import NoSuchCursor, Obj
from stripe_sandbox.versions.translate import NEWEST

Params = dict[str, Any]
PLACEHOLDER = re.compile(r"\{\w+\}")


@dataclass(frozen=True)
class Call:
    """What a handler may want to know of the request besides its parameters."""

    id: str  # req_...
    method: str
    template: str
    url: str  # the path as it was asked
    args: Mapping[str, str] = field(default_factory=dict)  # {"refund": "re_..."}
    idempotency_key: str | None = None
    publishable: bool = False  # asked with a pk_ key: show only what a browser may see
    version: str = NEWEST  # of the API, as the caller speaks it
    base_url: str = ""  # where the sandbox is for the buyer's browser, without a trailing slash

    def arg(self) -> str:
        """The id in the path (of methods that have one)."""
        return next(iter(self.args.values()))


Handler = Callable[[Box, str, Params, Call], Obj]


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    handler: Handler
    publishable: bool


ROUTES: dict[tuple[str, str], Route] = {}


@cache
def not_here() -> dict[tuple[str, str], re.Pattern[str]]:
    """The pattern of each (method, path) that Stripe's own library calls and that no handler answers.
    `paths.txt` has them, made by `spec_paths.py`; what a placeholder is called does not matter."""
    here = {(method, PLACEHOLDER.sub("{}", path)) for method, path in ROUTES}
    lines = Path(__file__).with_name("paths.txt").read_text(encoding="utf-8").splitlines()
    return {
        (method, path): re.compile(PLACEHOLDER.sub("[^/]+", path))
        for method, path in map(str.split, lines)
        if (method, PLACEHOLDER.sub("{}", path)) not in here
    }


def is_elsewhere(method: str, path: str) -> bool:
    """Whether Stripe has this method and the sandbox has not."""
    return any(verb == method and pattern.fullmatch(path) for (verb, _), pattern in not_here().items())


def mistaken() -> list[tuple[str, str]]:
    """(method, path) of those that would be taken for an id: `/v1/customers/search` is no customer."""
    templates = [(verb, re.compile(PLACEHOLDER.sub("[^/]+", path))) for verb, path in ROUTES]
    return [
        (method, path)
        for method, path in not_here()
        if any(verb == method and template.fullmatch(path) for verb, template in templates)
    ]


Includable = Callable[[Box, str, Obj], Any]
INCLUDABLES: dict[tuple[str, str], Includable] = {}


def route(method: str, template: str, *, publishable: bool = False) -> Callable[[Handler], Handler]:
    """Register a handler `(box, account, params, call) -> object`; it runs inside a transaction of the store.
    `publishable` lets a pk_ key in. It raises StripeError to refuse."""

    def register(handler: Handler) -> Handler:
        ROUTES[method, template] = Route(method, template, handler, publishable)
        return handler

    return register


def includable(kind: str, name: str) -> Callable[[Includable], Includable]:
    """Register a field of `kind` that is there only when `expand[]` asks: `(box, account, obj) -> value`.
    (A field that is simply stored under "+name" needs no registration.)"""

    def register(compute: Includable) -> Includable:
        INCLUDABLES[kind, name] = compute
        return compute

    return register


def fetch(box: Box, account: str, kind: str, id: str, noun: str | None = None, param: str = "id") -> Obj:
    """The object, or Stripe's 404 `No such coupon: 'X'`; `noun` is Stripe's word where it isn't the kind."""
    obj = box.store.get(account, kind, id)
    if obj is None:
        raise errors.missing_object(noun or kind.rpartition(".")[2], id, param)
    return obj


def fetch_by_secret(box: Box, account: str, kind: str, noun: str, call: Call, params: Params) -> Obj:
    """An intent, by the address; to a pk_ key only with its `client_secret`, which `params` are rid of."""
    intent = fetch(box, account, kind, call.arg(), noun, "intent")
    secret = params.pop("client_secret", None)
    if call.publishable and secret is None:
        raise errors.missing_param("client_secret")
    if secret is not None and secret != intent["client_secret"]:
        name = kind.title().replace("_", "")
        raise errors.invalid(
            f"The client_secret provided does not match the client_secret associated with this {name}.",
            code=f"{kind}_invalid_parameter",
            param="client_secret",
        )
    return intent


def each_due(box: Box, kind: str, act: Callable[[str, Obj], Any]) -> int:
    """`act(account, object)` for every object of `kind` whose `_due` has come; how many there were. `act`
    moves `_due`, or it is called for ever. Asked once without a lock: mostly there is nothing, and every
    read asks."""
    now = box.clock.now()
    if not box.store.due(kind, now):
        return 0
    with box.store.transaction():
        found = box.store.due(kind, now)
        for account, id in found:
            act(account, fetch(box, account, kind, id))
    return len(found)


def listing(
    box: Box,
    account: str,
    kind: str,
    params: Params,
    call: Call,
    *,
    where: Mapping[str, Any] | None = None,
) -> Obj:
    """Stripe's list of `kind`, newest first: reads limit, starting_after, ending_before and created of
    `params`."""
    after, before = params.get("starting_after"), params.get("ending_before")
    created = params.get("created")
    if isinstance(created, int):
        created = {"gte": created, "lte": created}
    try:
        objs, has_more = box.store.list(
            account,
            kind,
            where=where,
            limit=page_size(params),
            starting_after=after,
            ending_before=before,
            created=created,
        )
    except NoSuchCursor as missing:
        cursor, id = missing.args
        raise errors.missing_object(kind.rpartition(".")[2], id, cursor, status=400) from missing
    if after is not None and before is not None:  # Stripe looks for both objects first
        raise errors.invalid(
            "Received both starting_after and ending_before parameters. Please pass in only one."
        )
    return {"object": "list", "data": objs, "has_more": has_more, "url": call.url}


def page_size(params: Params) -> int:
    """How many a list has: 10, or `limit`, which Stripe moves into 1 to 100 without a word."""
    return min(max(int(params.get("limit", 10)), 1), 100)


def new_metadata(params: Params) -> dict[str, str]:
    """The metadata that a new object begins with: a key given as "" is not there."""
    return {key: value for key, value in (params.get("metadata") or {}).items() if value != ""}


def merge_metadata(obj: Obj, metadata: Mapping[str, str] | None) -> None:
    """Stripe's way to change metadata: keys given are set, a key given as "" is removed, None removes them
    all."""
    if metadata is None:
        obj["metadata"] = {}
        return
    changed: dict[str, str] = {**(obj.get("metadata") or {}), **metadata}
    kept = {key: value for key, value in changed.items() if value != ""}
    if len(kept) > 50:
        raise errors.invalid("You can only have up to 50 metadata keys.", param="metadata")
    obj["metadata"] = kept
