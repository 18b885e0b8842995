"""What the owner edits: items, discounts, taxes, shipping rates. Money in minor units, as in all rooms."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import or_
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Mod, Upper
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from kopeck.catalog import pictures
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES
from kopeck.typed import read_code

_STEP_100 = [c.code for c in CURRENCIES.values() if c.step == 100]
_STEP_10 = [c.code for c in CURRENCIES.values() if c.step == 10]


def _at_most_the_maximum(amount: str) -> Q:
    """That the column `amount` is no more than Stripe takes in the row's currency."""
    by_maximum = defaultdict(list)
    for one in CURRENCIES.values():
        by_maximum[one.maximum].append(one.code)
    each = [
        Q(currency__in=sorted(by_maximum[most]), **{f"{amount}__lte": most}) for most in sorted(by_maximum)
    ]
    return reduce(or_, each)


class ItemQuerySet(models.QuerySet["Item"]):
    def on_sale(self) -> "ItemQuerySet":
        """What a visitor may see and buy, in the owner's order."""
        return self.filter(active=True).order_by("position", "pk")

    def behind(self, item: "Item") -> "ItemQuerySet":
        """Those that stand behind the item in the owner's order."""
        # The first condition says nothing new: it is the one that an index can begin at.
        start = Q(position__gte=item.position)
        return self.filter(start, Q(position__gt=item.position) | Q(pk__gt=item.pk))

    def before(self, item: "Item") -> "ItemQuerySet":
        """Those that stand before the item, the nearest first."""
        end = Q(position__lte=item.position)
        there = self.filter(end, Q(position__lt=item.position) | Q(pk__lt=item.pk))
        return there.order_by("-position", "-pk")

    def count_anew(self, number: int, shown: int | None, counted: int | None) -> int | None:
        """The stock of item `number` as its owner counted it, who was `shown` an older one: the stock now.

        What was sold in between stays sold: the difference is what counts. Call it inside a transaction.
        """
        now = self.select_for_update(no_key=True).values_list("stock", flat=True).get(pk=number)
        if counted is not None and shown is not None and now is not None:
            counted = max(0, now + counted - shown)
        self.filter(pk=number).update(stock=counted)
        return counted


