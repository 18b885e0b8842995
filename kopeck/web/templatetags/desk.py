"""What the desk's templates ask for: the menu, and names for what Django's lists leave without one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from django import template
from django.utils.html import escape, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kopeck.sentences import shown

register = template.Library()
#: A sentence of the shop's records, in the reader's language.
register.filter("shown", shown)

#: The seller's daily things by their models, in this order. Whatever is not named here is machinery.
GROUPS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (
        _("Orders"),
        (
            *("orders.Order", "orders.Shipment", "refunds.Refund", "refunds.Dispute", "mail.Mail"),
            "books.Statement",
        ),
    ),
    (_("Catalogue"), ("catalog.Item", "catalog.Discount", "catalog.Tax", "catalog.ShippingRate")),
    (_("Programs"), ("api.Token", "outgoing.Endpoint", "outgoing.Delivery")),
    (_("Staff"), ("auth.User", "auth.Group", "otp_totp.TOTPDevice", "admin.LogEntry")),
)
#: Entries whose models are named as their library's makers call them.
NAMES: dict[str, Any] = {
    "otp_totp.TOTPDevice": _("Second factors"),
    "admin.LogEntry": _("Who changed what"),
    "procrastinate.ProcrastinateJob": _("Background jobs"),
}
_CELL = re.compile(r"<(?:td|th)\b")
_FIELD = re.compile(r"<(input|select|textarea)\b(?![^>]*(?:aria-label|type=\"hidden\"))")
_NOTHING = ("", "-")


@dataclass(slots=True)
class Entry:
    name: str
    url: str
    is_current: bool


@dataclass(slots=True)
class Group:
    name: str
    is_machinery: bool = False
    entries: list[Entry] = field(default_factory=list)

    @property
    def is_current(self) -> bool:
        return any(entry.is_current for entry in self.entries)


@register.simple_tag(takes_context=True)
def menu(context: dict[str, Any]) -> list[Group]:
    """What this user may open, the daily things first, all else under "System"."""
    path = context["request"].path
    models = {
        name: Entry(str(NAMES.get(name, model["name"])), url, path.startswith(url))
        for app in context.get("available_apps", ())
        for model in app["models"]
        if (url := model["admin_url"]) and (name := f"{app['app_label']}.{model['object_name']}")
    }
    groups = [
        Group(str(name), entries=[models.pop(one) for one in ours if one in models]) for name, ours in GROUPS
    ]
    machinery = sorted(models.values(), key=lambda entry: entry.name.lower())
    groups.append(Group(gettext("System"), is_machinery=True, entries=machinery))
    return [group for group in groups if group.entries]


@register.simple_tag
def chosen(choices: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The choice of a filter that is on; `is_narrow` where that is not its first one, usually all."""
    found = list(choices)
    place = next((place for place, choice in enumerate(found) if choice["selected"]), 0)
    return {"display": found[place]["display"], "is_narrow": place > 0} if found else {}


@register.filter
def named(row: Any, headers: list[dict[str, Any]]) -> list[SafeString]:
    """The cells of a row of a list, each with its column's name, and so each field in it."""
    names = [_text(header["text"]) for header in headers]
    whose = _text(next((cell for cell in row if str(cell).startswith("<th")), ""))
    return [
        _named(str(cell), name, whose)
        for cell, name in zip(row, [*names, *[""] * (len(row) - len(names))], strict=True)
    ]


def _text(html: object) -> str:
    return unescape(strip_tags(str(html))).strip()


def _named(cell: str, name: str, whose: str) -> SafeString:
    title = escape(name[:1].upper() + name[1:])
    label = f"{title}: {escape(whose)}" if whose else title
    facts = f' data-name="{title}"' + (" data-empty" if _text(cell) in _NOTHING else "")
    if "<input" in cell or "<select" in cell or "<img" in cell:
        facts = facts.replace(" data-empty", "")
    if title:
        cell = _FIELD.sub(lambda found: f'{found[0]} aria-label="{label}"', cell)
    # What is put into the cell is escaped; the rest is Django's own.
    return mark_safe(_CELL.sub(lambda found: found[0] + facts, cell, count=1))  # noqa: S308
