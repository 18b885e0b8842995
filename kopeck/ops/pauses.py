"""How long to wait before something that ended by itself is started again: a moment, then longer and longer.

The worker waits so for PostgreSQL (`manage.py worker`), and `make run` for its children.
"""

import time
from collections.abc import Callable

FIRST, LONGEST = 1.0, 30.0  # seconds
#: Whoever lived this long has recovered: its next end is a new trouble. In seconds.
STEADY = 60.0


class Pauses:
    """1, 2, 4 ... 30 seconds, and 1 again after a quiet minute: `begin` at each start, `next` at each end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = FIRST
        self.begin()

    def begin(self) -> None:
        self._began = self._clock()

    def next(self) -> float:
        """Seconds to wait now."""
        if self._clock() - self._began >= STEADY:
            self._pause = FIRST
        pause = self._pause
        self._pause = min(2 * pause, LONGEST)
        return pause
