"""Events: the list, the single one, and how an update becomes an event with its previous attributes."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core.diff import previous_attributes
from stripe_sandbox.core.errors import invalid, missing_object
from stripe_sandbox.core.store import Obj, shown
from stripe_sandbox.server.routes import Call, Params, listing, route

KIND = "event"
#: Stripe keeps events for 30 days; older ones can be neither listed nor retrieved.
KEPT_FOR = 30 * 24 * 3600


def save_changed(box: Box, account: str, obj: Obj, type: str) -> Obj:
    """Write a changed object back, and make the event `type` where Stripe would show a difference."""
    before = box.store.get(account, obj["object"], obj["id"])
    box.store.save(account, obj)
    previous = previous_attributes(shown(before), shown(obj))
    if previous:
        box.emit(account, type, obj, previous=previous)
    return obj


def insert_new(box: Box, account: str, obj: Obj, type: str) -> Obj:
    """Keep a new object and make the event of its creation."""
    box.store.insert(account, obj)
    box.emit(account, type, obj)
    return obj


@route("GET", "/v1/events")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", stored=False)
    oldest = box.clock.now() - KEPT_FOR
    created = params.get("created") or {}
    if isinstance(created, int):
        created = {"gte": created, "lte": created}
    params = {**params, "created": {**created, "gte": max(oldest, created.get("gte", 0))}}
    where: dict[str, Any] = {}
    if params.keys() & {"type", "types"}:
        patterns = params["types"] if "types" in params else [params["type"]]
        known = box.store.values(account, KIND, "type")
        where["type"] = [type for type in known if any(fnmatchcase(type, pattern) for pattern in patterns)]
    if "delivery_success" in params:
        pending = box.store.values(account, KIND, "pending_webhooks")
        where["pending_webhooks"] = [count for count in pending if params["delivery_success"] == (count == 0)]
    return listing(box, account, KIND, params, call, where=where)


@route("GET", "/v1/events/{id}")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    event = box.store.get(account, KIND, call.arg())
    if event is None or event["created"] < box.clock.now() - KEPT_FOR:
        raise missing_object("event", call.arg())
    return event
