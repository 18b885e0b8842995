"""When what kept pages show may have changed: a request asks the database, once a second at most."""

import logging
import threading
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError

log = logging.getLogger(__name__)
#: Seconds between two looks. With the second of a shared cache a change shows within two.
EVERY = 0.8
#: Seconds that a request waits for the look of another. The database may hang.
PATIENCE = 0.5


class Watch:
    """Counts what `look` sees: a number that grows with each change, and the oldest transaction under way.

    The number grows before the change is committed, so a page made right after it may show what was before.
    It is made anew at each look until every transaction has ended that began before `mark`: a transaction of
    our own, which begins when the number was read.
    """

    def __init__(self, look: Callable[[], tuple[int, int]], mark: Callable[[], int]) -> None:
        self.look, self.mark = look, mark
        self._lock = threading.Lock()
        self._generation: int | None = None
        self._looked, self._in_trouble = float("-inf"), False
        self._seen = -1
        #: The transaction before which all must have ended; None once they have.
        self._waits_for: int | None = None

    def generation(self) -> int | None:
        """Another number whenever pages have to be made anew; None while nothing was ever known."""
        if time.monotonic() - self._looked >= EVERY:
            self._renew()
        return self._generation

    def _renew(self) -> None:
        # Nobody waits for a database that is known to be away, but the one who asks it.
        if not self._lock.acquire(timeout=0 if self._in_trouble else PATIENCE):
            return
        try:
            if time.monotonic() - self._looked >= EVERY:
                self._ask()
        finally:
            self._lock.release()

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            seen, oldest = self.look()
            is_news = seen != self._seen or self._in_trouble
            mark = self.mark() if is_news else self._waits_for
        except (DatabaseError, InterfaceError) as problem:
            if not self._in_trouble:
                log.warning("kept pages stay as they are, for the database does not answer: %s", problem)
            self._in_trouble, self._looked = True, time.monotonic()
            return
        if mark is not None:
            self._seen = seen
            self._waits_for = mark if is_news or oldest < mark else None
            self._generation = (self._generation or 0) + 1
        self._in_trouble, self._looked = False, began
