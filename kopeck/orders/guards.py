"""What PostgreSQL itself refuses of an order, and the indexes by which orders are found."""

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from kopeck.money import CURRENCIES

CONSTRAINTS: list[models.BaseConstraint] = [
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
        condition=Q(ship_to="", shipping_rate=None) | (~Q(ship_to="") & Q(shipping_rate__isnull=False)),
        name="an_order_has_a_country_if_and_only_if_it_has_a_rate",
    ),
    models.CheckConstraint(
        condition=Q(currency__in=sorted(CURRENCIES)), name="an_orders_currency_is_one_of_stripes"
    ),
    models.UniqueConstraint(fields=["receipt"], name="a_receipts_number_is_given_once"),
    models.CheckConstraint(
        condition=Q(receipt=None) | Q(paid_at__isnull=False), name="a_receipt_is_of_a_paid_order"
    ),
    # No `unique=True`, which makes a second index, for LIKE.
    models.UniqueConstraint(fields=["key"], name="a_key_opens_one_order"),
]

INDEXES: list[models.Index] = [
    models.Index(fields=["visitor", "-id"], name="orders_of_a_visitor"),
    # `/metrics` counts in `orders_by_status` and `paid_orders` alone, without a look at the rows.
    models.Index(fields=["status", "id"], name="orders_by_status"),
    models.Index(fields=["currency", "id"], name="orders_by_currency"),
    models.Index(fields=["created"], name="orders_by_time_made"),
    models.Index(OpClass(Upper("email"), "text_pattern_ops"), name="orders_by_email"),
    models.Index(fields=["discount"], condition=Q(discount__isnull=False), name="orders_of_a_discount"),
    models.Index(
        fields=["shipping_rate"],
        condition=Q(shipping_rate__isnull=False),
        name="orders_of_a_shipping_rate",
    ),
    models.Index(
        fields=["paid_at"],
        include=["currency", "total"],
        condition=Q(paid_at__isnull=False),
        name="paid_orders",
    ),
    models.Index(fields=["created"], condition=Q(status="open"), name="orders_left_open"),
    models.Index(fields=["id"], condition=Q(paid_at__isnull=True), name="orders_not_paid"),
    models.Index(
        fields=["id"],
        condition=Q(status__in=("paid", "partly_refunded")) & ~Q(sold_out=""),
        name="orders_to_refund",
    ),
    models.Index(
        fields=["paid_at", "id"],
        condition=Q(paid_at__isnull=False, receipt__isnull=True),
        name="orders_without_receipt",
    ),
]
