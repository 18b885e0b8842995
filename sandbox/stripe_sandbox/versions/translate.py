"""Requests of an older API version up to the newest, answers and events down to the older one.

Everything inside the sandbox speaks `NEWEST`. A version is its date; the name after it (`.endive`) says
nothing more. Versions between two changes of `CHANGES` are answered alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stripe_sandbox.core.diff import before, previous_attributes
from stripe_sandbox.core.store import Obj, Store
from stripe_sandbox.versions import (
    v2020_08_27_lists_of_customers,
    v2022_08_01_checkout,
    v2022_11_15_charges_and_refunds,
    v2023_08_16_automatic_payment_methods,
    v2024_04_10_features_and_capture,
    v2025_03_31_shipping_and_invoice,
    v2025_09_30_coupon_of_a_code,
    v2026_03_25_ui_mode,
    v2026_09_30_payment_method_types,
)
from stripe_sandbox.versions.change import Change, Params, Shown

NEWEST = "2026-10-28.endive"
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.\w+)?", re.ASCII)
#: Oldest first.
CHANGES: tuple[Change, ...] = tuple(
    module.CHANGE
    for module in (
        v2020_08_27_lists_of_customers,
        v2022_08_01_checkout,
        v2022_11_15_charges_and_refunds,
        v2023_08_16_automatic_payment_methods,
        v2024_04_10_features_and_capture,
        v2025_03_31_shipping_and_invoice,
        v2025_09_30_coupon_of_a_code,
        v2026_03_25_ui_mode,
        v2026_09_30_payment_method_types,
    )
)
#: What an account's version is when its first request names none: the newest at the time of that library's
#: release. These are the releases whose own default was the account's; later ones name a version themselves.
LIBRARY = re.compile(r"Stripe/v1 (\w+)Bindings/(\d+)")
LIBRARIES = {
    "Node": {10: "2022-08-01", 11: "2022-11-15"},
    "Php": {9: "2022-08-01", 10: "2022-11-15"},
    "Python": {4: "2022-08-01", 5: "2022-11-15"},
    "Ruby": {7: "2022-08-01", 8: "2022-11-15"},
}
OLDEST = "2020-08-27"


def is_before(version: str, change: str) -> bool:
    """Whether `version` is older than the change of that date."""
    return version[:10] < change


def of_library(user_agent: str) -> str:
    """The version of an account that begins with a request of this library, which names none."""
    found = LIBRARY.match(user_agent)
    if not found or found[1] not in LIBRARIES:
        return NEWEST
    known = LIBRARIES[found[1]]
    major = int(found[2])
    return known.get(major, OLDEST if major < min(known) else NEWEST)


def _newer(version: str) -> Iterator[Change]:
    return (change for change in CHANGES if is_before(version, change.version))


def up(version: str, method: str, template: str, params: Params) -> None:
    """Rewrite the decoded parameters of a request of `version` in place, change by change."""
    for change in _newer(version):
        rewrite = change.up.get(f"{method} {template}")
        if rewrite:
            rewrite(params)


def shown_fields(version: str) -> dict[tuple[str, str], Shown]:
    """By (kind, field): what answers of `version` had, and the newest does not have or only when asked."""
    return {name: shown for change in _newer(version) for name, shown in change.shown.items()}


def down(store: Store, account: str, answer: Any, version: str) -> None:
    """Rewrite an answer in place as `version` had it. Events stay as they are: each has its own version."""
    changes = list(_newer(version))[::-1]
    _down(store, account, answer, changes)


def _down(store: Store, account: str, node: Any, changes: list[Change]) -> None:
    if isinstance(node, list):
        for item in node:
            _down(store, account, item, changes)
    if not isinstance(node, dict):
        return
    if node.get("object") == "event":
        _in_its_version(store, account, node)
        return
    if isinstance(node.get("object"), str) and not node.get("deleted"):
        _rewrite(store, account, node, changes)
    if changes or node.get("object") == "list":
        for child in list(node.values()):
            _down(store, account, child, changes)


def _rewrite(store: Store, account: str, obj: Obj, changes: list[Change]) -> None:
    for change in changes:
        for (kind, name), shown in change.shown.items():
            if kind == obj["object"] and name not in obj:
                obj[name] = shown(store, account, obj)
        if obj["object"] in change.down:
            change.down[obj["object"]](store, account, obj)


def _in_its_version(store: Store, account: str, event: Obj) -> None:
    version = event["api_version"]
    if not any(_newer(version)):
        return
    data = event["data"]
    previous = data.get("previous_attributes")
    old = None if previous is None else _copied(before(data["object"], previous))
    down(store, account, data["object"], version)
    if old is not None:
        down(store, account, old, version)
        data["previous_attributes"] = previous_attributes(old, data["object"])


def event(store: Store, account: str, made: Obj, version: str | None) -> Obj:
    """A copy of an event for an endpoint of `version`; None leaves it in the version of the account."""
    copy: Obj = {**made, "data": dict(made["data"])}
    copy["data"]["object"] = _copied(made["data"]["object"])
    copy["api_version"] = version or made["api_version"]
    _in_its_version(store, account, copy)
    return copy


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
