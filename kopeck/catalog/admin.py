"""The owner's desk: items, discounts, taxes, shipping rates. Money is kept in minor units.

Rows are locked while a form of them is weighed and saved, so no edit gets between the two (edits.py).
"""

import re
from contextlib import suppress
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _

from kopeck.catalog import pictures, sheet_views
from kopeck.catalog.edits import EditForm
from kopeck.catalog.forms import DiscountForm, ItemForm, ItemRowForm, ShippingRateForm, TaxForm
from kopeck.catalog.models import Discount, Item, ShippingRate, Tax, shown_percent
from kopeck.money import format_money
from kopeck.staff.history import record
from kopeck.typed import whole_number
from kopeck.web.admin import RowsFilter, money_column
from kopeck.web.context import money_locale


class Edited(admin.ModelAdmin[Any]):
    """Only what a form changed is written, of a row that is locked since before the form was weighed."""

    @admin.display(description=_("currency"), ordering="currency")
    def currency_read(self, row: Any) -> str:
        return row.currency.upper() or "-"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        return fields if obj is None or self.has_change_permission(request, obj) else self._read(fields)

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        return columns if self.has_change_permission(request) else self._read(columns)

    def _read(self, names: Any) -> list[Any]:
        """For who may only look: a form writes an amount as people do, and without one it is minor units."""
        written = (*getattr(self.form, "MONEY", ()), "currency")
        return [f"{name}_read" if name in written else name for name in names]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        number = whole_number(object_id, 18)
        if request.method == "POST" and number is not None and connection.in_atomic_block:
            self._lock([number])
        return super().get_object(request, object_id, from_field)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method != "POST" or "_save" not in request.POST:
            return super().changelist_view(request, extra_context)
        sent = (value for name, value in request.POST.items() if re.fullmatch(r"form-\d{1,4}-id", name))
        numbers = [number for value in sent if (number := whole_number(str(value), 18)) is not None]
        with transaction.atomic():
            self._lock(numbers)
            return super().changelist_view(request, extra_context)

    def _lock(self, numbers: list[int]) -> None:
        rows = self.model._default_manager.filter(pk__in=numbers).order_by("pk")
        list(rows.select_for_update(no_key=True).values_list("pk"))

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **({"form": EditForm} | kwargs))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            super().save_model(request, obj, form, change)
        elif changed := self._changed(obj, form):
            obj.save(update_fields=changed)

    def _changed(self, obj: Any, form: Any) -> set[str]:
        changed = set(form.changed_data)
        if "currency" in changed:  # the same text is another number of minor units
            changed.update(form.MONEY)
        return changed


class KeptByOrders(Edited):
    """What orders were priced with is never deleted; a sentence says what to do instead.

    `orders` is the relation's name from here to what keeps it. Orders hold the amounts that they were made
    with, so that an edit is for orders to come.
    """

    orders: str
    MANY = 1_000
    #: What to do instead.
    instead = _("Switch it off instead (untick “active”).")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        thing = self.get_object(request, object_id)
        if thing is None or not self.has_delete_permission(request, thing) or not (kept := self._kept(thing)):
            return super().delete_view(request, object_id, extra_context)
        self.message_user(request, kept, messages.ERROR)
        opts = self.opts
        name = f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[thing.pk]))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        things = list(objs)
        if kept := [sentence for thing in things if (sentence := self._kept(thing))]:
            return [str(thing) for thing in things], {}, set(), kept
        return super().get_deleted_objects(objs, request)

    def _kept(self, thing: Model) -> str:
        """Why it can't be deleted; "" if it can. Of many orders no more than MANY are counted."""
        count = getattr(thing, self.orders).order_by()[: self.MANY].count()
        if not count:
            return ""
        if count == self.MANY:
            sentence = gettext("“%(name)s” can't be deleted: very many orders have it.")
        else:
            sentence = ngettext(
                "“%(name)s” can't be deleted: %(count)s order has it.",
                "“%(name)s” can't be deleted: %(count)s orders have it.",
                count,
            )
        return f"{sentence % {'name': thing, 'count': count}} {self.instead}"


class OnSale(RowsFilter):
    """What is in the shop, unless the archive is asked for. A search looks through both."""

    title, parameter_name = _("where"), "where"
    first = (_("In the shop"), Q(active=True))
    ways: ClassVar = {"archive": (_("Archive"), Q(active=False)), "all": (_("All"), Q())}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None and request.GET.get(SEARCH_VAR):
            return queryset
        return super().queryset(request, queryset)


