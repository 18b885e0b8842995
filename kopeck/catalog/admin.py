"""The owner's desk for items: prices are typed as people write them and kept in minor units."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kopeck.catalog import pictures
from kopeck.catalog.models import Item
from kopeck.money import CURRENCIES, MAXIMUM, Currency, MoneyError, format_money, to_decimal, to_minor
from kopeck.web import money_locale


class ItemForm(forms.ModelForm[Item]):
    """The price as a decimal number of the currency; refuses more decimals than the currency has."""

    price = forms.DecimalField(label=_("Price"), min_value=0, help_text=_("As people write it: 48.20"))
    currency = forms.ChoiceField(
        label=_("Currency"), initial="usd", choices=[(code, code.upper()) for code in sorted(CURRENCIES)]
    )

    class Meta:
        model = Item
        fields = ["name", "description", "price", "currency", "image", "active", "position"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.small_picture: ContentFile[bytes] | None = None
        if self.instance.pk:
            self.initial["price"] = to_decimal(self.instance.price, self.instance.currency)

    def clean_image(self) -> Any:
        image = self.cleaned_data.get("image")
        if not isinstance(image, UploadedFile):
            return image
        if (image.size or 0) > pictures.MAX_BYTES:
            raise ValidationError(_("The picture is larger than 10 MB."))
        try:
            image.seek(0)
            large, self.small_picture = pictures.shrink(image)
        except pictures.PictureError:
            raise ValidationError(
                _("This file is not a PNG, JPEG, WebP or GIF picture that we can read.")
            ) from None
        large.name = "picture.webp"
        return large

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        price, currency = cleaned.get("price"), cleaned.get("currency")
        if isinstance(price, Decimal) and currency in CURRENCIES:
            try:
                cleaned["price"] = to_minor(price, currency)
            except MoneyError:
                self.add_error("price", _price_problem(price, CURRENCIES[currency]))
        return cleaned

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


def _price_problem(price: Decimal, currency: Currency) -> str:
    names = {"currency": currency.code.upper(), "decimals": currency.shown}
    if abs(price) > Decimal(MAXIMUM).scaleb(-currency.digits):
        return gettext("Stripe takes no payment as large as this.")
    if currency.shown == 0:
        return gettext("A price in %(currency)s has no decimals.") % names
    if currency.step > 1:
        return gettext("A price in %(currency)s has %(decimals)s decimals, and the last one is 0.") % names
    return gettext("A price in %(currency)s has at most %(decimals)s decimals.") % names


@admin.register(Item)
class ItemAdmin(admin.ModelAdmin[Item]):
    form = ItemForm
    list_display = ["name", "price_shown", "currency", "active", "position"]
    list_editable = ["active", "position"]
    list_filter = ["active", "currency"]
    search_fields = ["name", "description"]
    view_on_site = True

    @admin.display(description=_("price"), ordering="price")
    def price_shown(self, item: Item) -> str:
        return format_money(item.price, item.currency, money_locale(None))

    def save_model(self, request: HttpRequest, obj: Item, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if isinstance(form, ItemForm):
            form.save_small_picture()
