"""The owner's desk: items, discounts, taxes. Money is typed as people write it and kept in minor units."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminFileWidget
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from kopeck.catalog import pictures
from kopeck.catalog.countries import read_country
from kopeck.catalog.models import Discount, Item, Tax, shown_percent
from kopeck.money import CURRENCIES, Currency, MoneyError, format_money, to_decimal, to_minor
from kopeck.typed import whole_number
from kopeck.web.context import money_locale
from kopeck.web.fields import AmountField, CodeField, CountField, NameField, NoteField


class StockForm(forms.ModelForm[Item]):
    """The stock, and beside it the one that the page had shown: buyers may have taken some since."""

    stock = CountField(
        label=_("Stock"),
        required=False,
        min_value=0,
        max_value=1_000_000,
        show_hidden_initial=True,
        help_text=_("Pieces that are not sold yet. Empty: no limit."),
    )

    def shown_stock(self) -> int | None:
        """ValidationError never: what is no number is taken for no limit, so that the new number counts."""
        field = self["stock"]
        return whole_number(str(self.data.get(field.html_initial_name, "")), 9)


class MoneyForm(forms.ModelForm[Any]):
    """Its fields of MONEY are typed as people write amounts of the form's currency; kept in minor units."""

    MONEY: tuple[str, ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.MONEY:
            minor = getattr(self.instance, name)
            if self.instance.pk and minor is not None and self.instance.currency in CURRENCIES:
                self.initial[name] = to_decimal(minor, self.instance.currency)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        currency: str = cleaned.get("currency") or ""
        typed = [name for name in self.MONEY if isinstance(cleaned.get(name), Decimal)]
        if typed and not currency and "currency" not in self.errors:
            self.add_error("currency", _("Which currency is this amount in?"))
        for name in typed if currency else ():
            try:
                cleaned[name] = to_minor(cleaned[name], currency)
            except MoneyError:
                self.add_error(name, _money_problem(cleaned[name], CURRENCIES[currency]))
        return cleaned


def _money_problem(amount: Decimal, currency: Currency) -> str:
    names = {"currency": currency.code.upper(), "decimals": currency.shown}
    if abs(amount) > Decimal(currency.maximum).scaleb(-currency.digits):
        return gettext("Stripe takes no payment as large as this.")
    if currency.shown == 0:
        return gettext("An amount in %(currency)s has no decimals.") % names
    if currency.step > 1:
        return gettext("An amount in %(currency)s has %(decimals)s decimals, and the last one is 0.") % names
    return gettext("An amount in %(currency)s has at most %(decimals)s decimals.") % names


class ItemForm(MoneyForm, StockForm):
    MONEY = ("price",)

    price = AmountField(label=_("Price"), min_value=0, help_text=_("As people write it: 48.20"))
    currency = forms.ChoiceField(
        label=_("Currency"), initial="usd", choices=[(code, code.upper()) for code in sorted(CURRENCIES)]
    )

    # Not Django's ImageField: it hands the file to every decoder there is before `clean_image` is asked.
    image = forms.FileField(
        label=_("Picture"),
        required=False,
        widget=AdminFileWidget(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
    )

    class Meta:
        model = Item
        fields = ["name", "description", "price", "currency", "stock", "image", "active", "position"]
        field_classes = {"name": NameField, "description": NoteField, "position": CountField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.small_picture: ContentFile[bytes] | None = None

    def clean_image(self) -> Any:
        image = self.cleaned_data.get("image")
        if not isinstance(image, UploadedFile):
            return image
        if (image.size or 0) > pictures.MAX_BYTES:
            raise ValidationError(_("The picture is larger than 10 MB."))
        try:
            large, self.small_picture = pictures.shrink_once(image)
        except pictures.PictureError:
            raise ValidationError(
                _("This file is not a PNG, JPEG, WebP or GIF picture that we can read.")
            ) from None
        large.name = "picture.webp"
        return large

    def save(self, commit: bool = True) -> Item:
        item: Item = super().save(commit)
        if commit:
            self.save_small_picture()
        return item

    def save_small_picture(self) -> None:
        if self.small_picture is not None and self.instance.image:
            pictures.save_small(
                self.instance.image.storage, self.instance.image.name or "", self.small_picture
            )


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


class DiscountForm(MoneyForm):
    """The code in capitals, and a sentence for each odd mix."""

    MONEY = ("amount_off", "minimum_subtotal")

    amount_off = AmountField(
        label=_("Amount off"),
        required=False,
        help_text=_("As people write it: 5.00. Or a percentage, above."),
    )
    minimum_subtotal = AmountField(
        label=_("Minimum subtotal"), required=False, min_value=0, help_text=_("Before discount and tax.")
    )
    currency = forms.ChoiceField(
        label=_("Currency"),
        required=False,
        choices=[("", "---------"), *((code, code.upper()) for code in sorted(CURRENCIES))],
        help_text=_("Of the amount off and of the minimum."),
    )

    class Meta:
        model = Discount
        fields = [
            "name",
            "code",
            "percent_off",
            "amount_off",
            "minimum_subtotal",
            "currency",
            "valid_from",
            "valid_until",
            "max_redemptions",
            "active",
        ]
        field_classes = {
            "name": NameField,
            "code": CodeField,
            "percent_off": AmountField,
            "max_redemptions": CountField,
        }

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"].upper()
        if code and Discount.objects.filter(code__iexact=code).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("Another discount has this code."))
        return code

    def clean(self) -> dict[str, Any]:
        self._clean_percent_or_amount(self.cleaned_data)
        cleaned = super().clean()
        start, end = cleaned.get("valid_from"), cleaned.get("valid_until")
        if start and end and end <= start:
            self.add_error("valid_until", _("It would end before it begins."))
        return cleaned

    def _clean_percent_or_amount(self, cleaned: dict[str, Any]) -> None:
        if {"percent_off", "amount_off"} & set(self.errors):
            return
        percent, amount = cleaned.get("percent_off"), cleaned.get("amount_off")
        if percent is not None and amount is not None:
            self.add_error("percent_off", _("Give a percentage or an amount, not both."))
            self.add_error("amount_off", _("Give a percentage or an amount, not both."))
        elif percent is None and amount is None:
            self.add_error("percent_off", _("Say how much is off: a percentage here, or an amount below."))
            self.add_error("amount_off", _("Or an amount here."))
        elif amount is not None and amount <= 0:
            self.add_error("amount_off", _("An amount off is more than nothing."))


class TaxForm(forms.ModelForm[Tax]):
    """Refuses what Stripe would refuse: a tax rate of an unknown country."""

    class Meta:
        model = Tax
        fields = [
            "display_name",
            "percentage",
            "inclusive",
            "country",
            "state",
            "jurisdiction",
            "is_default",
            "active",
        ]
        field_classes = {
            "display_name": NameField,
            "percentage": AmountField,
            "country": CodeField,
            "state": NoteField,
            "jurisdiction": NoteField,
        }

    def clean_country(self) -> str:
        typed: str = self.cleaned_data["country"]
        try:
            return read_country(typed) if typed else ""
        except ValueError as refusal:
            raise ValidationError(str(refusal)) from None


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
