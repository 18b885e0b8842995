"""A process that was asked to stop: its threads see it between two pieces of work, and in every wait.

Only the worker is asked (`manage.py worker`); in a web server and in a command nothing here has an effect.
"""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_asked = threading.Event()


class Stopping(BaseException):
    """Ends a job at a safe point: it is done again, from its beginning, by the next worker.

    No Exception: what notes the failure of one object and goes on with the next must not catch it.
    """


def ask() -> None:
    """From now on every check and every wait of this process raises Stopping."""
    _asked.set()


def check() -> None:
    """A safe point: a job may end here. Raises Stopping."""
    if _asked.is_set():
        raise Stopping("This process was asked to stop.")


def sleep(seconds: float) -> None:
    """Waits, but no longer than until this process is asked to stop. Raises Stopping."""
    _asked.wait(seconds)
    check()


def each(things: Iterable[T]) -> Iterator[T]:
    """The things, with a safe point before each. Raises Stopping."""
    for thing in things:
        check()
        yield thing


def end_as_first_process() -> None:
    """Lets SIGTERM end a program that is still starting and is process 1, as in a container.

    Linux drops a signal to process 1 that has no handler: the container would be killed half a minute later.
    """
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(128 + number))
