"""How many statements something sends: savepoints count, BEGIN and COMMIT do not (bench/flows.py)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL of every statement that this thread sends while the block lasts."""
    sent: list[str] = []

    def note(execute: Any, sql: str, *words: Any) -> Any:
        sent.append(sql)
        return execute(sql, *words)

    with connection.execute_wrapper(note):
        yield sent
