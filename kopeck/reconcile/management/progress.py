"""A progress bar for the commands that ask Stripe about everything."""

import logging

from django.core.management.base import OutputWrapper


class Bar:
    """A progress bar on a terminal; nothing anywhere else. Its line is gone when it is done.

    The shop's log is silent meanwhile: its lines would break the bar; the command tells all of it at its end.
    """

    WIDTH = 24

    def __init__(self, stream: OutputWrapper, total: int = 0) -> None:
        self.stream, self.total, self.done = stream, total, 0
        self.shown = stream.isatty()
        self.log = logging.getLogger("kopeck")
        self.level = self.log.level

    def __enter__(self) -> "Bar":
        if self.shown:
            self.log.setLevel(logging.CRITICAL)
        return self

    def __exit__(self, *_error: object) -> None:
        self.log.setLevel(self.level)
        self._write("\r\x1b[K")

    def step(self, what: str) -> None:
        """Begins the next of the `total` steps."""
        full = self.WIDTH * self.done // max(1, self.total)
        self.done += 1
        bar = f"[{'#' * full}{'.' * (self.WIDTH - full)}] {self.done}/{self.total} {what}"
        self._write(f"\r{bar[:79]}\x1b[K")

    def _write(self, text: str) -> None:
        if self.shown:
            self.stream.write(text, style_func=str, ending="")
            self.stream.flush()
