"""Slow things that need no database: no connection waits for them, and a few threads of a process do them.

A connection of the pool belongs to a request from its first query to its end. A request that hashes a
password, decodes a picture or waits for Stripe in between would keep it from others, and there are ten.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from kopeck.errors import ShopError


def release_database() -> None:
    """Returns this thread's connection to the pool; the next query takes one. Never in a transaction."""
    if connection.in_atomic_block:
        raise RuntimeError("Nothing slow is done inside a transaction: it would hold rows and a connection.")
    connection.close()


def spare_database() -> None:
    """As `release_database`, but a transaction keeps its connection: for what may be done in one too."""
    if not connection.in_atomic_block:
        connection.close()


class Few:
    """Lets `at_once` threads of this process do something slow; an eighth of all threads at most.

    As many as have room besides wait up to `patience` seconds for their turn, an eighth too. Each waits in a
    thread, so who comes later is refused at once: the other threads are for everybody else.
    """

    def __init__(self, at_once: int, *, patience: float) -> None:
        share = max(1, settings.WEB_THREADS // 8)
        self.patience = patience
        self._turns = threading.BoundedSemaphore(min(at_once, share))
        self._room = threading.BoundedSemaphore(min(at_once, share) + share)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Around the slow thing. Without a connection, save in a transaction. Raises ShopError 429."""
        spare_database()
        if not self._room.acquire(blocking=False):
            raise self._refusal()
        try:
            if not self._turns.acquire(timeout=self.patience):
                raise self._refusal()
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._room.release()

    def _refusal(self) -> ShopError:
        message = _("Many ask for this at the moment. Please try again in a few seconds.")
        return ShopError("busy", message, status=429, retry_after=max(1, round(self.patience)))
