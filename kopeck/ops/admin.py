"""The worker's jobs in the admin: Procrastinate's own page, with filters that don't read all of the table."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app
from procrastinate.contrib.django.admin import ProcrastinateJobAdmin
from procrastinate.contrib.django.models import ProcrastinateJob

admin.site.unregister(ProcrastinateJob)


class TaskFilter(admin.SimpleListFilter):
    """By what the job does: the shop's tasks."""

    title, parameter_name = _("task"), "task_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(app.tasks)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(task_name=self.value()) if self.value() else queryset


@admin.register(ProcrastinateJob)
class JobAdmin(ProcrastinateJobAdmin):
    list_filter = ["status", TaskFilter]
    search_fields = ["=id"]