class Item(models.Model):
    """Something for sale. `price` is in minor units of `currency` (usd 4820 = $48.20, jpy 6800 = ¥6,800)."""

    name = models.CharField(_("name"), max_length=250)
    description = models.TextField(_("description"), max_length=5000, blank=True)
    price = models.PositiveBigIntegerField(_("price"))
    currency = models.CharField(_("currency"), max_length=3, default="usd")
    image = models.ImageField(_("picture"), upload_to=pictures.upload_to, blank=True)
    #: Pieces that are not sold yet; those in a payment under way count among them (payments/stock.py).
    stock = models.PositiveIntegerField(
        _("stock"), null=True, blank=True, help_text=_("Pieces that are not sold yet. Empty: no limit.")
    )
    shipped = models.BooleanField(
        _("is delivered"), default=False, help_text=_("Buyers give an address, and pay a shipping rate.")
    )
    active = models.BooleanField(_("on sale"), default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0, help_text=_("Lower comes first."))
    created = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[ItemQuerySet] = ItemQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name, verbose_name_plural = _("item"), _("items")
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="an_item_has_a_name"),
            models.CheckConstraint(
                condition=Q(price__gte=0) & _at_most_the_maximum("price"),
                name="a_price_is_what_stripe_can_charge",
            ),
            models.CheckConstraint(
                condition=Q(currency__in=sorted(CURRENCIES)), name="an_items_currency_is_one_of_stripes"
            ),
            # Annotated remainders: Stripe refuses ISK 5.50 (550) and KWD 5.124 (5124).
            models.CheckConstraint(
                condition=~Q(currency__in=_STEP_100) | Q(price=models.F("price") - Mod("price", 100)),
                name="a_price_without_decimals_ends_in_00",
            ),
            models.CheckConstraint(
                condition=~Q(currency__in=_STEP_10) | Q(price=models.F("price") - Mod("price", 10)),
                name="a_price_with_three_decimals_ends_in_0",
            ),
            models.CheckConstraint(
                condition=Q(stock__isnull=True) | Q(stock__gte=0), name="a_stock_is_no_limit_or_not_negative"
            ),
        ]
        indexes = [models.Index(fields=["position", "id"], condition=Q(active=True), name="items_on_sale")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.currency not in CURRENCIES:
            raise ValidationError({"currency": _("Stripe takes no payments in this currency.")})

    @property
    def image_url(self) -> str | None:
        """The picture, 960 pixels wide."""
        return self.image.url if self.image else None

    @property
    def image_small_url(self) -> str | None:
        """The picture, 480 pixels wide; the large one where there is no small one."""
        return self.image.storage.url(pictures.small(self.image.name or "")) if self.image else None


class Discount(models.Model):
    """Money off an order: `percent_off` of each line, or `amount_off` minor units of `currency` off them all.

    With a `code` buyers enter it themselves; without one staff attaches it. `minimum_subtotal` is in minor
    units of `currency`. At Stripe it is a coupon in every account.
    """

    name = models.CharField(_("name"), max_length=40, help_text=_("Buyers see it on Checkout."))
    code = models.CharField(
        _("code"),
        max_length=40,
        blank=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_-]*$", _("Letters, digits, - and _ only."))],
        help_text=_("What buyers enter; capitals do not matter. Empty: only staff can give it."),
    )
    percent_off = models.DecimalField(
        _("percent off"),
        max_digits=7,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01")), MaxValueValidator(100)],
    )
    amount_off = models.PositiveBigIntegerField(_("amount off"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    minimum_subtotal = models.PositiveBigIntegerField(_("minimum subtotal"), null=True, blank=True)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    max_redemptions = models.PositiveIntegerField(_("maximum uses"), null=True, blank=True)
    active = models.BooleanField(_("active"), default=True)

    objects: ClassVar[models.Manager["Discount"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("discount"), _("discounts")
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(percent_off__isnull=True) ^ Q(amount_off__isnull=True),
                name="a_discount_is_a_percent_xor_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(percent_off__isnull=True)
                | Q(percent_off__gte=Decimal("0.01"), percent_off__lte=100),
                name="a_percent_off_is_between_0_01_and_100",
            ),
            models.CheckConstraint(
                condition=Q(amount_off__isnull=True, minimum_subtotal__isnull=True)
                | Q(currency__in=sorted(CURRENCIES)),
                name="an_amount_or_a_minimum_has_a_currency",
            ),
            models.CheckConstraint(
                condition=Q(amount_off__isnull=True)
                | (Q(amount_off__gte=1) & _at_most_the_maximum("amount_off")),
                name="an_amount_off_is_something",
            ),
            models.CheckConstraint(
                condition=Q(minimum_subtotal__isnull=True) | _at_most_the_maximum("minimum_subtotal"),
                name="a_minimum_subtotal_can_be_reached",
            ),
            models.UniqueConstraint(Upper("code"), condition=~Q(code=""), name="a_code_names_one_discount"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def by_code(cls, code: str) -> "Discount":
        """The discount of this code, or ShopError `discount_unknown` (422)."""
        code = read_code(code)
        found = cls.objects.filter(code__iexact=code).first() if code and "\x00" not in code else None
        if found is None:
            raise ShopError("discount_unknown", gettext("We know no such code."), status=422)
        return found

    @property
    def exact_percent(self) -> Fraction | None:
        """The percentage off, exactly."""
        return None if self.percent_off is None else Fraction(self.percent_off)

    def refuse_for(self, currency: str, subtotal: int) -> None:
        """ShopError (422), each reason with its own code and sentence, if an order cannot have this discount.

        `subtotal` in minor units of `currency`. How often it may be used is counted by orders.
        """
        now = timezone.now()
        if not self.active:
            raise ShopError("discount_inactive", gettext("This code is not valid any more."), status=422)
        if self.valid_from and now < self.valid_from:
            raise ShopError("discount_not_yet", gettext("This code is not valid yet."), status=422)
        if self.valid_until and now >= self.valid_until:
            raise ShopError("discount_over", gettext("This code has run out."), status=422)
        if self.currency and self.currency != currency and (self.amount_off or self.minimum_subtotal):
            message = gettext("This code is for orders in %(currency)s.") % {
                "currency": self.currency.upper()
            }
            raise ShopError("discount_other_currency", message, status=422)
        if self.minimum_subtotal and subtotal < self.minimum_subtotal:
            message = gettext("This order is too small for that code.")
            raise ShopError("discount_minimum", message, status=422)


class Tax(models.Model):
    """A tax in percent, inside the price (`inclusive`) or added. At Stripe a tax rate in every account."""

    display_name = models.CharField(_("name"), max_length=50, help_text=_("Buyers see it: VAT, Sales tax."))
    percentage = models.DecimalField(
        _("percentage"),
        max_digits=7,
        decimal_places=4,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )
    inclusive = models.BooleanField(_("included in prices"), default=False)
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("Two letters: DE."))
    state = models.CharField(pgettext_lazy("of a country", "state"), max_length=50, blank=True)
    jurisdiction = models.CharField(_("jurisdiction"), max_length=50, blank=True)
    is_default = models.BooleanField(_("on every new order"), default=False)
    active = models.BooleanField(_("active"), default=True)

    objects: ClassVar[models.Manager["Tax"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("tax"), _("taxes")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(percentage__gte=0, percentage__lte=100), name="a_tax_is_between_0_and_100_percent"
            ),
            models.CheckConstraint(condition=~Q(display_name=""), name="a_tax_has_a_name"),
        ]

    def __str__(self) -> str:
        return f"{self.display_name} {shown_percent(self.percentage)} %"

    @property
    def exact(self) -> Fraction:
        """The percentage, exactly."""
        return Fraction(self.percentage)


class ShippingRate(models.Model):
    """What delivery costs, to these countries (none: everywhere). `amount`, `free_from` in minor units.

    `taxed`: the order's taxes are on it too, and then a discount lowers it as it lowers any line.
    """

    name = models.CharField(_("name"), max_length=100, help_text=_("Buyers see it: Standard delivery."))
    amount = models.PositiveBigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3, default="usd")
    free_from = models.PositiveBigIntegerField(_("free from"), null=True, blank=True)
    countries = ArrayField(
        models.CharField(max_length=2), verbose_name=_("countries"), default=list, blank=True
    )
    min_days = models.PositiveSmallIntegerField(
        _("days at least"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    max_days = models.PositiveSmallIntegerField(
        _("days at most"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text=_("Business days until it arrives."),
    )
    taxed = models.BooleanField(
        _("taxed"), default=False, help_text=_("The taxes of the goods are on delivery too.")
    )
    active = models.BooleanField(_("active"), default=True)

    objects: ClassVar[models.Manager["ShippingRate"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("shipping rate"), _("shipping rates")
        ordering = ["amount", "pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="a_shipping_rate_has_a_name"),
            models.CheckConstraint(
                condition=Q(amount__gte=0) & _at_most_the_maximum("amount"),
                name="a_shipping_rate_is_what_stripe_can_charge",
            ),
            models.CheckConstraint(
                condition=Q(free_from__isnull=True) | _at_most_the_maximum("free_from"),
                name="a_free_delivery_can_be_reached",
            ),
            models.CheckConstraint(
                condition=Q(min_days__isnull=True, max_days__isnull=True)
                | Q(min_days__gte=1, max_days__gte=models.F("min_days"), max_days__lte=365),
                name="a_delivery_takes_from_one_day_to_a_year",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def serves(self, country: str) -> bool:
        return not self.countries or country in self.countries

    def price_for(self, subtotal: int) -> int:
        """What it costs with goods of this subtotal (before discount and tax), in minor units."""
        return 0 if self.free_from is not None and subtotal >= self.free_from else self.amount


def shown_percent(percentage: Decimal) -> str:
    """20.0000 -> "20", 8.8750 -> "8.875"."""
    return f"{percentage.normalize():f}"
