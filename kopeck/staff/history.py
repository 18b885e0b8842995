"""Who changed what, from what to what: Django's own log of the admin, with the values of each field.

An entry is written in the transaction that changes. Its words are stored in English and translated when read.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest
from django.utils.timezone import localtime
from django.utils.translation import gettext

#: Fields whose values are nobody's business, by a part of their names.
SECRET = ("password", "secret", "token", "key")


@dataclass(frozen=True)
class Change:
    """A field, and its value before and after; or only what was done (`said`)."""

    said: str
    before: str = ""
    after: str = ""
    has_values: bool = False


class Recorded(admin.ModelAdmin[Any]):
    """Puts the values into the log's entry of each form."""

    object_history_template = "admin/staff/history.html"

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        message: Any = super().construct_change_message(request, form, formsets, add)
        if isinstance(form, forms.ModelForm) and not add and form.changed_data:
            now = type(form)(instance=form.instance)
            message[0]["changed"]["values"] = [_values(form, now, name) for name in form.changed_data]
        return message


def record(
    request: HttpRequest, done_to: Iterable[Model], did: str, values: tuple[Any, Any] | None = None
) -> None:
    """One entry for each. `did` is English, marked by `gettext_noop`; with `values`, a field's label."""
    message: Any = did
    if values:
        message = [{"changed": {"fields": [did], "values": [[_plain(value) for value in values]]}}]
    user: User = request.user  # type: ignore[assignment]
    rows: Any = list(done_to)
    LogEntry.objects.log_actions(user.pk, rows, CHANGE, change_message=message)


def message_of(changed: dict[str, tuple[Any, Any]]) -> str:
    """For who writes entries by themselves: labels of fields, each with its value before and after."""
    if not changed:
        return json.dumps([{"added": {}}])
    return json.dumps([{"changed": {"fields": list(changed), "values": list(changed.values())}}])


def changes(entry: LogEntry) -> list[Change]:
    """What an entry tells, in its reader's language."""
    found = []
    for part in _parts(entry.change_message):
        facts = part.get("changed")
        if not isinstance(facts, dict) or "values" not in facts:
            continue
        for label, pair in zip(facts["fields"], facts["values"], strict=False):
            shown = _shown(*pair) if pair else None
            found.append(Change(gettext(label), *shown, has_values=True) if shown else Change(gettext(label)))
    if found:
        return found
    said = entry.get_change_message()
    return [Change(gettext(said) if said else entry.get_action_flag_display())]


def _parts(message: str) -> list[dict[str, Any]]:
    try:
        parts = json.loads(message)
    except ValueError:
        return []
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _values(before: Any, after: Any, name: str) -> list[Any] | None:
    """Of one field, from the form that was sent and a new one of the saved row; None where it is secret."""
    field = before.fields[name]
    if any(word in name for word in SECRET) or isinstance(field.widget, forms.PasswordInput):
        return None
    return [_plain(form.get_initial_for_field(form.fields[name], name)) for form in (before, after)]


def _plain(value: Any) -> Any:
    """As JSON, and as people read it."""
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            # 20.0000 of a percentage; 48.20 of a price stays.
            return f"{value.normalize():f}" if int(value.as_tuple().exponent) < -3 else str(value)
        case datetime():
            return f"{localtime(value):%Y-%m-%d %H:%M %Z}"
        case FieldFile():
            return value.name
        case list() | tuple() | QuerySet():
            return sorted(str(part) for part in value)
    return str(value)


def _shown(before: Any, after: Any) -> tuple[str, str]:
    """Two values for people; of two lists what is not in both."""
    if isinstance(before, list) and isinstance(after, list):
        before, after = ([one for one in side if one not in other] for side, other in
                         ((before, after), (after, before)))  # fmt: skip
    return _text(before), _text(after)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list):
        value = ", ".join(value)
    return "–" if value in (None, "") else str(value)
