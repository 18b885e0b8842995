"""Django's admin, but for two things: a GET of the log-out leads back, and one kind of bad filter is refused.

Of bad filters Django itself catches what it finds wrong before it asks. A year past all calendars, a NUL in
a text or a word that is no address is found when the list is read.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList, ChangeListSearchForm
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from kopeck.web.fields import SearchField


class Search(ChangeListSearchForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields = {SEARCH_VAR: SearchField(required=False)}


class Rows(ChangeList):
    """A list of the admin. Its view answers IncorrectLookupParameters by leading to the whole list."""

    search_form_class = Search

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        with _refused_filters():
            return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        with _refused_filters():
            super().get_results(request)


@contextmanager
def _refused_filters() -> Iterator[None]:
    try:
        yield
    except (DataError, ValueError, OverflowError) as refusal:
        raise IncorrectLookupParameters(refusal) from refusal


class Listed(admin.ModelAdmin[Any]):
    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Rows


class Desk(admin.AdminSite):
    """Every list of the back office is one of `Rows`: ours, Django's and those of the libraries."""

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's, whose address is only posted to: a GET, as of a reload, is led back to the first page."""
        if request.method in ("GET", "HEAD"):
            return HttpResponseRedirect(reverse("admin:index", current_app=self.name))
        return super().logout(request, extra_context)

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        base = admin_class or admin.ModelAdmin
        super().register(model_or_iterable, type(base.__name__, (base, Listed), {}), **options)
