"""How many threads of a process may wait for Stripe at once, so that the shop goes on while Stripe does not.

Some threads never wait for Stripe: the window answers whatever Stripe does. While answers come, a call
without room waits a moment for it; while Stripe is silent it is refused at once. When nothing could be
reached several times in a row, one request at a time goes to look.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings

from kopeck.front.crowd import aside
from kopeck.sentences import Sentence

TOO_MANY = Sentence("Too many requests wait for Stripe already.")
#: How long one waits for room, in seconds, and how long nothing is heard before Stripe counts as silent.
PATIENCE, SILENCE = 1.5, 3.0
#: Failures to reach Stripe in a row, after which it is asked by one at a time.
FAILURES = 5


class Full(Exception):
    """Too many wait for Stripe already."""


class Bulkhead:
    """Room for `size` threads. Shared by all accounts: they are the same Stripe."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._changed = threading.Condition()
        self._asking: dict[object, float] = {}
        self._waiting = 0
        self._heard = 0.0
        self._failures = 0

    @contextmanager
    def asking(self, no_answer: type[Exception]) -> Iterator[None]:
        """Around one call to Stripe; `no_answer` is what it raises where nothing was heard. Raises Full."""
        me = object()
        with aside():
            with self._changed:
                self._make_room(me)
            yield from self._asked(me, no_answer)

    def _asked(self, me: object, no_answer: type[Exception]) -> Iterator[None]:
        answered = True
        try:
            yield
        except no_answer:
            answered = False
            raise
        finally:
            with self._changed:
                del self._asking[me]
                self._failures = 0 if answered else self._failures + 1
                self._heard = time.monotonic() if answered else self._heard
                self._changed.notify()

    def _make_room(self, me: object) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self._asking) >= (1 if self._failures >= FAILURES else self.size):
            left = deadline - time.monotonic()
            if left <= 0 or self._failures >= FAILURES or self._is_silent():
                raise Full(TOO_MANY())
            self._changed.wait(left)
        self._asking[me] = time.monotonic()

    def _is_silent(self) -> bool:
        if not self._asking:
            return False
        return time.monotonic() - max(self._heard, min(self._asking.values())) > SILENCE

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around waiting for what another thread asks Stripe: that holds a thread as well."""
        with self._changed:
            self._waiting += 1
        try:
            with aside():
                yield
        finally:
            with self._changed:
                self._waiting -= 1

    def is_crowded(self) -> bool:
        """Whether those who wait for others should go: Stripe is silent, and they fill the house."""
        with self._changed:
            return self._is_silent() and len(self._asking) + self._waiting > self.size


@cache
def bulkhead() -> Bulkhead:
    """This process's: three quarters of its threads."""
    return Bulkhead(max(1, settings.WEB_THREADS * 3 // 4))
