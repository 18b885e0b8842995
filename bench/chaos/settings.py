"""The shop's settings, unchanged, and a clock that can jump."""

from pathlib import Path

from bench.chaos import clock
from kopeck.settings import *  # noqa: F403

clock.follow(Path(DATA_DIR) / "clock")  # noqa: F405
