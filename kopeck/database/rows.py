"""Rows by SQL of our own, as models: for the few statements where building a query costs more than its run.

A statement of the ORM costs up to ten times what PostgreSQL and the driver need for it, and a buy has many.
So the statements of a buy and of a webhook are written out, as constants beside their model or where they are
used. The columns that they name come from the models: a new field is in them by itself.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.expressions import DatabaseDefault


@cache
def columns(model: type[models.Model], alias: str) -> str:
    """All columns of the model, in the order in which `read` and `values` have them."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


@cache
def insertion(model: type[models.Model]) -> str:
    """`table (columns)` for an INSERT of all columns but the id."""
    names = [f'"{one.column}"' for one in model._meta.concrete_fields if one.column != "id"]
    return f'"{model._meta.db_table}" ({", ".join(names)})'


def places(model: type[models.Model], **given: str) -> str:
    """`(%s, ...)` for the `values` of a row; columns that are `given` are that SQL in place of a value."""
    names = [one.column for one in model._meta.concrete_fields if one.column != "id"]
    return f"({', '.join(given.get(str(name), '%s') for name in names)})"


def values(row: models.Model, *given: str) -> list[Any]:
    """What an INSERT of this new row writes, as the ORM would: all columns but the id and those `given`."""
    found, here = [], None
    for field, plain in _fields(type(row)):
        if field.column == "id" or field.column in given:
            continue
        value = getattr(row, field.attname)
        if plain is None or not (value is None or type(value) is plain or _is_text(value, plain)):
            here = here or _here()
            value = field.pre_save(row, add=True)
            if isinstance(value, DatabaseDefault):
                value = value.expression.value  # type: ignore[attr-defined]
                setattr(row, field.attname, value)
            value = field.get_db_prep_save(value, here)
        found.append(value)
    return found


#: Django's fields that store NULL and such values as they are: texts of any class (a TextChoices is one), int
#: and bool themselves, times (ruff lets none be without its zone). Else the field is asked what it stores.
_PLAIN = {
    models.CharField: str,
    models.TextField: str,
    models.IntegerField: int,
    models.BooleanField: bool,
    models.DateTimeField: datetime,
}


def _is_text(value: Any, plain: type) -> bool:
    return plain is str and isinstance(value, str)


@cache
def _fields(model: type[models.Model]) -> list[tuple[Any, type | None]]:
    """The columns' fields, each with the type of the values that it stores as they are."""
    found = []
    for field in model._meta.concrete_fields:
        kind: Any = field
        while isinstance(kind, models.ForeignKey):
            kind = kind.target_field
        is_asked = type(kind).__module__ != models.Field.__module__  # no field of Django's own
        is_asked = is_asked or getattr(kind, "auto_now", False) or getattr(kind, "auto_now_add", False)
        plain = next((plain for of, plain in _PLAIN.items() if isinstance(kind, of)), None)
        found.append((field, None if is_asked else plain))
    return found


def _here() -> Any:
    """This thread's connection itself: `django.db.connection` looks for it at each use, which adds up."""
    return connections[DEFAULT_DB_ALIAS]


def stored(row: models.Model, number: int) -> None:
    """Tells a row that it was inserted, under this id."""
    row.pk, row._state.adding, row._state.db = number, False, DEFAULT_DB_ALIAS


def known(query: Any, found: Sequence[Any]) -> Any:
    """The queryset `order.lines.all()` with what is known of it, as a prefetch leaves it behind.

    Its own, with the filter by the order: `order.lines.filter(...)` is made from what is left behind.
    """
    query._result_cache, query._prefetch_done = list(found), True
    return query


def update(row: models.Model, *names: str) -> None:
    """Writes these fields of a row that is there, as `save(update_fields=names)` does; no signal is sent."""
    with _here().cursor() as cursor:
        cursor.execute(_update(type(row), names), _written(row, names))


def update_both(
    one: models.Model, its: tuple[str, ...], other: models.Model, others: tuple[str, ...]
) -> None:
    """As `update`, of two rows by one statement."""
    sql = f"WITH one AS ({_update(type(one), its)}) {_update(type(other), others)}"
    with _here().cursor() as cursor:
        cursor.execute(sql, _written(one, its) + _written(other, others))


def _written(row: models.Model, names: tuple[str, ...]) -> list[Any]:
    fields, here = [row._meta.get_field(name) for name in names], _here()
    return [
        *(one.get_db_prep_save(getattr(row, one.attname), here) for one in fields),  # type: ignore[union-attr]
        row.pk,
    ]


@cache
def _update(model: type[models.Model], names: tuple[str, ...]) -> str:
    fields = [model._meta.get_field(name) for name in names]
    return (
        f'UPDATE "{model._meta.db_table}" '  # noqa: S608 - the model's own names
        f"SET {', '.join(f'{one.column} = %s' for one in fields)} WHERE id = %s"  # type: ignore[union-attr]
    )


def read(sql: str, asked: Sequence[Any], *kinds: type[models.Model]) -> list[tuple[Any, ...]]:
    """Each row that the statement returns: one instance for each of `kinds`, whose `columns` stand first in
    that order, and then its other values. None in place of an instance that is not there (LEFT JOIN).
    """
    here = _here()
    with here.cursor() as cursor:
        cursor.execute(sql, asked)
        return [_cut(row, kinds, here) for row in cursor.fetchall()]


def insert_and_defer(sql: str, task: Any, argument: str) -> str:
    """`sql`, an INSERT that returns `id`, and with it a job of `task` for each of its rows: one statement.

    The id is the job's `argument`. It calls the function of Procrastinate that `task.defer` calls.
    """
    arguments = f"jsonb_build_object('{argument}', id)"
    job = f"ROW('{task.queue}', '{task.name}', {task.priority}, NULL, NULL, {arguments}, NULL)"
    deferred = f"procrastinate_defer_jobs_v1(array_agg({job}::procrastinate_job_to_defer_v1))"
    return f"WITH owed AS ({sql}) SELECT {deferred} FROM owed HAVING count(*) > 0"  # noqa: S608 - our own names


def at_once(sql: str, asked: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What the statement returns, its values sent beside it: a long one need not be written as a literal.

    PostgreSQL then takes their types from where they stand, which not every statement says.
    """
    here = _here()
    here.ensure_connection()
    plain: Any = psycopg.Cursor(here.connection)
    with here.make_debug_cursor(plain) if here.queries_logged else here.make_cursor(plain) as cursor:
        cursor.execute(sql, asked)
        return cursor.fetchall()  # type: ignore[no-any-return]


def _cut(row: Sequence[Any], kinds: Sequence[type[models.Model]], here: Any) -> tuple[Any, ...]:
    found: list[Any] = []
    start = 0
    for kind in kinds:
        names, key, converters = _shape(kind)
        part = list(row[start : start + len(names)])
        start += len(names)
        for place, convert in converters:
            part[place] = convert(part[place], None, here)
        found.append(kind.from_db(DEFAULT_DB_ALIAS, names, part) if part[key] is not None else None)
    return (*found, *row[start:])


@cache
def _shape(model: type[models.Model]) -> tuple[list[str], int, list[tuple[int, Any]]]:
    """The names of an instance's values, which of them is its key, and what PostgreSQL's must go through."""
    fields = model._meta.concrete_fields
    converters = [
        (place, field.from_db_value) for place, field in enumerate(fields) if hasattr(field, "from_db_value")
    ]
    key = next(place for place, field in enumerate(fields) if field.primary_key)
    return [field.attname for field in fields], key, converters
