"""What an entry of the history tells, for its pages."""

from django import template
from django.contrib.admin.models import LogEntry

from kopeck.staff.history import Change
from kopeck.staff.history import changes as changes_of

register = template.Library()


@register.filter
def changes(entry: LogEntry) -> list[Change]:
    return changes_of(entry)
