"""What buyers make: orders of items. Money in integer minor units of the order's one currency."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import connection, models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kopeck.catalog.models import Item
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES, MAXIMUM

MAX_QUANTITY = 99


def _new_key() -> str:
    return secrets.token_urlsafe(18)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One line that a buyer asks for."""

    item: Item
    quantity: int


class Order(models.Model):
    """An order and its frozen totals.

    `visitor` is the hash of the cookie that made it, `key` opens it by link. `buy_item` is set on orders
    made by an item's Buy button: the visitor's next Buy of that item finds them.
    """

    class Status(models.TextChoices):
        OPEN = "open", gettext_lazy("open")
        PROCESSING = "processing", gettext_lazy("processing")
        PAID = "paid", gettext_lazy("paid")
        EXPIRED = "expired", gettext_lazy("expired")
        CANCELLED = "cancelled", gettext_lazy("cancelled")
        REFUNDED = "refunded", gettext_lazy("refunded")
        PARTLY_REFUNDED = "partly_refunded", gettext_lazy("partly refunded")

    #: The buyer's money is with the seller, wholly or in part.
    WAS_PAID = (Status.PAID, Status.REFUNDED, Status.PARTLY_REFUNDED)
    #: Buy may start a payment.
    PAYABLE = (Status.OPEN, Status.EXPIRED)

    currency = models.CharField(gettext_lazy("currency"), max_length=3)
    status = models.CharField(
        gettext_lazy("status"), max_length=15, choices=Status.choices, default=Status.OPEN
    )
    subtotal = models.PositiveIntegerField(gettext_lazy("subtotal"), default=0)
    discount_total = models.PositiveIntegerField(gettext_lazy("discount"), default=0)
    #: All tax; `tax_included` is the part of it that already lies inside the prices.
    tax_total = models.PositiveIntegerField(gettext_lazy("tax"), default=0)
    tax_included = models.PositiveIntegerField(gettext_lazy("tax included in prices"), default=0)
    total = models.PositiveIntegerField(gettext_lazy("total"), default=0)
    visitor = models.CharField(max_length=64, blank=True)
    key = models.CharField(max_length=32, default=_new_key, unique=True, editable=False)
    buy_item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True, related_name="+")
    email = models.EmailField(gettext_lazy("e-mail"), blank=True)
    created = models.DateTimeField(gettext_lazy("created"), auto_now_add=True)
    paid_at = models.DateTimeField(gettext_lazy("paid"), null=True, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = gettext_lazy("order"), gettext_lazy("orders")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(total=F("subtotal") - F("discount_total") + F("tax_total") - F("tax_included")),
                name="an_orders_total_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(discount_total__lte=F("subtotal"), tax_included__lte=F("tax_total")),
                name="parts_of_an_order_are_no_larger_than_the_whole",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("paid", "refunded", "partly_refunded"), paid_at__isnull=False)
                | (~Q(status__in=("paid", "refunded", "partly_refunded")) & Q(paid_at__isnull=True)),
                name="an_order_is_paid_if_and_only_if_it_has_paid_at",
            ),
            models.CheckConstraint(
                condition=Q(currency__in=sorted(CURRENCIES)), name="an_orders_currency_is_one_of_stripes"
            ),
        ]
        indexes = [models.Index(fields=["visitor", "-id"], name="orders_of_a_visitor")]

    def __str__(self) -> str:
        return f"{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("order", args=[self.pk])

    @property
    def link(self) -> str:
        """The address that opens this order in any browser."""
        return f"{self.get_absolute_url()}?key={self.key}"

    def may_be_read_by(self, visitor: str, key: str, *, is_staff: bool) -> bool:
        """The browser that made it, who holds its link, staff."""
        return (
            is_staff
            or (bool(visitor) and constant_time_compare(visitor, self.visitor))
            or (bool(key) and constant_time_compare(key, self.key))
        )

    @classmethod
    def place_for_buy(cls, wanted: Wanted, *, visitor: str) -> "Order":
        """The visitor's open order of this item (whose lines may differ: see `holds`), or a new one."""
        with transaction.atomic():
            _one_at_a_time(f"buy {visitor}")
            order = cls.objects.filter(visitor=visitor, buy_item=wanted.item, status=cls.Status.OPEN).first()
            return order or cls._place([wanted], visitor=visitor, buy_item=wanted.item)

    @classmethod
    def _place(cls, wanted: Sequence[Wanted], *, visitor: str, buy_item: Item | None = None) -> "Order":
        order = cls(currency=wanted[0].item.currency, visitor=visitor, buy_item=buy_item)
        lines = order._price(wanted)
        order.save(force_insert=True)
        OrderLine.objects.bulk_create(lines)
        return order

    def holds(self, wanted: Sequence[Wanted]) -> bool:
        """Whether the lines are exactly these, at today's names and prices."""
        mine = sorted((line.item_id, line.name, line.unit_price, line.quantity) for line in self.lines.all())
        theirs = sorted((w.item.pk, w.item.name, w.item.price, w.quantity) for w in wanted)
        return mine == theirs and self.currency == wanted[0].item.currency

    def change(self, wanted: Sequence[Wanted]) -> bool:
        """Replaces the lines of an order that is still open; False if it is not open any more.

        Call it inside a transaction that holds this order's row, with no payment under way.
        """
        if self.status not in self.PAYABLE:
            return False
        self.currency = wanted[0].item.currency
        lines = self._price(wanted)
        self.lines.all().delete()
        self.save()
        OrderLine.objects.bulk_create(lines)
        return True

    def _price(self, wanted: Sequence[Wanted]) -> "list[OrderLine]":
        """Sets the totals and gives the unsaved lines."""
        lines = [
            OrderLine(order=self, item=w.item, name=w.item.name, unit_price=w.item.price, quantity=w.quantity)
            for w in wanted
        ]
        for line in lines:
            line.total = line.unit_price * line.quantity
        self.subtotal = self.total = sum(line.total for line in lines)
        self._refuse_impossible_total()
        return lines

    def _refuse_impossible_total(self) -> None:
        if self.total > MAXIMUM:
            message = _("The total is larger than one payment may be. Please order less at once.")
            raise ShopError("amount_too_large", message, status=422)
        if 0 < self.total < CURRENCIES[self.currency].minimum:
            message = _("The total is below the smallest amount that cards can pay. Please order more.")
            raise ShopError("amount_too_small", message, status=422)

    # What Stripe says. Each is called with this row locked, moves only forward, and saves: money that was
    # paid is never unpaid by a late "expired" or "failed".

    def mark_paid(self, at: datetime, *, email: str) -> bool:
        """The money is there. False if the order was paid before."""
        if self.status in self.WAS_PAID:
            return False
        self.status, self.paid_at, self.email = self.Status.PAID, at, email or self.email
        self.save(update_fields=["status", "paid_at", "email"])
        return True

    def mark_processing(self) -> None:
        """The buyer is done, the bank is not yet."""
        if self.status in self.PAYABLE:
            self._move(self.Status.PROCESSING)

    def mark_failed(self) -> None:
        """The bank refused after all: the order can be paid again."""
        if self.status == self.Status.PROCESSING:
            self._move(self.Status.OPEN)

    def mark_expired(self) -> None:
        """The page to pay at is closed. The order can be resumed."""
        if self.status == self.Status.OPEN:
            self._move(self.Status.EXPIRED)

    def mark_open(self) -> None:
        """A new payment is being started."""
        if self.status == self.Status.EXPIRED:
            self._move(self.Status.OPEN)

    def _move(self, status: Status) -> None:
        self.status = status
        self.save(update_fields=["status"])


