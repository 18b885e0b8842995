"""Forms that two people may have open at once: an edit writes what its author changed, and nothing else.

Beside each field stands what its page had shown. Where both changed a field, the one who saves later is told.
"""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.formats import localize
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext


class Shown(forms.BoundField):
    """A field with what its page had shown; after a conflict with what the row has now."""

    def as_widget(self, widget: Any = None, attrs: Any = None, only_initial: bool = False) -> SafeString:
        name, form = self.html_initial_name, self.form
        if not only_initial or not form.is_bound:
            return super().as_widget(widget, attrs, only_initial)
        if self.name in form.shown_anew:  # type: ignore[attr-defined]
            value = form.shown_anew[self.name]  # type: ignore[attr-defined]
        elif isinstance(widget, forms.MultiWidget):
            # Django would repeat what was typed: a date beside a field that was wrong would not be saved.
            value = widget.value_from_datadict(form.data, form.files, name)
        else:
            return super().as_widget(widget, attrs, only_initial)
        written = self.field.prepare_value(value)
        return SafeString(
            widget.render(name, written, {**(attrs or {}), "id": self.html_initial_id}, form.renderer)
        )


class EditForm(forms.ModelForm[Any]):
    """A form that says nothing of what its page had shown (a program's) is taken as it is."""

    bound_field_class = Shown
    #: What is no conflict when it changes meanwhile: it has a rule of its own.
    MERGED: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown_anew: dict[str, Any] = {}
        if self.instance.pk:
            for name, field in self.fields.items():
                if not isinstance(field, forms.FileField) and (not self.is_bound or self._was_shown(name)):
                    field.show_hidden_initial = True

    def _was_shown(self, name: str) -> bool:
        widget, where = self.fields[name].hidden_widget(), self[name].html_initial_name
        return not widget.value_omitted_from_data(self.data, self.files, where)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in filter(self._is_raced, self.touched()):
            now = self.shown_anew[name] = self[name].initial
            value = localize(localtime(now) if isinstance(now, datetime) else "" if now is None else now)
            told = gettext("Somebody else changed this to “%(value)s” meanwhile. Save again to replace it.")
            self.add_error(name, told % {"value": value})
        return cleaned

    def touched(self) -> list[str]:
        """The fields that are written, or that what is written depends on."""
        return list(self.changed_data)

    def _is_raced(self, name: str) -> bool:
        """Whether the saved row has another value than the page had shown, and than is wanted now."""
        field, bound = self.fields[name], self[name]
        if name in self.MERGED or not field.show_hidden_initial:
            return False
        shown = field.hidden_widget().value_from_datadict(self.data, self.files, bound.html_initial_name)
        return _differs(field, bound.initial, shown) and _differs(field, bound.initial, bound.data)


def _differs(field: forms.Field, saved: Any, sent: Any) -> bool:
    """Whether what was sent is another value than the row has. Browsers end lines in their own way."""
    if isinstance(saved, str) and isinstance(sent, str):
        return saved.strip().splitlines() != sent.strip().splitlines()
    return field.has_changed(saved, sent)
