"""A clock that jumps for every process of the shop at once, as the sandbox's does.

Eight bytes in a file, mapped into memory: how many seconds ahead of real time. What faketime does, for the
one function that the shop asks for the time.
"""

import mmap
import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

SECONDS = struct.Struct("<q")


def set_ahead(file: Path, seconds: int) -> None:
    """Written in place, for those who have the file mapped."""
    with file.open("r+b" if file.exists() else "w+b") as opened:
        opened.write(SECONDS.pack(seconds))


def follow(file: Path) -> None:
    """From now on `django.utils.timezone.now` is as far ahead as the file says."""
    with file.open("rb") as opened:
        shared = mmap.mmap(opened.fileno(), SECONDS.size, access=mmap.ACCESS_READ)
    real: Callable[[], datetime] = timezone.now

    def now() -> datetime:
        return real() + timedelta(seconds=SECONDS.unpack_from(shared)[0])

    timezone.now = now
