"""What buyers make: orders of items. Money in integer minor units of the order's one currency."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Prefetch, prefetch_related_objects
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from kopeck.catalog.models import Discount, Item, ShippingRate, Tax
from kopeck.database import rows
from kopeck.errors import ShopError
from kopeck.money import in_words
from kopeck.orders import guards
from kopeck.orders.delivery import choose
from kopeck.orders.lines import OrderLine, OrderNote, OrderTax, insert
from kopeck.orders.pricing import Totals
from kopeck.orders.receipts import ReceiptCounter
from kopeck.orders.shipment import Shipment
from kopeck.orders.terms import Terms, todays_taxes
from kopeck.orders.wanted import Wanted, refuse_lines
from kopeck.sentences import Said, Sentence

__all__ = ["Order", "OrderLine", "OrderNote", "OrderTax", "ReceiptCounter", "Shipment"]
#: Checkout takes addresses of this length: longer ones than a mail ever reaches, but they have paid.
EMAIL_LENGTH = 512
DROPPED = Sentence("The discount %(discount)s was taken off: it does not fit the changed order.")
ADOPTED = Sentence("Stripe's amounts were taken: the total is %(total)s, and %(ours)s by our own rules.")


def _new_key() -> str:
    return secrets.token_urlsafe(18)


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
    subtotal = models.PositiveBigIntegerField(gettext_lazy("subtotal"), default=0)
    discount_total = models.PositiveBigIntegerField(gettext_lazy("discount"), default=0)
    #: All tax; `tax_included` is the part of it that already lies inside the prices.
    tax_total = models.PositiveBigIntegerField(gettext_lazy("tax"), default=0)
    tax_included = models.PositiveBigIntegerField(gettext_lazy("tax included in prices"), default=0)
    total = models.PositiveBigIntegerField(gettext_lazy("total"), default=0)
    visitor = models.CharField(max_length=64, blank=True)
    key = models.CharField(max_length=32, default=_new_key, editable=False)
    buy_item = models.ForeignKey(Item, models.PROTECT, null=True, blank=True, related_name="+")
    discount = models.ForeignKey(
        Discount,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # few orders have one: `orders_of_a_discount`
        related_name="orders",
        verbose_name=gettext_lazy("discount"),
    )
    discount_name = models.CharField(max_length=40, blank=True)
    #: Where it is delivered (ISO 3166) and how; "" and none where there is nothing to send.
    ship_to = models.CharField(gettext_lazy("delivered to"), max_length=2, blank=True)
    shipping_rate = models.ForeignKey(
        ShippingRate,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # `orders_of_a_shipping_rate`
        related_name="orders",
        verbose_name=gettext_lazy("shipping rate"),
    )
    #: Hash of all that the total was made of; another one needs another payment.
    terms = models.CharField(max_length=64, blank=True)
    email = models.EmailField(gettext_lazy("e-mail"), max_length=EMAIL_LENGTH, blank=True)
    #: What was gone when the payment came, by its names; then all of the money is refunded by itself.
    sold_out = models.TextField(gettext_lazy("sold out"), blank=True, default="", db_default="")
    created = models.DateTimeField(gettext_lazy("created"), auto_now_add=True)
    paid_at = models.DateTimeField(gettext_lazy("paid"), null=True, blank=True)
    #: Its receipt's running number, given soon after it was paid (orders/receipts.py); it stays.
    receipt = models.PositiveBigIntegerField(gettext_lazy("receipt"), null=True, blank=True, editable=False)

    #: Placed by this very request: its lines are what was asked for.
    is_new = False
    #: None of its items has a limit, as was read when it was locked or placed, a moment ago.
    is_unlimited = False

    class Meta:
        verbose_name, verbose_name_plural = gettext_lazy("order"), gettext_lazy("orders")
        ordering = ["-pk"]
        permissions = [("forget_buyer", gettext_noop("Can remove a buyer's personal data"))]
        constraints, indexes = guards.CONSTRAINTS, guards.INDEXES

    def __str__(self) -> str:
        return f"{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("order", args=[self.pk])

    @property
    def link(self) -> str:
        """The address that opens this order in any browser."""
        return f"{self.get_absolute_url()}?key={self.key}"

    def summary(self) -> dict[str, Any]:
        """What programs are told of it first: number, state and sums, and nothing of the buyer."""
        return {
            "id": self.pk,
            "status": self.status,
            # It was paid too late: all of it is refunded, and nothing is to be sent.
            "sold_out": bool(self.sold_out),
            "currency": self.currency,
            "subtotal": self.subtotal,
            "discount": self.discount_total,
            "tax": self.tax_total,
            "total": self.total,
        }

    @classmethod
    def of_visitor(cls, visitor: str) -> "models.QuerySet[Order]":
        """Those that this visitor's browser made. "" has none: a buyer who was forgotten is "" too."""
        return cls.objects.filter(visitor=visitor) if visitor else cls.objects.none()

    def is_of(self, visitor: str) -> bool:
        """Whether this visitor's browser made it; `orders/access.py` says who may read it."""
        return bool(visitor) and constant_time_compare(visitor, self.visitor)

    def has_key(self, key: str) -> bool:
        """Whether this is the key of its link."""
        return bool(key) and constant_time_compare(key, self.key)

    # What buyers do -------------------------------------------------------------------------------------

    @property
    def is_loaded(self) -> bool:
        """Whether its lines and taxes are at hand."""
        return {"lines", "taxes"} <= getattr(self, "_prefetched_objects_cache", {}).keys()

    def load(self) -> "Order":
        """Reads lines with items and taxes with today's, for all `lines.all()` and `taxes.all()` to come."""
        if self.is_loaded:
            return self
        lines = Prefetch("lines", OrderLine.objects.select_related("item"))
        prefetch_related_objects([self], lines, Prefetch("taxes", OrderTax.objects.select_related("tax")))
        return self

    @property
    def goods(self) -> list[OrderLine]:
        """Its lines but the one of its delivery."""
        return [line for line in self.lines.all() if not line.is_delivery]

    @property
    def delivery(self) -> OrderLine | None:
        """The line of its delivery, the last one."""
        return next((line for line in self.lines.all() if line.is_delivery), None)

    @property
    def goods_subtotal(self) -> int:
        """Without delivery, before discount and tax."""
        return sum(line.subtotal for line in self.goods)

    def holds(self, wanted: Sequence[Wanted]) -> bool:
        """Whether the lines are exactly these, under today's names, and none costs more than today."""
        prices = {w.item.pk: w.item.price for w in wanted}
        lines = self.goods
        mine = sorted((line.item_number, line.name, line.quantity) for line in lines)
        return (
            mine == sorted((w.item.pk, w.item.name, w.quantity) for w in wanted)
            and self.currency == wanted[0].item.currency
            and all(line.unit_price <= prices[line.item_number] for line in lines)
        )

    def refuse_if_of_buy(self) -> None:
        """Before its lines or discount are changed. ShopError where a Buy button made it."""
        if self.buy_item_id is not None:
            message = gettext("This order was made by a Buy button. Change the quantity on the item's page.")
            raise ShopError("order_of_buy", message, status=409)

    def refuse_if_undelivered(self) -> None:
        """Before its delivery is changed. ShopError where it has none."""
        if not self.ship_to:
            raise ShopError("nothing_to_deliver", gettext("Nothing of this order is delivered."), status=409)

    # The next ones change what is paid for. Call them inside a transaction that holds this order's row, with
    # no payment under way (payments.checkout.change does both), or the buyer could pay the old total.

    def set_lines(self, wanted: Sequence[Wanted]) -> None:
        """Other items or quantities. A discount that does not fit them any more is dropped, with a note."""
        discount = self.discount
        try:
            self.rewrite(wanted, discount, todays_taxes())
        except ShopError as refusal:
            if discount is None or not refusal.code.startswith("discount_"):
                raise
            self.rewrite(wanted, None, todays_taxes())
            self.note(DROPPED(discount=discount))

    def set_discount(self, discount: "Discount | None", wanted: Sequence[Wanted] | None = None) -> None:
        """With other lines too, where they are `wanted`. Raises ShopError where the order cannot have it."""
        self.rewrite(wanted or self.wanted(), discount, todays_taxes())

    def set_delivery(self, country: str, rate_id: int | None) -> None:
        """To another country, by this rate where it goes there, else by the cheapest. Raises ShopError."""
        wanted = self.wanted()
        self.ship_to, self.shipping_rate_id = country, rate_id
        self.set_lines(wanted)

    def is_priced_by_today(self) -> bool:
        """Whether today's catalogue makes the same of its items: prices, names, discount, default taxes."""
        wanted = self.wanted()
        delivery = choose(wanted, self.ship_to, self.shipping_rate_id)
        today = Terms(wanted, self.discount, todays_taxes(), delivery)
        return self.terms == today.fingerprint() and self._discount_still_fits()

    def refresh(self) -> bool:
        """Prices the order anew if today's catalogue makes another one of it.

        Whether the buyer has to look at it again: it became dearer, or is in another currency.
        """
        wanted, before = self.wanted(), (self.total, self.currency)
        refuse_lines(wanted)
        if self.is_priced_by_today():
            return False
        self.set_lines(wanted)
        return self.total > before[0] or self.currency != before[1]

    def _discount_still_fits(self) -> bool:
        try:
            if self.discount is not None:
                self.discount.refuse_for(self.currency, self.goods_subtotal)
        except ShopError:
            return False
        return True

    def cancel(self) -> None:
        """The buyer wants none of it any more."""
        if self.status in self.PAYABLE:
            self._move(self.Status.CANCELLED)

    def rewrite(self, wanted: Sequence[Wanted], discount: "Discount | None", taxes: "Sequence[Tax]") -> None:
        """Prices and stores the order with these lines, discount, taxes. A ShopError stores nothing.

        Its delivery is the one chosen before, as far as there is that today.
        """
        refuse_lines(wanted)
        terms = Terms(wanted, discount, taxes, choose(wanted, self.ship_to, self.shipping_rate_id))
        self.currency = terms.currency
        if discount is not None:
            discount.refuse_for(self.currency, sum(w.item.price * w.quantity for w in wanted))
        totals = terms.totals()
        self._accept(terms)
        self._freeze(totals)
        if self.pk is None:
            insert(self, terms.lines(self, totals), terms.order_taxes(self, totals))
            return
        self.save()
        self.lines.all().delete()
        self.taxes.all().delete()
        self.forget()
        OrderLine.objects.bulk_create(terms.lines(self, totals))
        OrderTax.objects.bulk_create(terms.order_taxes(self, totals))

    def _accept(self, terms: Terms) -> None:
        self.discount, self.discount_name = terms.discount, terms.discount.name if terms.discount else ""
        sent = terms.delivery
        self.ship_to, self.shipping_rate = (sent.country, sent.rate) if sent else ("", None)
        self.terms = terms.fingerprint()

    def forget(self) -> None:
        """What `load` has read, or `insert` knows, may be of yesterday."""
        getattr(self, "_prefetched_objects_cache", {}).clear()

    def _freeze(self, totals: Totals) -> None:
        self.subtotal, self.discount_total = totals.subtotal, totals.discount
        self.tax_total, self.tax_included, self.total = totals.tax, totals.tax_included, totals.total

    def adopt(self, totals: Totals) -> None:
        """Takes Stripe's amounts in place of ours, line by line. Called with the row locked."""
        for line, theirs in zip(self.lines.all(), totals.lines, strict=True):
            line.discount_amount, line.tax_amount = theirs.discount, theirs.tax
            line.tax_included, line.total = theirs.tax_included, theirs.total
            line.save(update_fields=["discount_amount", "tax_amount", "tax_included", "total"])
        for tax, amount in zip(self.taxes.all(), totals.taxes, strict=True):
            tax.amount = amount
            tax.save(update_fields=["amount"])
        before = self.total
        self._freeze(totals)
        self.save()
        total, ours = in_words(self.total, self.currency), in_words(before, self.currency)
        self.note(ADOPTED(total=total, ours=ours))

    def note(self, text: Said) -> None:
        """Adds a line to the order's timeline, for the owner."""
        OrderNote.objects.create(order=self, text=text)

    def wanted(self) -> list[Wanted]:
        return [Wanted(line.item, line.quantity) for line in self.load().goods]

    # What Stripe says. Each is called with this row locked, moves only forward, and saves: money that was
    # paid is never unpaid by a late "expired" or "failed".

    def mark_paid(self, at: datetime, *, email: str) -> bool:
        """The money is there. False if the order was paid before."""
        if self.status in self.WAS_PAID:
            return False
        rows.update(self, *self.set_paid(at, email=email))
        return True

    def set_paid(self, at: datetime, *, email: str) -> tuple[str, ...]:
        """As `mark_paid`, of an order that was not paid before; the fields that are to be written."""
        self.status, self.paid_at, self.email = self.Status.PAID, at, email or self.email
        return ("status", "paid_at", "email")

    def mark_sold_out(self, names: Sequence[str]) -> None:
        """It was paid for what is not there any more: the payment is refunded, whole."""
        self.sold_out = ", ".join(names)
        self.save(update_fields=["sold_out"])

    def mark_refunded(self, refunded: int) -> None:
        """The state of a paid order follows from how much of its payment was refunded, in minor units."""
        if self.status in self.WAS_PAID and self.status != (status := self.status_with(refunded)):
            self._move(status)
            unsent = Shipment.objects.filter(order=self, sent_at=None)
            unsent.update(called_off=status == self.Status.REFUNDED)

    def status_with(self, refunded: int) -> "Order.Status":
        """Of an order that was paid: what it is with so much refunded, in minor units."""
        if refunded >= self.total and (refunded or self.sold_out):
            return self.Status.REFUNDED
        return self.Status.PARTLY_REFUNDED if refunded else self.Status.PAID

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
        rows.update(self, "status")


_LOCKED = f'SELECT {rows.columns(Order, "o")} FROM "orders_order" o WHERE id = %s FOR UPDATE'  # noqa: S608


def locked(order_id: int) -> Order:
    """The order, whose row is locked until the transaction ends: the one lock of all that is about it."""
    for (order,) in rows.read(_LOCKED, [order_id], Order):
        found: Order = order
        return found
    raise Order.DoesNotExist(f"order {order_id}")
