"""The owner's desk: items, discounts, taxes, shipping rates. Money is kept in minor units."""

from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from kopeck.catalog import pictures
from kopeck.catalog.forms import DiscountForm, ItemForm, ShippingRateForm, StockForm, TaxForm
from kopeck.catalog.models import Discount, Item, ShippingRate, Tax, shown_percent
from kopeck.money import format_money
from kopeck.web.context import money_locale


class KeptByOrders(admin.ModelAdmin[Any]):
    """What orders were priced with is never deleted; a sentence says what to do instead.

    `orders` is the relation's name from here to what keeps it. Orders hold the amounts that they were made
    with, so that an edit is for orders to come.
    """

    orders: str
    MANY = 1_000

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
            sentence = gettext(
                "“%(name)s” can't be deleted: very many orders have it. Switch it off instead."
            )
            return sentence % {"name": thing}
        sentence = ngettext(
            "“%(name)s” can't be deleted: %(count)s order has it. Switch it off instead (untick “active”).",
            "“%(name)s” can't be deleted: %(count)s orders have it. Switch it off instead (untick “active”).",
            count,
        )
        return sentence % {"name": thing, "count": count}


@admin.register(Item)
class ItemAdmin(KeptByOrders):
    form = ItemForm
    orders = "order_lines"
    list_display = ["name", "price_shown", "currency", "stock", "active", "position"]
    list_editable = ["stock", "active", "position"]
    list_filter = ["active", "currency"]
    search_fields = ["name", "description"]
    view_on_site = True

    @admin.display(description=_("price"), ordering="price")
    def price_shown(self, item: Item) -> str:
        return format_money(item.price, item.currency, money_locale(None))

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
        return super().get_changelist_form(request, form=StockForm, **kwargs)

    def save_model(self, request: HttpRequest, obj: Item, form: Any, change: bool) -> None:
        """Only what was changed is written: buyers take from the stock meanwhile."""
        if not change:
            super().save_model(request, obj, form, change)
        elif changed := set(form.changed_data):
            if "stock" in changed:
                obj.stock = Item.objects.count_anew(obj.pk, form.shown_stock(), form.cleaned_data["stock"])
            if "currency" in changed:  # the same text is another number of minor units
                changed.add("price")
            obj.save(update_fields=changed - {"stock"})
        if isinstance(form, ItemForm):
            form.save_small_picture()


@admin.register(Discount)
class DiscountAdmin(KeptByOrders):
    form = DiscountForm
    orders = "orders"
    list_display = ["name", "code", "off", "valid_from", "valid_until", "max_redemptions", "active"]
    list_editable = ["active"]
    list_filter = ["active", "currency"]
    search_fields = ["name", "code"]

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
    list_display = ["name", "price_shown", "free_shown", "served", "taxed", "active"]
    list_editable = ["active"]
    list_filter = ["active", "currency"]
    search_fields = ["name"]

    @admin.display(description=_("amount"), ordering="amount")
    def price_shown(self, rate: ShippingRate) -> str:
        return format_money(rate.amount, rate.currency, money_locale(None))

    @admin.display(description=_("free from"), ordering="free_from")
    def free_shown(self, rate: ShippingRate) -> str:
        return (
            "-" if rate.free_from is None else format_money(rate.free_from, rate.currency, money_locale(None))
        )

    @admin.display(description=_("countries"))
    def served(self, rate: ShippingRate) -> str:
        return ", ".join(rate.countries) or gettext("everywhere")
