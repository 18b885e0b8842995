"""The webhook endpoints at Stripe: where each account's events should go, and the ones that are there.

Used by `manage.py stripe_webhooks`, which makes them, and by `manage.py doctor`, which looks at them.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from kopeck.stripe_api.accounts import Account
from kopeck.stripe_api.client import API_VERSION, gateway, shop_mark
from kopeck.webhooks.handlers import HANDLERS

#: Every event that changes a payment, a refund or a dispute; the shop asks for those that it handles.
_EVENTS = """
    checkout.session.completed checkout.session.async_payment_succeeded
    checkout.session.async_payment_failed checkout.session.expired
    payment_intent.succeeded payment_intent.payment_failed payment_intent.processing payment_intent.canceled
    charge.refunded refund.created refund.updated refund.failed
    charge.dispute.created charge.dispute.updated charge.dispute.closed
    charge.dispute.funds_withdrawn charge.dispute.funds_reinstated
""".split()


def event_types() -> list[str]:
    """What the intake has a handler for, by Stripe's names."""
    return [name for name in _EVENTS if name.startswith(tuple(HANDLERS))]


class BadAddress(ValueError):
    """No address that Stripe could deliver to; `str()` is a sentence."""


def base_of(address: str, *, livemode: bool) -> str:
    """`https://shop.example`, of an address with or without a slash at its end. Raises BadAddress."""
    try:
        parts = urlsplit(address.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise BadAddress(f"{address!r} is no address of a shop.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise BadAddress(f"The shop's address should look like https://shop.example, not {address!r}.")
    if livemode and parts.scheme != "https":
        raise BadAddress("With live keys the shop's address has to begin with https://.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def path_of(account_name: str) -> str:
    return f"/webhooks/stripe/{account_name}"


def leads_here(endpoint: dict[str, Any], account_name: str) -> bool:
    """Whether its path is that of the account's webhook, on whatever host."""
    return urlsplit(str(endpoint["url"])).path.rstrip("/") == path_of(account_name)


def is_at(endpoint: dict[str, Any], account_name: str, base: str) -> bool:
    """Whether it is the account's webhook at this address of the shop."""
    return leads_here(endpoint, account_name) and _origin(urlsplit(endpoint["url"])) == _origin(
        urlsplit(base)
    )


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def is_pinned(endpoint: dict[str, Any]) -> bool:
    """Whether its events are of our API version. The sandbox speaks no other, and need not be told."""
    version = endpoint["api_version"]
    return bool(version == API_VERSION or (version is None and settings.STRIPE_SANDBOX))


def missing_events(endpoint: dict[str, Any]) -> list[str]:
    has = set(endpoint["enabled_events"])
    return [] if "*" in has else [name for name in event_types() if name not in has]


@dataclass(frozen=True, slots=True)
class Synced:
    """What was done for one account: `made`, `changed` (in words) or neither; `secret` only where made.

    `others` are endpoints that deliver the same events to the shop besides.
    """

    endpoint: dict[str, Any]
    made: bool
    changed: list[str]
    secret: str
    others: list[dict[str, Any]]


def sync(account: Account, base: str) -> Synced:
    """Makes the account's endpoint at this address, or changes the one there is. Never a second one.

    One of another API version can't be changed to ours: a new one is made beside it, and both deliver until
    `finish`. Raises StripeUnavailable, StripeRefused.
    """
    wire = gateway(account.name)
    mine = [
        endpoint for endpoint in wire.list_all("webhook_endpoint") if _is_ours(endpoint, account.name, base)
    ]
    # The one at this address first: only where there is none, one of a former address is moved.
    mine.sort(key=lambda endpoint: not is_at(endpoint, account.name, base))
    kept = next((endpoint for endpoint in mine if is_pinned(endpoint)), None)
    wanted = {"url": f"{base}{path_of(account.name)}", "enabled_events": event_types()}
    mark = {"kopeck_shop": shop_mark()}
    if kept is None:
        description = f"{settings.SHOP_NAME}: account {account.name}"
        made = wire.create(
            "webhook_endpoint",
            {**wanted, "api_version": API_VERSION, "description": description, "metadata": mark},
        )
        return Synced(made, True, [], made["secret"], mine)
    others = [endpoint for endpoint in mine if endpoint["id"] != kept["id"]]
    changes, words = _changes(kept, account.name, base)
    if kept["metadata"].get("kopeck_shop") != mark["kopeck_shop"]:
        changes["metadata"] = mark
    if changes:
        kept = wire.update("webhook_endpoint", kept["id"], changes)
    return Synced(kept, False, words, "", others)


def _is_ours(endpoint: dict[str, Any], account_name: str, base: str) -> bool:
    marked = endpoint["metadata"].get("kopeck_shop") == shop_mark()
    return is_at(endpoint, account_name, base) or (marked and leads_here(endpoint, account_name))


def _changes(kept: dict[str, Any], account_name: str, base: str) -> tuple[dict[str, Any], list[str]]:
    changes: dict[str, Any] = {}
    words = []
    if not is_at(kept, account_name, base):
        changes["url"] = f"{base}{path_of(account_name)}"
        words.append(f"moved from {kept['url']}")
    if set(kept["enabled_events"]) != set(event_types()):
        changes["enabled_events"] = event_types()
        words.append("events")
    if kept["status"] != "enabled":
        changes["disabled"] = False
        words.append("switched on")
    return changes, words


def finish(account: Account, synced: Synced) -> list[str]:
    """Deletes the other endpoints that lead here; their ids. Raises StripeUnavailable, StripeRefused."""
    for endpoint in synced.others:
        gateway(account.name).retire("webhook_endpoint", endpoint["id"])
    return [endpoint["id"] for endpoint in synced.others]
