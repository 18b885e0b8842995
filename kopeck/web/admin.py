"""What the admins share: facts are looked at, and money is written as people do."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kopeck.money import format_money
from kopeck.web.context import money_locale


def money_column(name: str, title: Any) -> Callable[[Any, Any], str]:
    """A column that writes a minor-unit field as people do, in the currency of the row or of its order."""

    def shown(self: Any, row: Any) -> str:
        currency = row.currency if hasattr(row, "currency") else row.order.currency
        return format_money(getattr(row, name), currency, money_locale(None))

    return admin.display(description=title, ordering=name)(shown)


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Facts are looked at, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
