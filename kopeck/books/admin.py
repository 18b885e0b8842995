"""Statements for the accountant: asked for by two days, made by the worker, read and downloaded."""

import gzip
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from kopeck.books.jobs import make
from kopeck.books.models import Statement
from kopeck.books.statement import trouble_with
from kopeck.books.summary import tables


class StatementForm(forms.ModelForm[Statement]):
    class Meta:
        model = Statement
        fields = ["since", "until"]
        help_texts = {
            "since": _("Both days are included, in the shop's time zone."),
            "until": _("What is going on today is in it as far as Stripe knows it."),
        }

    def clean(self) -> dict[str, Any] | None:
        days = super().clean() or self.cleaned_data
        since, until = days.get("since"), days.get("until")
        if since and until and (trouble := trouble_with(since, until)):
            raise forms.ValidationError({"until": trouble})
        return days


@admin.register(Statement)
class StatementAdmin(admin.ModelAdmin[Statement]):
    form = StatementForm
    list_display = ["__str__", "status", "rows", "made_by", "created", "download"]
    readonly_fields = ["status", "problem", "rows", "made_by", "created", "summary", "download"]
    actions = ["make_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Statement]:
        return super().get_queryset(request).defer("file")

    def get_fields(self, request: HttpRequest, obj: Statement | None = None) -> Any:
        return ["since", "until", *self.readonly_fields] if obj else ["since", "until"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Last month."""
        until = timezone.localdate().replace(day=1) - timedelta(days=1)
        return {"since": until.replace(day=1), "until": until, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Statement, form: Any, change: bool) -> None:
        obj.made_by = request.user.get_username()
        super().save_model(request, obj, form, change)
        make.defer(statement_id=obj.pk)

    @admin.display(description=_("file"))
    def download(self, statement: Statement) -> str:
        if statement.status != Statement.Status.READY:
            return "-"
        address = reverse("admin:books_statement_file", args=[statement.pk])
        return format_html('<a href="{}" data-testid="download">{}</a>', address, statement.file_name)

    @admin.display(description=_("what it comes to"))
    def summary(self, statement: Statement) -> str:
        parts = [_table(heading, rows) for heading, rows in tables(statement.sums)]
        return format_html_join("", '<div class="facts">{}</div>', [(part,) for part in parts]) or "-"

    @admin.action(description=_("Make again what failed"), permissions=["add"])
    def make_again(self, request: HttpRequest, queryset: QuerySet[Statement]) -> None:
        count = 0
        for number in queryset.values_list("pk", flat=True):
            with transaction.atomic():
                failed = Statement.objects.filter(pk=number, status=Statement.Status.FAILED)
                if failed.update(status=Statement.Status.WAITING, problem=""):
                    make.defer(statement_id=number)
                    count += 1
        said = ngettext("%(n)s statement is made again.", "%(n)s statements are made again.", count)
        self.message_user(request, said % {"n": count})

    def get_urls(self) -> list[URLPattern]:
        file = path(
            "<int:statement_id>/file/", self.admin_site.admin_view(self.file), name="books_statement_file"
        )
        return [file, *super().get_urls()]

    def file(self, request: HttpRequest, statement_id: int) -> HttpResponse:
        """GET the CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        statement = Statement.objects.filter(pk=statement_id, status=Statement.Status.READY).first()
        if statement is None or statement.file is None:
            raise Http404
        body = gzip.decompress(statement.file)
        name = f'attachment; filename="{statement.file_name}"'
        return HttpResponse(
            body, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
        )


def _table(heading: str, rows: list[tuple[str, str]]) -> SafeString:
    body = format_html_join("", '<tr><th scope="row">{}</th><td class="n">{}</td></tr>', rows)
    return format_html("<table><caption>{}</caption><tbody>{}</tbody></table>", heading, body)