class OrderLine(models.Model):
    """One item of an order, with its name and price as they were. `total` = what is paid for the line."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    item = models.ForeignKey(Item, models.PROTECT, related_name="order_lines")
    name = models.CharField(gettext_lazy("name"), max_length=250)
    unit_price = models.PositiveIntegerField(gettext_lazy("unit price"))
    quantity = models.PositiveSmallIntegerField(gettext_lazy("quantity"))
    discount_amount = models.PositiveIntegerField(gettext_lazy("discount"), default=0)
    tax_amount = models.PositiveIntegerField(gettext_lazy("tax"), default=0)
    tax_included = models.PositiveIntegerField(gettext_lazy("tax included in prices"), default=0)
    total = models.PositiveIntegerField(gettext_lazy("total"))

    objects: ClassVar[models.Manager["OrderLine"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = gettext_lazy("order line"), gettext_lazy("order lines")
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY),
                name="a_quantity_is_between_1_and_99",
            ),
            models.CheckConstraint(
                condition=Q(
                    total=F("unit_price") * F("quantity")
                    - F("discount_amount")
                    + F("tax_amount")
                    - F("tax_included")
                ),
                name="a_lines_total_adds_up",
            ),
            models.UniqueConstraint(fields=["order", "item"], name="an_item_stands_once_in_an_order"),
        ]
        indexes = [models.Index(fields=["item", "order"], name="orders_of_an_item")]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"


def _one_at_a_time(what: str) -> None:
    """Holds back others with the same words till this transaction ends: no row exists yet to lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])
