"""Lists of the admin, all of them: what a page of one costs does not grow with its table.

A short table is shown as Django does. Of a long one only columns with an index sort; a page begins where the
last one ended, for OFFSET reads all that it skips; and large numbers are the planner's estimates. A search by
the beginnings of values, or whole ones, finds the ids first, each way by an index of its own.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.db import DataError, connection
from django.db.models import IntegerField, Model, Q, QuerySet, UniqueConstraint
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from kopeck.typed import whole_number
from kopeck.web.fields import SearchField
from kopeck.web.templatetags.desk import NAMES

#: A table with more rows than this is long. Of a long one so many rows are counted one by one.
LONG, COUNTED = 20_000, 500
#: How many rows each way of searching finds.
FOUND = 1_000
_PLACE = re.compile(r"(after|before)-(\d{1,18})")


class Search(ChangeListSearchForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields = {SEARCH_VAR: SearchField(required=False)}


class Rows(ChangeList):
    """A list of the admin. Its view answers IncorrectLookupParameters by leading to the whole list."""

    search_form_class = Search
    #: Of a long list: addresses of the pages beside this one, "" where there is none.
    first_url = newer_url = older_url = ""
    is_estimate = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_popup:
            self.title = str(capfirst(NAMES.get(self.opts.label, self.opts.verbose_name_plural)))

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        self.rows = about(self.root_queryset)
        self.is_long = self.rows > LONG
        if self.is_long:
            self.add_facets = self.is_facets_optional = False  # each would count the whole table
            columns: list[Any] = [name for name in self.list_display if self._sorted_by(name)]
            self.sortable_by = columns
        with _refused_filters():
            return super().get_queryset(request, exclude_parameters)

    def _sorted_by(self, name: Any) -> Any:
        """What a column of a long list sorts by; None where there is no index for that."""
        wanted = self.get_ordering_field(name)
        return next((field for field in indexed(self.model, "id") if field.name == wanted), None)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        ordering = super().get_ordering(request, queryset)
        if not self.is_long:
            return ordering
        first = ordering[0] if isinstance(ordering[0], str) else "-pk"
        name = self.opts.pk.name if first.lstrip("-") == "pk" else first.lstrip("-")
        known = {field.name: field for field in indexed(self.model, "id")}
        self.by, self.is_down = known.get(name, self.opts.pk), first.startswith("-") or name not in known
        return self._order(self.is_down)

    def _order(self, is_down: bool) -> list[str]:
        names = [self.by.attname] if self.by.primary_key else [self.by.attname, "pk"]
        return [f"-{name}" for name in names] if is_down else names

    def get_results(self, request: HttpRequest) -> None:
        with _refused_filters():
            if not self.is_long:
                return super().get_results(request)
            self._count()
            ids = self._page(request.GET.get(PAGE_VAR, ""))
        rows = self.apply_select_related(self.root_queryset.filter(pk__in=ids))
        self.result_list = rows.order_by(*self._order(self.is_down))
        self.paginator = self.model_admin.get_paginator(request, self.result_list, self.list_per_page)
        self.can_show_all = self.multi_page = False
        self.show_full_result_count = self.show_admin_actions = True
        return None

    def _count(self) -> None:
        self.full_result_count = self.result_count = self.rows
        if self.query:
            self.result_count = self.queryset.count()
            return
        if self.has_active_filters:
            self.result_count = about(self.queryset)
        self.is_estimate = self.result_count > COUNTED
        if not self.is_estimate:
            self.result_count = self.queryset.count()

    def _page(self, place: str) -> list[Any]:
        """The ids of the page that `place` names: the rows after or before one, by its id; else the first."""
        found = _PLACE.fullmatch(place)
        is_back = bool(found and found[1] == "before")
        rows, is_down = self.queryset, self.is_down != is_back
        if found:
            rows = rows.filter(self._beyond(int(found[2]), "lt" if is_down else "gt"))
        ids = list(
            rows.order_by(*self._order(is_down)).values_list("pk", flat=True)[: self.list_per_page + 1]
        )
        more = len(ids) > self.list_per_page
        if is_back and not more:
            return self._page("")
        ids = ids[: self.list_per_page]
        if is_back:
            ids.reverse()
        if ids and found:
            self.first_url = self.get_query_string()
            self.newer_url = self.get_query_string({PAGE_VAR: f"before-{ids[0]}"})
        if ids and (more or is_back):
            self.older_url = self.get_query_string({PAGE_VAR: f"after-{ids[-1]}"})
        return ids

    def _beyond(self, number: int, side: str) -> Q:
        """The rows that come after row `number`: `lt` or `gt` it."""
        if self.by.primary_key:
            return Q(**{f"pk__{side}": number})
        name = self.by.attname
        edge = self.root_queryset.filter(pk=number).values_list(name, flat=True).first()
        if edge is None:
            raise IncorrectLookupParameters
        # The first condition says nothing new: it is the one that an index can begin at.
        return Q(**{f"{name}__{side}e": edge}) & (
            Q(**{f"{name}__{side}": edge}) | Q(**{f"pk__{side}": number})
        )


class Listed(admin.ModelAdmin[Any]):
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        ways = self.get_search_fields(request)
        if not search_term or not all(way[0] in "=^" for way in ways):
            return super().get_search_results(request, queryset, search_term)
        words = search_term.split()
        each = [self._matching(request, word) for word in words]
        # "Anna Petrova" is how one name begins, or two words that both fit.
        whole = self._matching(request, " ".join(words)) if len(words) > 1 else set()
        return queryset.filter(pk__in=whole.union(set.intersection(*each))), False

    def search_also(self, words: str) -> list[Any]:
        """Ids that are found in another way than by a field; no more than FOUND."""
        return []

    def _matching(self, request: HttpRequest, words: str) -> set[Any]:
        found = [_find(self.model, way, words) for way in self.get_search_fields(request)]
        found.append(self.search_also(words))
        if any(len(ids) == FOUND for ids in found):
            said = _("More than %(number)s rows match. Please type more of it.") % {"number": FOUND}
            self.message_user(request, said, messages.WARNING, fail_silently=True)
        return {number for ids in found for number in ids}


def _find(model: type[Model], way: str, word: str) -> list[Any]:
    """Ids of rows with `word` in the field that `way` names: "=" the whole value, "^" its beginning."""
    path = way[1:]
    field = get_fields_from_path(model, path)[-1]
    value = whole_number(word, 18) if isinstance(field, IntegerField) else word
    if value is None:
        return []
    lookup = {f"{path}__istartswith" if way[0] == "^" else path: value}
    return list(model._default_manager.filter(**lookup).order_by().values_list("pk", flat=True)[:FOUND])


def about(rows: QuerySet[Any]) -> int:
    """How many rows these are, as the planner expects it. Nothing is read."""
    plan = json.loads(rows.order_by().values("pk").explain(format="json"))
    expected = int(plan[0]["Plan"]["Plan Rows"])
    # Two digits of a large one: more would look like a count.
    return round(expected, min(0, 2 - len(str(expected)))) if expected > COUNTED else expected


def indexed(model: type[Model], then: str = "") -> list[Any]:
    """The fields without nulls that an index of the whole table begins with.

    `then`: and with nothing but that behind them, or as part of what is unique: few rows have the same value.
    """
    facts = model._meta
    whole = [index.fields for index in facts.indexes if index.fields and not index.condition]
    unique = [
        one.fields for one in facts.constraints if isinstance(one, UniqueConstraint) and not one.condition
    ]
    leading = {names[0] for names in whole if not then or list(names[1:]) in ([], [then])}
    leading |= {names[0] for names in unique if names}
    fields: tuple[Any, ...] = facts.concrete_fields
    return [
        field
        for field in fields
        if not field.null and (field.primary_key or field.unique or field.db_index or field.name in leading)
    ]


@contextmanager
def _refused_filters() -> Iterator[None]:
    try:
        yield
    except (DataError, ValueError, OverflowError) as refusal:
        raise IncorrectLookupParameters(refusal) from refusal


class Stored(admin.AllValuesFieldListFilter):
    """The values that a column has, each found by its index: DISTINCT reads the whole table."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, *more: Any, **named: Any
    ) -> None:
        super().__init__(field, request, params, model, *more, **named)
        table, column = (connection.ops.quote_name(name) for name in (model._meta.db_table, field.column))
        least = f"SELECT {column} FROM {table} WHERE {column} > each.value ORDER BY {column} LIMIT 1"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE each (value) AS ((SELECT {column} FROM {table} ORDER BY {column} LIMIT 1)"  # noqa: S608
                f" UNION ALL SELECT ({least}) FROM each WHERE each.value IS NOT NULL)"
                " SELECT value FROM each WHERE value IS NOT NULL"
            )
            self.lookup_choices: Any = [value for (value,) in cursor.fetchall()]


def _is_stored(field: Any) -> bool:
    leads = (
        not field.is_relation
        and not field.choices
        and not field.primary_key
        and field in indexed(field.model)
    )
    return leads and field.get_internal_type() == "CharField"


admin.FieldListFilter.register(_is_stored, Stored, take_priority=True)
