"""The pending webhook deliveries in memory: which one is to be sent next. The log has the truth of them.

Not locked: `webhooks.Webhooks` holds its lock around every call. Cheap however many wait, for a shop that
is down for an hour leaves thousands of retries behind.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from stripe_sandbox.webhooks.log import Delivery

AT_ONCE_PER_ENDPOINT = 4
#: With reordering on, first attempts are held this many seconds, so that there is something to change
#: places with.
REORDER_HOLD = 0.3


@dataclass(eq=False)
class Job:
    """A pending delivery; `due` in Unix seconds, `tries` made so far, `busy` while it is under way."""

    delivery: Delivery
    due: float
    tries: int = 0
    busy: bool = False

    @property
    def endpoint(self) -> str:
        return str(self.delivery["endpoint"])

    @property
    def lane(self) -> tuple[str, str]:
        """One at a time in a lane, so that the events of one object normally arrive in order."""
        return self.endpoint, self.delivery["object_id"]


class Queue:
    """Jobs by delivery id in `jobs`, and the order in which they go out."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._sequence = count()
        self._later: list[tuple[float, int, Job]] = []
        self._ready: dict[str, dict[str, Job]] = defaultdict(dict)
        self._busy: dict[str, set[Job]] = defaultdict(set)

    def clear(self) -> None:
        """Forget what waits; what is under way ends by itself."""
        self.jobs.clear()
        self._later.clear()
        self._ready.clear()

    def add(self, delivery: Delivery, tries: int) -> None:
        """Let a delivery wait for its `next_attempt`; one that is there already stays as it is."""
        if delivery["id"] not in self.jobs:
            self._wait(Job(delivery, delivery["next_attempt"] or 0, tries))

    def _wait(self, job: Job) -> None:
        self.jobs[job.delivery["id"]] = job
        heapq.heappush(self._later, (job.due, next(self._sequence), job))

    def take(self, now: float, reorder: bool | int, pick: Callable[[int], int]) -> Job | None:
        """The delivery to send now, marked busy. `reorder`: False, True for the newest first, or n for any
        of the n oldest by `pick(n)`."""
        while self._later and self._later[0][0] <= now:
            due, _, job = heapq.heappop(self._later)
            # Entries of jobs that are done, busy or planned anew are stale.
            if self.jobs.get(job.delivery["id"]) is job and not job.busy and job.due == due:
                self._ready[job.endpoint][job.delivery["id"]] = job
        for endpoint, ready in self._ready.items():
            if len(self._busy[endpoint]) >= AT_ONCE_PER_ENDPOINT:
                continue
            taken = {job.lane for job in self._busy[endpoint]}
            first = next((job for job in ready.values() if job.lane not in taken), None)
            if first is not None:
                job = self._another(first, taken, now, reorder, pick) if reorder else first
                self.claim(job)
                return job
        return None

    def _another(
        self,
        first: Job,
        taken: set[tuple[str, str]],
        now: float,
        reorder: bool | int,
        pick: Callable[[int], int],
    ) -> Job:
        """One of those that wait for their first attempt at the same endpoint, the held ones among them."""
        waiting = [
            job
            for job in self.jobs.values()
            if job.endpoint == first.endpoint
            and job.lane not in taken
            and not (job.busy or job.tries)
            and job.due <= now + REORDER_HOLD
        ]
        if not waiting:
            return first
        return waiting[-1] if reorder is True else waiting[pick(min(reorder, len(waiting)))]

    def next_due(self) -> float | None:
        """When to look again, if nothing happens before; None where nothing waits for a time."""
        return self._later[0][0] if self._later else None

    def claim(self, job: Job) -> None:
        """Mark a job as under way."""
        job.busy = True
        self.jobs[job.delivery["id"]] = job
        self._busy[job.endpoint].add(job)
        self._ready[job.endpoint].pop(job.delivery["id"], None)

    def release(self, job: Job, delivery: Delivery | None) -> None:
        """An attempt has ended: `delivery` is how things stand now, None if it is forgotten."""
        self._busy[job.endpoint].discard(job)
        job.busy, job.tries = False, job.tries + 1
        if self.jobs.get(job.delivery["id"]) is not job:
            return  # cleared meanwhile
        if delivery is None or delivery["status"] != "pending":
            del self.jobs[job.delivery["id"]]
        else:
            job.delivery, job.due = delivery, delivery["next_attempt"]
            self._wait(job)
