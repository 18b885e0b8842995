"""What an order is made of: its lines and taxes, with the facts as they were, and its timeline."""

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy

from kopeck.catalog.models import Item, Tax, shown_percent
from kopeck.database import rows
from kopeck.orders.pricing import LineTotals
from kopeck.orders.wanted import MAX_QUANTITY, Wanted
from kopeck.sentences import shown

#: For Django, not for mypy: whatever asks for a line's item looks at goods alone.
_MAY_BE_NONE: dict[str, Any] = {"null": True}


class OrderLine(models.Model):
    """One item of an order, or its delivery, with name and price as they were. `total`: what is paid."""

    # Without indexes of their own: those over both columns find by either.
    order = models.ForeignKey("Order", models.CASCADE, db_index=False, related_name="lines")
    #: None is the order's delivery, the last line; `Order.goods` are those with an item.
    item = models.ForeignKey(
        Item,
        models.PROTECT,
        db_index=False,
        related_name="order_lines",
        verbose_name=gettext_lazy("item"),
        **_MAY_BE_NONE,
    )
    name = models.CharField(gettext_lazy("name"), max_length=250)
    unit_price = models.PositiveBigIntegerField(gettext_lazy("unit price"))
    quantity = models.PositiveSmallIntegerField(gettext_lazy("quantity"))
    #: Pieces of a limited item that the order's live payment holds (payments/stock.py); null is all of them.
    held = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    discount_amount = models.PositiveBigIntegerField(gettext_lazy("discount"), default=0)
    tax_amount = models.PositiveBigIntegerField(gettext_lazy("tax"), default=0)
    tax_included = models.PositiveBigIntegerField(gettext_lazy("tax included in prices"), default=0)
    total = models.PositiveBigIntegerField(gettext_lazy("total"))

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
            models.CheckConstraint(
                condition=Q(held__lte=F("quantity")), name="a_line_holds_no_more_than_it_has"
            ),
            models.UniqueConstraint(fields=["order", "item"], name="an_item_stands_once_in_an_order"),
            models.UniqueConstraint(
                fields=["order"], condition=Q(item__isnull=True), name="an_order_is_delivered_once"
            ),
            models.CheckConstraint(
                condition=Q(item__isnull=False) | Q(quantity=1), name="a_delivery_is_one_piece"
            ),
        ]
        indexes = [models.Index(fields=["item", "order"], name="orders_of_an_item")]

    def __str__(self) -> str:
        return self.name if self.is_delivery else f"{self.quantity} × {self.name}"

    @classmethod
    def of(cls, wanted: Wanted, totals: LineTotals, **facts: Any) -> "OrderLine":
        item = wanted.item
        facts |= {"item": item, "name": item.name, "unit_price": item.price, "quantity": wanted.quantity}
        return cls._priced(totals, facts)

    @classmethod
    def of_delivery(cls, name: str, totals: LineTotals, **facts: Any) -> "OrderLine":
        return cls._priced(totals, {**facts, "name": name, "unit_price": totals.subtotal, "quantity": 1})

    @classmethod
    def _priced(cls, totals: LineTotals, facts: dict[str, Any]) -> "OrderLine":
        return cls(
            discount_amount=totals.discount,
            tax_amount=totals.tax,
            tax_included=totals.tax_included,
            total=totals.total,
            **facts,
        )

    @property
    def item_number(self) -> int:
        """The id of its item; a delivery has none."""
        return self.item_id or 0

    @property
    def is_delivery(self) -> bool:
        return self.item_id is None

    @property
    def holds(self) -> int:
        """How many pieces are held while a payment of the order is live."""
        return self.quantity if self.held is None else self.held

    @property
    def subtotal(self) -> int:
        """Before discount and tax, in minor units."""
        return self.unit_price * self.quantity


class OrderTax(models.Model):
    """A tax of an order, as it was when the order was priced, and what it comes to in minor units."""

    order = models.ForeignKey("Order", models.CASCADE, db_index=False, related_name="taxes")  # (order, tax)
    tax = models.ForeignKey(Tax, models.PROTECT, related_name="order_taxes")
    display_name = models.CharField(gettext_lazy("name"), max_length=50)
    percentage = models.DecimalField(gettext_lazy("percentage"), max_digits=7, decimal_places=4)
    inclusive = models.BooleanField(gettext_lazy("included in prices"))
    amount = models.PositiveBigIntegerField(gettext_lazy("amount"))

    objects: ClassVar[models.Manager["OrderTax"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = (
            gettext_lazy("tax of the order"),
            gettext_lazy("taxes of the order"),
        )
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["order", "tax"], name="a_tax_stands_once_on_an_order")]

    def __str__(self) -> str:
        return f"{self.display_name} {self.shown_percentage} %"

    @classmethod
    def of(cls, tax: Tax, amount: int, **facts: Any) -> "OrderTax":
        facts |= {"display_name": tax.display_name, "percentage": tax.percentage, "inclusive": tax.inclusive}
        return cls(tax=tax, amount=amount, **facts)

    @property
    def shown_percentage(self) -> str:
        return shown_percent(self.percentage)


class OrderNote(models.Model):
    """One line of an order's timeline, written by the shop for its owner."""

    order = models.ForeignKey("Order", models.CASCADE, related_name="notes")
    text = models.TextField(gettext_lazy("note"))
    created = models.DateTimeField(gettext_lazy("written"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = gettext_lazy("note"), gettext_lazy("notes")
        ordering = ["pk"]

    def __str__(self) -> str:
        return shown(self.text)


@cache
def _insertion(order: type[models.Model], lines: int, taxes: int) -> str:
    """An order with so many lines and taxes in one statement; the ids of all of them."""
    parts, found = [("placed", _into(order, 1))], ["SELECT (SELECT id FROM placed)"]
    for name, model, number in (("lines", OrderLine, lines), ("taxes", OrderTax, taxes)):
        if number:
            parts.append((name, _into(model, number, order_id="(SELECT id FROM placed)")))
        ids = f"(SELECT array_agg(id ORDER BY id) FROM {name})"  # noqa: S608 - one of two names
        found.append(ids if number else "'{}'::bigint[]")
    together = ", ".join(f"{name} AS ({part})" for name, part in parts)
    return f"WITH {together} {', '.join(found)}"


def _into(model: type[models.Model], number: int, **given: str) -> str:
    each = ", ".join([rows.places(model, **given)] * number)
    return f"INSERT INTO {rows.insertion(model)} VALUES {each} RETURNING id"  # noqa: S608 - the model's names


def insert(order: Any, lines: Sequence[OrderLine], taxes: Sequence[OrderTax]) -> None:
    """Stores a new order with its lines and taxes, which it then knows without reading them."""
    parts: list[OrderLine | OrderTax] = [*lines, *taxes]
    asked = rows.values(order) + [one for part in parts for one in rows.values(part, "order_id")]
    ((number, *ids),) = rows.read(_insertion(order.__class__, len(lines), len(taxes)), asked)
    rows.stored(order, number)
    for part, its_number in zip(parts, [*ids[0], *ids[1]], strict=True):
        rows.stored(part, its_number)
        part.order = order
    kept = {"lines": rows.known(order.lines.all(), lines), "taxes": rows.known(order.taxes.all(), taxes)}
    order._prefetched_objects_cache = kept
