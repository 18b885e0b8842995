"""The two pages of the items' table: take it away, and bring one back, looked at first and then written.

A file that was looked at lies in DATA_DIR/imports for a day, its owner's alone, until it is written once.
"""

import re
import secrets
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kopeck.catalog import sheet
from kopeck.catalog.models import Item
from kopeck.database.slow import spare_database
from kopeck.private import private_folder

MOST_BYTES = 10 * 1024 * 1024
A_DAY = 24 * 3600
#: How many rows of each kind the page shows.
SHOWN = 100


@dataclass(frozen=True)
class Problem:
    """`row` as a spreadsheet counts; 0 for the whole file."""

    row: int
    column: str
    said: str


def export_items(request: HttpRequest, rows: Any = None) -> HttpResponse:
    """GET the table of all items, archived ones too; or of those that were chosen."""
    if not admin.site.get_model_admin(Item).has_view_permission(request):
        raise PermissionDenied
    text = sheet.write((Item.objects.all() if rows is None else rows).order_by("position", "pk"))
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="items-{date.today():%Y-%m-%d}.csv"'  # noqa: DTZ011
    return answer


def import_items(request: HttpRequest) -> HttpResponse:
    """GET the form; POST a file to look at it, and `kept`, its name, to write it."""
    model_admin = admin.site.get_model_admin(Item)
    if not (model_admin.has_change_permission(request) and model_admin.has_add_permission(request)):
        raise PermissionDenied
    if request.method != "POST":
        return _page(request)
    upload = request.FILES.get("file")
    try:
        if isinstance(upload, UploadedFile):
            return _look(request, _read(upload))
        if "kept" in request.POST:
            return _write(request, _take(request))
        raise sheet.SheetError(_("Choose a file first."))
    except sheet.SheetError as refusal:
        return _page(request, problems=[Problem(0, "", str(refusal))])


def _read(upload: "UploadedFile[Any]") -> bytes:
    if (upload.size or 0) > MOST_BYTES:
        raise sheet.SheetError(_("The file is larger than 10 MB: split it."))
    spare_database()
    return bytes(upload.read())


def _look(request: HttpRequest, data: bytes) -> HttpResponse:
    result, problems = _run(request, data, is_trial=True)
    if problems:
        return _page(request, problems=problems)
    rows = [(row, row.instance, sheet.ItemResource().changes(row)) for row in result.rows[:SHOWN]]
    more = {"rows": rows, "totals": result.totals, "changed": len(result.rows)}
    return _page(request, kept=_keep(request, data) if result.rows else "", looked=True, **more)


def _write(request: HttpRequest, data: bytes) -> HttpResponse:
    result, problems = _run(request, data, is_trial=False)
    if problems:
        return _page(request, problems=problems)
    said = ngettext(
        "%(n)s item was added or changed.", "%(n)s items were added or changed.", len(result.rows)
    )
    messages.success(request, said % {"n": len(result.rows)})
    return HttpResponseRedirect(reverse("admin:catalog_item_changelist"))


def _run(request: HttpRequest, data: bytes, *, is_trial: bool) -> tuple[Any, list[Problem]]:
    """What came of it, and why nothing did. SheetError where the file can't be read."""
    spare_database()
    rows, numbers, has_commas = sheet.read(data)
    facts = {"is_trial": is_trial, "user": request.user, "decimal_comma": has_commas}
    resource = sheet.ItemResource()
    result = resource.import_data(rows, dry_run=is_trial, rollback_on_validation_errors=True, **facts)
    names = {field.attribute: field.column_name for field in reversed(resource.fields.values())}
    problems = [
        Problem(numbers[row.number - 1], names.get(name, ""), " ".join(said))
        for row in result.invalid_rows
        for name, said in row.error_dict.items()
    ]
    odd = [(numbers[row.number - 1], row.errors[0].error) for row in result.error_rows]
    odd += [(0, one.error) for one in result.base_errors]
    for number, error in odd:
        sheet.log.error("items were not imported", exc_info=error)
        problems.append(
            Problem(number, "", _("This can't be stored: %(error)s.") % {"error": type(error).__name__})
        )
    return result, sorted(problems, key=lambda problem: problem.row)


def _page(request: HttpRequest, **more: Any) -> HttpResponse:
    problems = more.pop("problems", [])
    context = {
        **admin.site.each_context(request),
        "opts": Item._meta,
        "title": _("Import items"),
        "columns": _help(),
        "problems": problems[:SHOWN],
        "problem_count": len(problems),
        **more,
    }
    return TemplateResponse(request, "admin/catalog/import.html", context, status=422 if problems else 200)


def _help() -> list[tuple[str, str]]:
    """What has to be known of a column."""
    return [
        ("id", _("Empty for a new item.")),
        ("price", _("As people write it: 48.20 in USD, 6800 in JPY, 12.340 in KWD.")),
        ("stock", _("Empty: no limit. What was sold since stock_was stays sold.")),
        ("is_delivered, on_sale", _("yes or no")),
        ("picture", _("The name of a picture that the shop has. Empty: it stays as it is.")),
    ]


def _folder() -> Path:
    folder = Path(settings.DATA_DIR) / "imports"
    private_folder(folder)
    return folder


def _keep(request: HttpRequest, data: bytes) -> str:
    """The name by which this user, and nobody else, may have it written."""
    folder = _folder()
    for old in folder.glob("*.csv"):
        if old.stat().st_mtime < time.time() - A_DAY:
            old.unlink(missing_ok=True)
    name = secrets.token_hex(16)
    file = folder / f"{request.user.pk}-{name}.csv"
    file.touch(mode=0o600)
    file.write_bytes(data)
    return name


def _take(request: HttpRequest) -> bytes:
    """What was kept under this name. Pressed twice, it is there once."""
    name = request.POST["kept"]
    if re.fullmatch(r"[0-9a-f]{32}", name):
        file, taken = (_folder() / f"{request.user.pk}-{name}.{kind}" for kind in ("csv", "taken"))
        try:
            file.rename(taken)
            data = taken.read_bytes()
            taken.unlink()
            return data
        except FileNotFoundError:
            pass
    raise sheet.SheetError(_("This file was imported already, or is gone. Choose it again."))
