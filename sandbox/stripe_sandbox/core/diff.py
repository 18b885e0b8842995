"""What an update changed, as `data.previous_attributes` of an event tells it."""

from __future__ import annotations

from typing import Any

from stripe_sandbox.core.store import Obj


def previous_attributes(before: Obj, after: Obj) -> dict[str, Any]:
    """What `before` said where `after` differs; inside an object only the keys that differ, None for new
    ones."""
    changed: dict[str, Any] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old != new:
            both = isinstance(old, dict) and isinstance(new, dict)
            changed[name] = previous_attributes(old or {}, new or {}) if both else old
    return changed


def before(after: Obj, previous: dict[str, Any]) -> Obj:
    """The object that `previous_attributes` was taken from."""
    old = dict(after)
    for name, value in previous.items():
        now = after.get(name)
        both = isinstance(value, dict) and isinstance(now, dict)
        old[name] = before(now or {}, value) if both else value
    return old