@admin.register(Item)
class ItemAdmin(KeptByOrders):
    form = ItemForm
    orders = "order_lines"
    instead = _("Archive it instead: then nobody sees it, and orders keep it.")
    list_display = ["thumbnail", "name", "price", "currency_read", "stock", "active", "position"]
    list_display_links = ["name"]
    list_editable = ["price", "stock", "active", "position"]
    list_filter = [OnSale, "currency"]
    search_fields = ["name", "description"]
    actions = ["archive", "bring_back", "export"]
    change_list_template = "admin/catalog/items.html"

    class Media:
        css = {"all": ["catalog.css"]}

    @admin.display(description=_("picture"))
    def thumbnail(self, item: Item) -> str:
        address = item.image_small_url or static("no-picture.svg")
        return format_html(
            '<img class="thumbnail" src="{}" alt="" width="48" height="36" loading="lazy">', address
        )

    price_read = money_column("price", _("price"))

    @admin.display(description=_("what buyers see"))
    def seen(self, item: Item) -> str:
        price = format_money(item.price, item.currency, money_locale(None))
        return render_to_string("admin/catalog/seen.html", {"item": item, "price": price})

    def view_on_site(self, item: Item) -> str | None:
        return reverse("item", args=[item.pk]) if item.active else None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["seen"] if obj else []

    @admin.action(description=_("Archive: off the shop, kept for orders"), permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Item]) -> None:
        count = self._put(request, queryset, is_active=False)
        said = ngettext("%(n)s item is in the archive.", "%(n)s items are in the archive.", count)
        self.message_user(request, said % {"n": count}, messages.SUCCESS)

    @admin.action(description=_("Bring back to the shop"), permissions=["change"])
    def bring_back(self, request: HttpRequest, queryset: QuerySet[Item]) -> None:
        count = self._put(request, queryset, is_active=True)
        said = ngettext("%(n)s item is in the shop again.", "%(n)s items are in the shop again.", count)
        self.message_user(request, said % {"n": count}, messages.SUCCESS)

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Item]) -> HttpResponse:
        return sheet_views.export_items(request, queryset)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("import/", view(sheet_views.import_items), name="catalog_item_import"),
            path("export/", view(sheet_views.export_items), name="catalog_item_export"),
            *super().get_urls(),
        ]

    def _put(self, request: HttpRequest, queryset: QuerySet[Item], *, is_active: bool) -> int:
        """How many items were elsewhere before."""
        with transaction.atomic():
            chosen = queryset.values("pk").order_by()
            there = Item.objects.select_for_update(no_key=True).filter(pk__in=chosen, active=not is_active)
            items = list(there.order_by("pk"))
            Item.objects.filter(pk__in=[item.pk for item in items]).update(active=is_active)
            record(request, items, gettext_noop("On sale"), (not is_active, is_active))
        return len(items)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The picture is decoded before the transaction, in which it would hold a connection."""
        upload = request.FILES.get("image")
        may_save = self.has_change_permission(request) or self.has_add_permission(request)
        if isinstance(upload, UploadedFile) and may_save and (upload.size or 0) <= pictures.MAX_BYTES:
            with suppress(pictures.PictureError):  # the form says so
                pictures.shrink_once(upload)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, form=ItemRowForm, **kwargs)

    def save_model(self, request: HttpRequest, obj: Item, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if isinstance(form, ItemForm):
            form.save_small_picture()

    def _changed(self, obj: Item, form: Any) -> set[str]:
        """Buyers take from the stock meanwhile: what was counted is added to what they left."""
        changed = super()._changed(obj, form)
        if "stock" in changed:
            obj.stock = Item.objects.count_anew(obj.pk, form.shown_stock(), form.cleaned_data["stock"])
        return changed - {"stock"}


@admin.register(Discount)
class DiscountAdmin(KeptByOrders):
    form = DiscountForm
    orders = "orders"
    list_display = ["name", "code", "off", "valid_from", "valid_until", "max_redemptions", "active"]
    list_editable = ["active"]
    list_filter = ["active", "currency"]
    search_fields = ["name", "code"]
    amount_off_read = money_column("amount_off", _("amount off"))
    minimum_subtotal_read = money_column("minimum_subtotal", _("minimum subtotal"))

    @admin.display(description=_("off"))
    def off(self, discount: Discount) -> str:
        if discount.percent_off is not None:
            return f"{shown_percent(discount.percent_off)} %"
        return format_money(discount.amount_off or 0, discount.currency, money_locale(None))


@admin.register(Tax)
class TaxAdmin(KeptByOrders):
    form = TaxForm
    orders = "order_taxes"
    list_display = ["display_name", "rate", "inclusive", "country", "state", "is_default", "active"]
    list_editable = ["is_default", "active"]
    list_filter = ["active", "is_default", "inclusive", "country"]
    search_fields = ["display_name", "jurisdiction"]

    @admin.display(description=_("percentage"), ordering="percentage")
    def rate(self, tax: Tax) -> str:
        return f"{shown_percent(tax.percentage)} %"


@admin.register(ShippingRate)
class ShippingRateAdmin(KeptByOrders):
    form = ShippingRateForm
    orders = "orders"
    list_display = ["name", "amount_read", "free_from_read", "served", "taxed", "active"]
    list_editable = ["active"]
    list_filter = ["active", "currency"]
    search_fields = ["name"]

    amount_read = money_column("amount", _("amount"))
    free_from_read = money_column("free_from", _("free from"))

    @admin.display(description=_("countries"))
    def served(self, rate: ShippingRate) -> str:
        return ", ".join(rate.countries) or gettext("everywhere")
