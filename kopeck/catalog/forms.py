"""The owner's forms of items, discounts, taxes, shipping rates. Money is typed as people write it."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminFileWidget
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kopeck.catalog import pictures
from kopeck.catalog.countries import SHIPPABLE, read_country
from kopeck.catalog.edits import EditForm
from kopeck.catalog.models import Discount, Item, ShippingRate, Tax, shown_percent
from kopeck.money import CURRENCIES, MoneyError, to_decimal, to_minor
from kopeck.typed import whole_number
from kopeck.web.fields import AmountField, CodeField, CountField, NameField, NoteField, money_problem


class StockForm(EditForm):
    """The stock, and beside it the one that the page had shown: buyers may have taken some since."""

    MERGED = ("stock",)

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


class MoneyForm(EditForm):
    """Its fields of MONEY are typed as people write amounts of the form's currency; kept in minor units."""

    MONEY: tuple[str, ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        written = written_in(self.instance.currency if self.instance.pk else "")
        for name in self.MONEY:
            minor = getattr(self.instance, name)
            if self.instance.pk and minor is not None and self.instance.currency in CURRENCIES:
                self.initial[name] = to_decimal(minor, self.instance.currency)
            if field := self.fields.get(name):
                field.help_text = f"{written} {field.help_text}".strip()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        currency = self._currency(cleaned)
        typed = [name for name in self.MONEY if isinstance(cleaned.get(name), Decimal)]
        if typed and not currency and "currency" not in self.errors:
            self.add_error("currency", _("Which currency is this amount in?"))
        for name in typed if currency else ():
            try:
                cleaned[name] = to_minor(cleaned[name], currency)
            except MoneyError:
                self.add_error(name, money_problem(cleaned[name], CURRENCIES[currency]))
        return cleaned

    def touched(self) -> list[str]:
        """An amount and its currency mean nothing without each other."""
        pair = [name for name in (*self.MONEY, "currency") if name in self.fields]
        changed = super().touched()
        return list(dict.fromkeys([*changed, *pair])) if {*changed} & {*pair} else changed

    def _currency(self, cleaned: dict[str, Any]) -> str:
        """The currency that the amounts are in; "" where none is chosen."""
        return cleaned.get("currency") or ""


def written_in(currency: str) -> str:
    """How an amount of this currency is typed, with an example; of every kind where no currency is given."""
    if currency not in CURRENCIES:
        return gettext("As people write it: 48.20 in USD, 6800 in JPY, 12.340 in KWD.")
    of = CURRENCIES[currency]
    names = {"currency": of.code.upper(), "decimals": of.shown}
    if of.shown == 0:
        return gettext("In %(currency)s, without decimals: 6800.") % names
    if of.step > 1:
        return gettext("In %(currency)s, the last of %(decimals)s decimals is 0: 12.340.") % names
    return gettext("In %(currency)s, as people write it: 48.20.") % names


class ItemRowForm(MoneyForm, StockForm):
    """A row of the list of items. Its price is in the item's own currency, which is no field here."""

    MONEY = ("price",)

    price = AmountField(label=_("Price"), min_value=0)

    class Meta:
        model = Item
        fields = ["price", "stock", "active", "position"]
        field_classes = {"position": CountField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = f"{field.label}: {self.instance.name}"

    def _currency(self, cleaned: dict[str, Any]) -> str:
        return str(self.instance.currency)


def _currency() -> forms.ChoiceField:
    codes = [(code, code.upper()) for code in sorted(CURRENCIES)]
    return forms.ChoiceField(label=_("Currency"), initial="usd", choices=codes)


class ItemForm(MoneyForm, StockForm):
    MONEY = ("price",)

    price = AmountField(label=_("Price"), min_value=0)
    currency = _currency()

    # Not Django's ImageField: it hands the file to every decoder there is before `clean_image` is asked.
    image = forms.FileField(
        label=_("Picture"),
        required=False,
        widget=AdminFileWidget(attrs={"accept": "image/png,image/jpeg,image/webp,image/gif"}),
    )

    class Meta:
        model = Item
        fields = [
            "name",
            "description",
            "price",
            "currency",
            "stock",
            "shipped",
            "image",
            "active",
            "position",
        ]
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


class PercentField(AmountField):
    """Shown without the zeros that its column has at the end."""

    def prepare_value(self, value: Any) -> Any:
        return shown_percent(value) if isinstance(value, Decimal) else value


class DiscountForm(MoneyForm):
    """The code in capitals, and a sentence for each odd mix."""

    MONEY = ("amount_off", "minimum_subtotal")

    amount_off = AmountField(
        label=_("Amount off"),
        required=False,
        help_text=_("Or a percentage, above."),
    )
    minimum_subtotal = AmountField(
        label=_("Minimum subtotal"), required=False, min_value=0, help_text=_("Before discount and tax.")
    )
    currency = forms.ChoiceField(
        label=_("Currency"),
        required=False,
        choices=[("", "---------"), *((code, code.upper()) for code in sorted(CURRENCIES))],
        help_text=_("The currency of the amount off and of the minimum subtotal."),
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
            "percent_off": PercentField,
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


class TaxForm(EditForm):
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
            "percentage": PercentField,
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


class CountriesField(CodeField):
    """ISO codes with commas or spaces between them; none for everywhere."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        found = []
        for typed in (value or "").replace(",", " ").split():
            try:
                code = read_country(super().to_python(typed))
            except ValueError as refusal:
                raise ValidationError(f"{typed[:20]}: {refusal}") from None
            if code not in SHIPPABLE:
                problem = gettext("%(code)s: Stripe takes no delivery address there.") % {"code": code}
                raise ValidationError(problem)
            found.append(code)
        return sorted(set(found))

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(sorted(initial or []) != self.to_python(data))
        except ValidationError:
            return True


class ShippingRateForm(MoneyForm):
    MONEY = ("amount", "free_from")

    amount = AmountField(label=_("Amount"), min_value=0)
    free_from = AmountField(
        label=_("Free from"),
        required=False,
        min_value=0,
        help_text=_("The goods' subtotal, before discount and tax. Empty: never free."),
    )
    currency = _currency()
    countries = CountriesField(
        label=_("Countries"),
        required=False,
        help_text=_("Codes of two letters with commas between: DE, FR. Empty: everywhere."),
    )

    class Meta:
        model = ShippingRate
        fields = [
            "name",
            "amount",
            "currency",
            "free_from",
            "countries",
            "min_days",
            "max_days",
            "taxed",
            "active",
        ]
        field_classes = {"name": NameField, "min_days": CountField, "max_days": CountField}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        least, most = cleaned.get("min_days"), cleaned.get("max_days")
        if (least is None) != (most is None) and not {"min_days", "max_days"} & set(self.errors):
            self.add_error("max_days", _("Give both, or neither of them."))
        elif least is not None and most is not None and most < least:
            self.add_error("max_days", _("It would arrive before it is sent."))
        return cleaned
