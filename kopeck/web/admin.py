"""What the admins share: facts are looked at, and money is written as people do."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from kopeck.money import format_money
from kopeck.sentences import shown as shown_text
from kopeck.web.context import money_locale


def money_column(name: str, title: Any) -> Callable[[Any, Any], str]:
    """A column that writes a minor-unit field as people do, in the currency of the row or of its order."""

    def shown(self: Any, row: Any) -> str:
        currency = row.currency if hasattr(row, "currency") else row.order.currency
        amount = getattr(row, name)
        return "-" if amount is None else format_money(amount, currency, money_locale(None))

    return admin.display(description=title, ordering=name)(shown)


def sentence_column(name: str, title: Any, *, ordering: str = "") -> Callable[[Any, Any], str]:
    """A column that writes a record's sentence in the reader's language (kopeck/sentences.py)."""

    def shown(self: Any, row: Any) -> str:
        return shown_text(getattr(row, name)) or "-"

    return admin.display(description=title, ordering=ordering or name)(shown)


@admin.display(description=_("order"), ordering="order")
def order_link(row: Any) -> str:
    """A column that leads to the order of the row."""
    address = reverse("admin:orders_order_change", args=[row.order_id])
    return format_html('<a href="{}">{}</a>', address, row.order_id)


class ReadOnly:
    """Facts are looked at, not edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin[Any]):
    pass


class ReadOnlyInline(ReadOnly, admin.TabularInline[Any, Any]):
    extra = 0
    template = "admin/facts.html"


class RowsFilter(admin.SimpleListFilter):
    """Filters a list by one of `ways` (by the word in the address); by `first` where none is chosen."""

    ways: ClassVar[dict[str, tuple[Any, Q]]]
    first: ClassVar[tuple[Any, Q]] = (_("All"), Q())

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(word, title) for word, (title, _condition) in self.ways.items()]

    def choices(self, changelist: Any) -> Any:
        unchosen, *rest = super().choices(changelist)
        return [{**unchosen, "display": self.first[0]}, *rest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(self.ways.get(self.value() or "", self.first)[1])


class SecretShownOnce(admin.ModelAdmin[Any]):
    """Rows with a secret (`give_secret`): the answer that makes it shows it, and no other ever does."""

    secret_title: Any
    secret_help: Any
    #: What stands before the secret where it is used.
    shown_before = ""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.secret_once = obj.give_secret()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self.show_secret(request, obj)

    def show_secret(self, request: HttpRequest, obj: Any) -> HttpResponse:
        facts = self.opts
        context = {
            **self.admin_site.each_context(request),
            "opts": facts,
            "original": obj,
            "title": self.secret_title,
            "help": self.secret_help,
            "before": self.shown_before,
            "secret": obj.secret_once,
            "list_url": reverse(f"{self.admin_site.name}:{facts.app_label}_{facts.model_name}_changelist"),
        }
        return TemplateResponse(request, "admin/secret.html", context)
