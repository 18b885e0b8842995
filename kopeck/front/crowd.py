"""How many requests of a process are worked on at once: who comes beyond that is told so, before any wait.

Each needs the processor and a connection to the database, of which there are few. Let in without a bound they
would wait for each other until the pool of connections gives up on all of them. Who waits for Stripe needs
neither and is not counted meanwhile: `stripe_api/bulkhead.py` bounds those.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

#: Requests for each connection of the pool: at a tenth of a second each, nobody waits longer than two.
TO_A_CONNECTION = 20
#: Stripe's events have a share of their own: what is paid is heard of, however many look around.
EVENTS = re.compile(r"/webhooks/")
#: Answered whatever there is: by memory or a file, and for a probe of the process.
FREE = re.compile(r"/(?:healthz|readyz|metrics|static/)")
_mine = threading.local()


class Crowd:
    """Room for `size` requests, and for `events` of Stripe's besides."""

    def __init__(self, size: int, events: int) -> None:
        self.room = {False: size, True: events}
        self._lock = threading.Lock()
        self._working = {False: 0, True: 0}

    def enter(self, *, is_event: bool) -> bool:
        """False where there is no room: an event may take what is free of the others' as well."""
        kinds = (True, False) if is_event else (False,)
        with self._lock:
            for kind in kinds:
                if self._working[kind] < self.room[kind]:
                    self._working[kind] += 1
                    _mine.place = (self, kind)
                    return True
        return False

    def leave(self) -> None:
        _crowd, kind = _mine.place
        _mine.place = None
        self.move(kind, -1)

    def move(self, kind: bool, by: int) -> None:
        with self._lock:
            self._working[kind] += by


@contextmanager
def aside() -> Iterator[None]:
    """Around what needs neither processor nor database. Who was let in comes back in, room or not."""
    place = getattr(_mine, "place", None)
    if place is None:  # no request of the web server's: a job, a command
        yield
        return
    crowd, kind = place
    crowd.move(kind, -1)
    try:
        yield
    finally:
        crowd.move(kind, 1)


class Bounded:
    """Marks a request that finds no room with "kopeck.crowded": web.ErrorPages answers 503 by that."""

    def __init__(
        self, application: Callable[..., Iterable[bytes]], *, threads: int, connections: int
    ) -> None:
        self.application = application
        # Of the threads some are left to say no, and for what is free.
        size = max(1, min(threads * 7 // 8, connections * TO_A_CONNECTION))
        self.crowd = Crowd(size, events=max(1, size // 8))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if FREE.match(path):
            return self.application(environ, start_response)
        if not self.crowd.enter(is_event=EVENTS.match(path) is not None):
            environ["kopeck.crowded"] = True
            return self.application(environ, start_response)
        try:
            return self.application(environ, start_response)
        finally:
            self.crowd.leave()
