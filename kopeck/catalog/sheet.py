"""Items as a table (CSV), both ways, by django-import-export: rows are read by the fields of the item's form.

Amounts are decimals as people write them. `stock_was` is the stock when the table was made, so what was sold
since stays sold. A file is weighed whole before anything is written, and written whole or not at all.
"""

import csv
import io
import logging
import re
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import tablib
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.utils.translation import gettext as _
from django.utils.translation import override
from import_export import fields, resources, widgets

from kopeck.catalog.forms import ItemForm
from kopeck.catalog.models import Item
from kopeck.money import CURRENCIES, MoneyError, to_decimal, to_minor
from kopeck.staff.history import message_of
from kopeck.typed import whole_number
from kopeck.web.fields import money_problem

log = logging.getLogger(__name__)

MOST_ROWS = 20_000
#: What a spreadsheet takes for a formula: a sign before it keeps it a text, and goes when it is read.
_FORMULA, _KEPT = re.compile(r"'*[=+\-@\t\r]"), re.compile(r"'+[=+\-@\t\r]")
_YES, _NO = {"yes", "true", "1", "да"}, {"no", "false", "0", "нет"}


class SheetError(ValueError):
    """The file as a whole can't be read; `str()` is a sentence."""


def as_text(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def as_typed(text: str) -> str:
    return text[1:] if _KEPT.match(text) else text


class Cell(widgets.Widget):  # type: ignore[misc]
    """A cell that is read by the field of the item's form."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.field, self.column = ItemForm.base_fields[name], Item._meta.get_field(name)

    def clean(self, value: Any, row: Any = None, **more: Any) -> Any:
        try:
            read = self.field.clean(as_typed(value))
            if not isinstance(read, Decimal):  # an amount is in minor units in its column
                self.column.run_validators(read)  # type: ignore[union-attr]
            return read
        except ValidationError as problem:
            raise ValueError(" ".join(problem.messages)) from None

    def render(self, value: Any, obj: Any = None, **more: Any) -> str:
        return "" if value is None else as_text(str(value))


class YesOrNo(Cell):
    def clean(self, value: Any, row: Any = None, **more: Any) -> bool:
        word = value.strip().lower()
        if word not in _YES | _NO:
            raise ValueError(_("Write yes or no."))
        return word in _YES

    def render(self, value: Any, obj: Any = None, **more: Any) -> str:
        return "yes" if value else "no"


class Code(Cell):
    def clean(self, value: Any, row: Any = None, **more: Any) -> Any:
        return super().clean(value.strip().lower())


class Column(fields.Field):  # type: ignore[misc]
    """A column whose empty cells leave the item as it is."""

    def save(self, instance: Item, row: Any, is_m2m: bool = False, **more: Any) -> None:
        if row[self.column_name].strip():
            super().save(instance, row, is_m2m, **more)


class Price(fields.Field):  # type: ignore[misc]
    """In decimals of the item's currency, which is read before it."""

    def save(self, instance: Item, row: Any, is_m2m: bool = False, **more: Any) -> None:
        typed = row[self.column_name]
        if more["decimal_comma"]:
            typed = re.sub(r"^\s*(\d+),(\d+)\s*$", r"\1.\2", typed)
        amount = self.widget.clean(typed)
        if instance.currency not in CURRENCIES:
            return  # which is told already
        try:
            instance.price = to_minor(amount, instance.currency)
        except MoneyError:
            raise ValueError(money_problem(amount, CURRENCIES[instance.currency])) from None

    def export(self, instance: Item, **more: Any) -> str:
        return "" if instance.price is None else str(to_decimal(instance.price, instance.currency))


class Stock(fields.Field):  # type: ignore[misc]
    """What was counted; where `stock_was` says what the file began with, only the difference counts."""

    def save(self, instance: Item, row: Any, is_m2m: bool = False, **more: Any) -> None:
        counted = self.widget.clean(row[self.column_name])
        if "stock_was" in row:
            was = self.widget.clean(row["stock_was"])
            if counted == was:
                return
            if None not in (counted, was, instance.stock):
                counted = max(0, instance.stock + counted - was)
        instance.stock = counted


class Picture(Column):
    """The name of a picture that the shop has: uploaded before, with this item or another one."""

    def save(self, instance: Item, row: Any, is_m2m: bool = False, **more: Any) -> None:
        name = as_typed(row[self.column_name].strip())
        if not name or name == self.export(instance):
            return
        storage = instance.image.storage
        is_ours = re.fullmatch(r"[\w-]{1,80}-960\.webp", name, re.ASCII)
        if not is_ours or not storage.exists(f"items/{name}"):
            raise ValueError(_("The shop has no picture of this name. Leave it empty."))
        instance.image = f"items/{name}"

    def export(self, instance: Item, **more: Any) -> str:
        return PurePosixPath(instance.image.name or "").name


class ItemResource(resources.ModelResource):  # type: ignore[misc]
    id = fields.Field("id", "id", readonly=True)
    name = fields.Field("name", "name", Cell("name"))
    description = fields.Field("description", "description", Cell("description"))
    currency = Column("currency", "currency", Code("currency"))
    price = Price("price", "price", Cell("price"))
    stock = Stock("stock", "stock", Cell("stock"))
    stock_was = fields.Field("stock", "stock_was", Cell("stock"), readonly=True)
    shipped = Column("shipped", "is_delivered", YesOrNo("shipped"))
    active = Column("active", "on_sale", YesOrNo("active"))
    position = Column("position", "position", Cell("position"))
    image = Picture("image", "picture", Cell("name"))

    class Meta:
        model = Item
        import_id_fields: tuple[str, ...] = ()
        use_transactions = use_bulk = skip_unchanged = skip_html_diff = store_instance = True
        report_skipped = False
        fields = import_order = export_order = (
            "id name description currency price stock stock_was shipped active position image".split()
        )

    def get_bulk_update_fields(self) -> list[str]:
        return "name description currency price stock shipped active position image".split()

    def before_import(self, dataset: tablib.Dataset, **more: Any) -> None:
        """Items of the file, locked while it is written: nobody sells a piece in between."""
        place = dataset.headers.index("id") if "id" in dataset.headers else None
        typed = [] if place is None else [row[place] for row in dataset]
        numbers = {number for text in typed if (number := whole_number(text, 18)) is not None}
        rows = Item.objects.filter(pk__in=numbers).order_by("pk")
        if not more["is_trial"]:
            rows = rows.select_for_update(no_key=True)
        self.there, self.seen = {item.pk: item for item in rows}, set[int]()

    def get_or_init_instance(self, instance_loader: Any, row: Any) -> tuple[Item, bool]:
        typed = row.get("id", "").strip()
        if not typed:
            return Item(currency=""), True
        number = whole_number(typed, 18)
        if number not in self.there:
            raise ValidationError({"id": _("There is no such item. Leave the id empty to add a new one.")})
        if number in self.seen:
            raise ValidationError({"id": _("The file has this item twice.")})
        self.seen.add(number)
        return self.there[number], False

    def validate_instance(
        self, instance: Item, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        errors = dict(import_validation_errors or {})
        if not instance.currency:
            errors.setdefault("currency", ValidationError(_("Which currency is this amount in?")))
        # Without a currency no price was read.
        for name in ("name", "price") if instance.currency else ("name",):
            if getattr(instance, name) in (None, ""):
                errors.setdefault(name, ValidationError(_("A new item needs this.")))
        if errors:
            raise ValidationError(errors)

    def import_instance(self, instance: Item, row: Any, **more: Any) -> None:
        before = instance.currency
        super().import_instance(instance, row, **more)
        if before and instance.currency != before and "price" not in row:
            sentence = _("With another currency the price is another one: give it in this file too.")
            raise ValidationError({"price": sentence})

    def bulk_create(self, using_transactions: bool, dry_run: bool, *args: Any, **more: Any) -> None:
        """A dry run writes nothing, not even to take it back: that would hold up who buys."""
        if dry_run:
            self.create_instances.clear()
        super().bulk_create(using_transactions, dry_run, *args, **more)

    def bulk_update(
        self, using_transactions: bool, dry_run: bool, raise_errors: bool, result: Any = None, **more: Any
    ) -> None:
        """By one upsert: Django's own takes a CASE for each row and column, half of a large file's time."""
        items, fields = list(self.update_instances), self.get_bulk_update_fields()
        self.update_instances.clear()
        if dry_run:
            return
        try:
            Item.objects.bulk_create(items, update_conflicts=True, unique_fields=["id"], update_fields=fields)
        except DatabaseError as problem:
            self.handle_import_error(result, problem, raise_errors)

    def after_import(self, dataset: tablib.Dataset, result: Any, **more: Any) -> None:
        """The history of each item. The library's own would set the sequence of ids back under other adds."""
        if more["is_trial"] or result.has_errors() or result.has_validation_errors():
            return
        kind = ContentType.objects.get_for_model(Item)
        LogEntry.objects.bulk_create(
            LogEntry(
                user=more["user"],
                content_type=kind,
                object_id=str(row.instance.pk),
                object_repr=str(row.instance)[:200],
                action_flag=ADDITION if row.is_new() else CHANGE,
                change_message=message_of(self.changes(row)),
            )
            for row in result.rows
        )

    def changes(self, row: Any) -> dict[str, tuple[str, str]]:
        """By the label of each field that a row changes: before and after, as the table writes them."""
        if row.is_new():
            return {}
        found = {}
        with override(None):  # the history is stored in English
            for name in self.get_bulk_update_fields():
                before, after = (self.fields[name].export(one) for one in (row.original, row.instance))
                if before != after:
                    found[str(Item._meta.get_field(name).verbose_name)] = (before, after)  # type: ignore[union-attr]
        return found


COLUMNS = [ItemResource.fields[name].column_name for name in ItemResource.Meta.fields]


def read(data: bytes) -> tuple[tablib.Dataset, list[int], bool]:
    """The rows of a file, their numbers in a spreadsheet, and whether 48,20 is 48.20. Raises SheetError."""
    text = _decoded(data)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    numbered = _rows(text, delimiter)
    if not numbered:
        raise SheetError(_("The file is empty."))
    headers = [title.strip().lower() for title in numbered[0][1]]
    _check_headers(headers)
    if len(numbered) == 1:
        raise SheetError(_("There is no item below the names of the columns."))
    if len(numbered) > MOST_ROWS + 1:
        raise SheetError(_("The file has more than %(rows)s items: split it.") % {"rows": MOST_ROWS})
    for number, row in numbered:
        if len(row) != len(headers):
            counts = {"row": number, "cells": len(row), "columns": len(headers)}
            said = _(
                "Row %(row)s has more or fewer cells than there are columns: %(cells)s, not %(columns)s."
            )
            raise SheetError(said % counts)
    dataset = tablib.Dataset(*(tuple(row) for _number, row in numbered[1:]), headers=headers)
    return dataset, [number for number, _row in numbered[1:]], delimiter == ";"


def _decoded(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        said = _("The file is not UTF-8. In a spreadsheet, save it as “CSV UTF-8”.")
        raise SheetError(said) from None
    if "\x00" in text:
        raise SheetError(_("This is no CSV file: there are zero bytes in it."))
    return text


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Rows with their numbers; what is wholly empty is left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(number, row) for number, row in enumerate(reader, 1) if any(cell.strip() for cell in row)]
    except csv.Error as problem:
        said = _("Row %(row)s can't be read as CSV: is a quotation mark open? (%(problem)s)")
        raise SheetError(said % {"row": reader.line_num, "problem": problem}) from None


def _check_headers(headers: list[str]) -> None:
    known = ", ".join(COLUMNS)
    if not set(headers) & set(COLUMNS):
        said = _("The first row has to name the columns, with commas or semicolons between: %(columns)s.")
        raise SheetError(said % {"columns": known})
    if unknown := [title for title in headers if title not in COLUMNS]:
        said = _("There is no column “%(name)s”. There are: %(columns)s.")
        raise SheetError(said % {"name": unknown[0][:40], "columns": known})
    if twice := [title for title in headers if headers.count(title) > 1]:
        raise SheetError(_("The column “%(name)s” is there twice.") % {"name": twice[0]})


def write(items: Any) -> str:
    """The table of these items, for spreadsheets and for `read`."""
    resource = ItemResource()
    out = io.StringIO(newline="")
    lines = csv.writer(out)
    lines.writerow(COLUMNS)
    lines.writerows(resource.export_resource(item) for item in items)
    return f"\ufeff{out.getvalue()}"
