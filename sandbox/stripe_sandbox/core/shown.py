"""What of a stored object Stripe would show.

A stored object is Stripe's JSON plus two sorts of keys of our own: `_name` is never shown (3-D Secure state,
line detail), `+name` is shown as `name` where `expand[]` asks for it (`total_details.breakdown`).
"""

from __future__ import annotations

from typing import Any


def shown(value: Any) -> Any:
    """A deep copy without the keys that Stripe doesn't show."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items() if key[:1] not in ("_", "+")}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value
