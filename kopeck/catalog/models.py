"""What the owner edits: items. Prices are integer minor units in Stripe's lower-case currency."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Mod
from django.utils.translation import gettext_lazy as _

from kopeck.catalog import pictures
from kopeck.money import CURRENCIES, MAXIMUM

_STEP_100 = [c.code for c in CURRENCIES.values() if c.step == 100]
_STEP_10 = [c.code for c in CURRENCIES.values() if c.step == 10]


class ItemQuerySet(models.QuerySet["Item"]):
    def on_sale(self) -> "ItemQuerySet":
        """What a visitor may see and buy, in the owner's order."""
        return self.filter(active=True).order_by("position", "pk")


class Item(models.Model):
    """Something for sale. `price` is in minor units of `currency` (usd 4820 = $48.20, jpy 6800 = ¥6,800)."""

    name = models.CharField(_("name"), max_length=250)
    description = models.TextField(_("description"), max_length=5000, blank=True)
    price = models.PositiveIntegerField(_("price"), validators=[MaxValueValidator(MAXIMUM)])
    currency = models.CharField(_("currency"), max_length=3, default="usd")
    image = models.ImageField(_("picture"), upload_to=pictures.upload_to, blank=True)
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
                condition=Q(price__gte=0, price__lte=MAXIMUM), name="a_price_is_what_stripe_can_charge"
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
