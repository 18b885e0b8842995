"""A row that is inserted by SQL of our own is written as Django's ORM would write it."""

import uuid
from copy import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from kopeck.database import rows

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
OURS = [model for model in apps.get_models() if model.__module__.startswith("kopeck.")]
#: By the kind of field, the values that it is tried with; the most special kind first.
TRIED: dict[type[models.Field[Any, Any]], list[Any]] = {
    models.ForeignKey: [7],
    models.FileField: ["items/a.webp"],
    models.BooleanField: [True, False],
    models.IntegerField: [7, 0, True, "8"],
    models.DecimalField: [Decimal("7.5"), "7.5"],
    models.JSONField: [{"a": [1, None]}, []],
    models.UUIDField: [uuid.UUID(int=7), str(uuid.UUID(int=8))],
    models.DateTimeField: [NOW],
    models.DateField: [date(2026, 11, 28)],
    models.Field: ["", "text"],
}


class Word(models.TextChoices):
    """A text that is none by its type alone."""

    ONE = "one", "One"


def tried(field: "models.Field[Any, Any]") -> list[Any]:
    found = next(values for kind, values in TRIED.items() if isinstance(field, kind))
    if isinstance(field, models.CharField | models.TextField):
        found = [*found, Word.ONE]
    return [
        *found,
        *([None] if field.null else []),
        *([7.0] if isinstance(field, models.IntegerField) else []),
    ]


def by_the_orm(row: models.Model, field: "models.Field[Any, Any]") -> Any:
    value = field.pre_save(row, add=True)
    if isinstance(value, DatabaseDefault):
        value = value.expression.value  # type: ignore[attr-defined]
    return field.get_db_prep_save(value, connection)


def plain(value: Any) -> tuple[type, Any]:
    """Its type too: True equals 1, but is no number to PostgreSQL. How wide a number is its column says."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return int if is_number else type(value), getattr(value, "obj", value)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_each_column_is_written_as_the_orm_would(
    model: type[models.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    fields = [field for field in model._meta.concrete_fields if field.column != "id"]
    for place, field in enumerate(fields):
        for asked in [{}, *({field.attname: value} for value in tried(field))]:
            row = model(**asked)
            theirs = by_the_orm(copy(row), field)  # either tells its row what it has found
            assert plain(rows.values(row)[place]) == plain(theirs), (field, asked)


def test_what_is_given_otherwise_has_no_value() -> None:
    model = next(model for model in OURS if model._meta.label == "orders.OrderLine")
    assert len(rows.values(model(), "order_id")) == len(rows.values(model())) - 1
