"""Django's admin, but for four things: a GET of the log-out leads back, one kind of bad filter is refused,
a page of a long list costs what one of a short list does (lists.py), the history has values (history.py).

Of bad filters Django itself catches what it finds wrong before it asks. A year past all calendars, a NUL in
a text or a word that is no address is found when the list is read.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from kopeck.staff.history import Recorded
from kopeck.staff.lists import Listed


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
        super().register(model_or_iterable, type(base.__name__, (base, Recorded, Listed), {}), **options)
