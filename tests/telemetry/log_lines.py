"""Gathers what the shop logs while a test runs, as its JSON lines."""

import io
import json
import logging
from typing import Any

from kopeck.telemetry.logs import JsonLines, ReadableLines


class Lines:
    """All lines of every logger, at INFO and above, from `start` to `stop`."""

    def __init__(self) -> None:
        self.json, self.readable = io.StringIO(), io.StringIO()
        self.handlers = [logging.StreamHandler(self.json), logging.StreamHandler(self.readable)]
        self.handlers[0].setFormatter(JsonLines())
        self.handlers[1].setFormatter(ReadableLines("{levelname} {name}: {message}", style="{"))

    def start(self) -> "Lines":
        root = logging.getLogger()
        self.level = root.level
        root.setLevel(logging.INFO)
        for handler in self.handlers:
            root.addHandler(handler)
        return self

    def stop(self) -> None:
        root = logging.getLogger()
        root.setLevel(self.level)
        for handler in self.handlers:
            root.removeHandler(handler)

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.json.getvalue().splitlines()]

    def of(self, logger: str) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["logger"] == logger]

    @property
    def text(self) -> str:
        """Both ways of writing, for a search."""
        return self.json.getvalue() + self.readable.getvalue()
