"""What a change of the API is made of. Each file of the folder has one, `CHANGE`; `translate.py` lists it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.core.store import Obj, Store

Params = dict[str, Any]
#: Rewrites the parameters of an older request in place. They are as they came, not checked yet: nested dicts
#: of strings, lists as dicts by index (`{"line_items": {"0": {"quantity": "1"}}}`).
Up = Callable[[Params], None]
#: Rewrites an object of the answer in place. Fields may be missing: a browser sees only some.
Down = Callable[[Store, str, Obj], None]
#: What a field shows: `(store, account, object) -> value`.
Shown = Callable[[Store, str, Obj], Any]


@dataclass(frozen=True)
class Change:
    """`version`: the first one that has the new way, by its date. `up` by method and path
    (`POST /v1/promotion_codes`), `down` by kind of object, `shown` by (kind, field): what older versions had
    in every answer, and could expand. That is written before `down` is called."""

    version: str
    up: Mapping[str, Up] = field(default_factory=dict)
    down: Mapping[str, Down] = field(default_factory=dict)
    shown: Mapping[tuple[str, str], Shown] = field(default_factory=dict)


def rename(params: Params, old: str, new: str) -> None:
    """Move a parameter or a field, where it is there."""
    if old in params:
        params[new] = params.pop(old)


def page(found: tuple[list[Obj], bool], url: str) -> Obj:
    """Stripe's list of what the store found."""
    objs, has_more = found
    return {"object": "list", "data": objs, "has_more": has_more, "url": url}
