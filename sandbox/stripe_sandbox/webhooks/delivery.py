"""Webhooks: a queue that survives a restart, background threads, retries, and every attempt kept.

A committed event becomes one delivery for each endpoint that wants it (`log`); threads send them
outside any lock (`wire`). At least once, order normally kept per object, never promised:
docs.stripe.com/webhooks. Retry waits and the time limit are settings of `faults.SPEC`.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from stripe_sandbox.core.clock import Clock
from stripe_sandbox.core.faults import Faults
from stripe_sandbox.core.store import Store
from stripe_sandbox.versions import translate
from stripe_sandbox.webhooks import endpoints, wire
from stripe_sandbox.webhooks.log import Delivery, Log
from stripe_sandbox.webhooks.queue import REORDER_HOLD, Job, Queue


class NoSuchEvent(LookupError):
    """There is no event with the id in args."""


class Webhooks:
    """The deliveries of one box. `texts` are those of the command line: `[TAIL@]URL=whsec_...`."""

    def __init__(self, store: Store, clock: Clock, faults: Faults, texts: Iterable[str] = ()) -> None:
        self._store, self._clock, self._faults = store, clock, faults
        self._arguments = [endpoints.parse_endpoint(argument) for argument in texts]
        self.log = Log(store)
        # Guards the queue in memory; never held while the store or the network is used.
        self._changed = threading.Condition()
        self._queue = Queue()
        self._thread: threading.Thread | None = None
        self._senders: set[threading.Thread] = set()
        self._closed = False
        self.restore()

    def restore(self) -> None:
        """Take up what the store knows: upsert the command line's endpoints, queue what is pending.

        Called again after a reset, which empties the store.
        """
        endpoints.upsert_arguments(self._store, self._clock.now(), self._arguments)
        with self._changed:
            self._queue.clear()
        for account, event in self.log.unqueued_events():
            self.enqueue(account, event)
        for delivery in self.log.pending():
            self._add(delivery, len(self.log.attempts(delivery["id"])))

    def start(self) -> None:
        """Begin to send in the background. Safe to call twice."""
        with self._changed:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._dispatch, name="webhooks", daemon=True)
                self._thread.start()

    def close(self, patience: float = 2.0) -> None:
        """Stop sending. An attempt still under way after `patience` seconds is made again at the start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            threads = [*self._senders, *([self._thread] if self._thread else [])]
        deadline = time.monotonic() + patience
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def enqueue(self, account: str, event: dict[str, Any]) -> None:
        """Make the deliveries of a committed event and let the threads send them."""
        deliveries = []
        with self._store.transaction():
            for owner, endpoint in endpoints.wanting(self._store, account, event["type"]):
                deliveries += self._deliveries(account, event, owner, endpoint)
            self.log.mark_enqueued(event["id"])
            if deliveries:
                self._count_pending(account, event["id"])
        for delivery in deliveries:
            if delivery["status"] == "pending":
                self._add(delivery)

    def _deliveries(
        self, account: str, event: dict[str, Any], owner: str, endpoint: dict[str, Any]
    ) -> list[Delivery]:
        """One delivery of the event to this endpoint, or what the faults make of it: none to send, or two."""
        faults = self._faults
        if faults.draw("webhook_drop_rate"):
            return [self.log.add(account, event, owner, endpoint, None)]
        copies = 2 if faults.draw("webhook_duplicate_rate") else 1
        hold = REORDER_HOLD if faults["webhook_reorder"] else 0
        return [
            self.log.add(
                account,
                event,
                owner,
                endpoint,
                time.time() + hold + faults.milliseconds("webhook_delay_ms") / 1000,
            )
            for _ in range(copies)
        ]

    def _count_pending(self, account: str, event_id: str) -> None:
        event = self._store.get(account, "event", event_id)
        if event is not None:
            event["pending_webhooks"] = self.log.unsettled(event_id)
            self._store.save(account, event)

    def _add(self, delivery: Delivery, tries: int = 0) -> None:
        with self._changed:
            self._queue.add(delivery, tries)
            self._changed.notify_all()

    # -- sending --------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """The dispatcher's thread: a short-lived sender per due delivery, a few at a time per endpoint."""
        while True:
            with self._changed:
                if self._closed:
                    return
                job, wait = self._next()
                if job is None:
                    self._changed.wait(wait)
                    continue
                sender = threading.Thread(
                    target=self._send_in_background, args=(job,), name="webhook", daemon=True
                )
                self._senders.add(sender)
                sender.start()

    def _next(self) -> tuple[Job | None, float | None]:
        """The delivery to send now, or None and the seconds until one falls due (None: nothing waits)."""
        faults = self._faults
        if faults["webhooks_paused"]:
            # Looked at again soon: the switch is turned without a word to this thread.
            return None, 0.1
        now = time.time()
        job = self._queue.take(now, faults["webhook_reorder"], faults.pick)
        due = self._queue.next_due()
        return job, None if due is None else max(0.0, due - now)

    def _send_in_background(self, job: Job) -> None:
        try:
            self._attempt(job, by_hand=False)
        except sqlite3.ProgrammingError:
            # The store was closed under a slow attempt: it is still pending there, for the next start.
            if not self._closed:
                raise
        finally:
            with self._changed:
                self._senders.discard(threading.current_thread())

    def _attempt(self, job: Job, *, by_hand: bool) -> None:
        """Send a job that is marked busy, write down what happened, and free it or plan the retry."""
        after: Delivery | None = None
        try:
            answer = self._post(job.delivery, by_hand)
            after = self._record(job.delivery, answer, by_hand)
        finally:
            with self._changed:
                self._queue.release(job, after)
                self._changed.notify_all()

    def _post(self, delivery: Delivery, by_hand: bool) -> wire.Answer | None:
        """The endpoint's answer; None when it, or the event, is gone or switched off."""
        endpoint = self._store.get(delivery["endpoint_account"], endpoints.KIND, delivery["endpoint"])
        event = self._store.get(delivery["account"], "event", delivery["event"])
        if endpoint is None or event is None or (endpoint["status"] != "enabled" and not by_hand):
            return None
        secrets = endpoints.valid_secrets(endpoint, self._clock.now())
        timeout = self._faults["webhook_timeout_seconds"]
        written = translate.event(self._store, delivery["account"], event, endpoint["api_version"])
        return wire.post(endpoint["url"], wire.body_of(written), secrets, timeout)

    def _record(self, delivery: Delivery, answer: wire.Answer | None, by_hand: bool) -> Delivery | None:
        schedule = self._faults["webhook_retry_seconds"]
        with self._store.transaction():
            now = self.log.get(delivery["id"])
            if now is None:
                return None
            if answer is None:
                after = self.log.set_status(now, "canceled")
            else:
                after = self.log.record(now, answer, by_hand, schedule)
            if after["status"] != now["status"]:
                self._count_pending(delivery["account"], delivery["event"])
            return after

    # -- by hand, and waiting --------------------------------------------------------------------

    def deliver(self, event_id: str | None = None) -> list[dict[str, Any]]:
        """Send every pending delivery now, in order, paused or not; or this event to all its endpoints.

        Answers the deliveries that were sent, oldest first, each with its attempts. Raises NoSuchEvent.
        """
        deliveries = self.log.pending() if event_id is None else self._again(event_id)
        sent = []
        for delivery in deliveries:
            job = self._claim(delivery, only_pending=event_id is None)
            if job is not None:
                self._attempt(job, by_hand=True)
            sent.append(delivery["id"])
        return [found for id in sent for found in self.log.page({"id": id}, 1)]

    def _again(self, event_id: str) -> list[Delivery]:
        """The newest delivery of an event to each endpoint, and new ones for endpoints that never had any."""
        found = self._store.find("event", event_id)
        if found is None:
            raise NoSuchEvent(event_id)
        account, event = found
        with self._store.transaction():
            newest = {
                delivery["endpoint"]: delivery for delivery in self.log.page({"event": event_id}, 100)[::-1]
            }
            for owner, endpoint in endpoints.wanting(self._store, account, event["type"]):
                if endpoint["id"] not in newest:
                    newest[endpoint["id"]] = self.log.add(account, event, owner, endpoint, time.time())
        return list(newest.values())

    def _claim(self, delivery: Delivery, *, only_pending: bool) -> Job | None:
        """Mark the delivery busy for this thread. One under way already is waited for, not sent again."""
        waited = False
        with self._changed:
            while (job := self._queue.jobs.get(delivery["id"])) is not None and job.busy:
                waited = True
                self._changed.wait()
            if waited or (job is None and only_pending):
                return None
            if job is None:
                job = Job(delivery, time.time())
            self._queue.claim(job)
            return job

    def wait_delivered(self, id: str, seconds: float, *, type: str | None = None) -> bool:
        """Wait until every endpoint has answered the first attempt of event `id`, or of the events (of that
        type) about object `id`. False when `seconds` pass first; True at once when nothing waits."""

        def waiting() -> bool:
            return any(
                job.tries == 0
                and id in (job.delivery["event"], job.delivery["object_id"])
                and type in (None, job.delivery["event_type"])
                for job in self._queue.jobs.values()
            )

        return self._wait(lambda: not waiting(), seconds)

    def wait_idle(self, seconds: float) -> bool:
        """Wait until no delivery is due or under way (retries planned for later don't count)."""

        def idle() -> bool:
            now = time.time()
            return not any(job.busy or not job.tries or job.due <= now for job in self._queue.jobs.values())

        return self._wait(idle, seconds)

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(done, seconds)
