"""The sandbox's time: real time and what tests have advanced it by."""

from __future__ import annotations

import time

from stripe_sandbox.core.store import Store

#: The year 2100: what is counted from there on, such as the end of a session, is still a date.
END = 4_102_444_800


class Clock:
    """Real time plus what tests have advanced; the offset is kept in the store, so a restart doesn't turn it
    back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> int:
        """Unix seconds."""
        return int(time.time()) + self.offset()

    def offset(self) -> int:
        """How far it has been advanced."""
        return int(self._store.setting("clock_offset", 0))

    def advance(self, seconds: int) -> int:
        """Move on by so many seconds; the new time. Stripe's time never runs backwards, nor past END:
        ValueError."""
        if not 0 <= seconds <= END - self.now():
            raise ValueError("The clock only moves forward, and ends with the year 2099.")
        with self._store.transaction():
            self._store.set_setting("clock_offset", self.offset() + seconds)
        return self.now()
