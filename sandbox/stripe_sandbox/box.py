"""The world of one sandbox: its store, its clock, its faults, its webhooks, and the events it makes."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from stripe_sandbox.core import ids
from stripe_sandbox.core.clock import Clock
from stripe_sandbox.core.faults import Faults
from stripe_sandbox.core.store import Obj, Store, shown
from stripe_sandbox.versions.translate import NEWEST
from stripe_sandbox.webhooks.delivery import Webhooks

#: True while events are made that no endpoint shall hear of, such as those of a seed.
quiet: ContextVar[bool] = ContextVar("quiet", default=False)
# Who caused what happens now: {"id": "req_...", "idempotency_key": ...}; set for each API request by the
# kernel.
cause: ContextVar[dict[str, str | None] | None] = ContextVar("cause", default=None)


class Box:
    """`path` is a SQLite file or ":memory:"; `public_url` the base of session urls (else the request's own
    host); `webhooks` what the command line named, as `webhooks.delivery.Webhooks` takes it; `api_version`
    that of every account (else each gets its own with its first request)."""

    def __init__(
        self,
        path: str = ":memory:",
        *,
        public_url: str | None = None,
        webhooks: Sequence[Any] = (),
        api_version: str | None = None,
    ) -> None:
        self.store = Store(path)
        self.clock = Clock(self.store)
        self.public_url = public_url.rstrip("/") if public_url else None
        self.api_version = api_version
        self.faults = Faults()
        self.webhooks = Webhooks(self.store, self.clock, self.faults, webhooks)

    def version_of(self, account: str) -> str:
        """The account's API version: for requests that name none, and for its events."""
        return str(self.store.setting(f"api_version:{account}") or self.api_version or NEWEST)

    def has_version(self, account: str) -> bool:
        """Whether the account was given a version of its own."""
        return self.store.setting(f"api_version:{account}") is not None

    def set_version(self, account: str, version: str) -> None:
        self.store.set_setting(f"api_version:{account}", version)

    def emit(
        self,
        account: str,
        type: str,
        obj: Obj,
        *,
        previous: dict[str, Any] | None = None,
        request: dict[str, str | None] | None = None,
    ) -> Obj:
        """Make the Event of something that has just happened, inside the current transaction, and hand it to
        the webhooks once that is committed. `previous` is `data.previous_attributes` of an update."""
        data: dict[str, Any] = {"object": shown(obj)}
        if previous is not None:
            data["previous_attributes"] = previous
        event: Obj = {
            "id": ids.new("evt"),
            "object": "event",
            "api_version": self.version_of(account),
            "created": self.clock.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": request or cause.get() or {"id": None, "idempotency_key": None},
            "type": type,
        }
        with self.store.transaction():
            self.store.insert(account, event)
            if quiet.get():
                self.webhooks.log.mark_enqueued(event["id"])
            else:
                self.store.on_commit(lambda: self.webhooks.enqueue(account, event))
        return event

    def reset(self) -> None:
        """Forget every object, event and delivery, and turn the clock back; the command line's webhooks
        stay."""
        self.store.clear()
        self.webhooks.restore()

    def close(self) -> None:
        self.webhooks.close()
        self.store.close()
