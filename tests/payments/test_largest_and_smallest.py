"""Each currency at the largest and the smallest amount that Stripe takes, from item to refund and dispute."""

from decimal import Decimal

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.test import Client

from kopeck.catalog.forms import DiscountForm, ItemForm
from kopeck.catalog.models import Discount, Item, Tax
from kopeck.errors import ShopError
from kopeck.money import CURRENCIES, Currency, format_money, to_decimal
from kopeck.ops import metrics_page
from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from kopeck.payments.models import Payment
from kopeck.refunds.models import Dispute, Refund, refunded
from kopeck.web.context import money_locale
from tests.support.buying import Deliver, events_of, paid_order, state
from tests.support.refunding import Desk, at_stripe
from tests.support.shop import ShopSandbox, make_item

#: One of each kind of limit, of decimals and of steps.
KINDS = ["idr", "cop", "inr", "jpy", "usd", "kwd", "isk"]
SOME = pytest.mark.parametrize("code", KINDS)
EVERY = pytest.mark.parametrize(
    "of",
    [
        pytest.param(of, marks=[] if code in KINDS else pytest.mark.slow, id=code)
        for code, of in CURRENCIES.items()
    ],
)
IN_FLOW = pytest.mark.django_db(transaction=True)
DISPUTED = "4000000000000259"


def item_form(of: Currency, minor: int) -> ItemForm:
    price = str(to_decimal(minor, of.code))
    return ItemForm({"name": "House", "price": price, "currency": of.code, "active": "on", "position": "0"})


def discount_form(of: Currency, minor: int) -> DiscountForm:
    amount = str(to_decimal(minor, of.code))
    return DiscountForm(
        {"name": "Off", "amount_off": amount, "minimum_subtotal": amount, "currency": of.code, "active": "on"}
    )


@pytest.mark.django_db
@EVERY
def test_an_item_and_a_discount_cost_from_the_smallest_to_the_largest_amount_and_no_more(
    of: Currency,
) -> None:
    for minor in (of.smallest, of.maximum):
        item, discount = item_form(of, minor).save(), discount_form(of, minor).save()
        item.refresh_from_db()
        discount.refresh_from_db()
        assert (item.price, discount.amount_off, discount.minimum_subtotal) == (minor, minor, minor)
        item.full_clean()
        discount.full_clean()
    for form in (item_form(of, of.maximum + of.step), discount_form(of, of.maximum + of.step)):
        assert not form.is_valid()
        assert "Stripe takes no payment as large as this." in str(form.errors)


@pytest.mark.django_db
@EVERY
def test_an_order_comes_to_the_largest_and_the_smallest_amount_and_to_no_more_or_less(of: Currency) -> None:
    largest, smallest = (make_item(price=price, currency=of.code) for price in (of.maximum, of.smallest))
    Tax.objects.create(display_name="VAT", percentage=Decimal("8.875"), inclusive=True, is_default=True)
    for item in (largest, smallest):
        order = placing.place([Wanted(item, 1)], visitor="v" * 64)
        order.refresh_from_db()
        line = order.lines.get()
        assert order.total == order.subtotal == line.total == line.unit_price == item.price
        assert order.tax_total == order.taxes.get().amount == line.tax_amount
        assert format_money(order.total, of.code, money_locale(None))
    half = Discount.objects.create(name="Half", percent_off=50)
    order = placing.place([Wanted(largest, 1)], visitor="v" * 64, discount=half)
    assert abs(order.total * 2 - of.maximum) <= of.step
    off = Discount.objects.create(name="All", amount_off=of.maximum, currency=of.code)
    assert placing.place([Wanted(largest, 1)], visitor="v" * 64, discount=off).total == 0
    with pytest.raises(ShopError, match="more than one payment may be") as refusal:
        placing.place([Wanted(largest, 99)], visitor="v" * 64)
    assert (refusal.value.code, refusal.value.status) == ("amount_too_large", 422)
    if of.smallest > of.step:
        less = make_item(price=of.smallest - of.step, currency=of.code)
        with pytest.raises(ShopError, match="below the smallest") as refusal:
            placing.place([Wanted(less, 1)], visitor="v" * 64)
        assert refusal.value.code == "amount_too_small"


@pytest.mark.django_db
def test_the_database_itself_takes_the_largest_amount_and_no_more() -> None:
    for of in CURRENCIES.values():
        most, facts = of.maximum, {"currency": of.code, "name": "Off"}
        discount = Discount.objects.create(**facts, amount_off=most, minimum_subtotal=most)
        item = make_item(currency=of.code, price=most)
        for row, column in ((item, "price"), (discount, "amount_off"), (discount, "minimum_subtotal")):
            with pytest.raises(IntegrityError), transaction.atomic():
                type(row).objects.filter(pk=row.pk).update(**{column: most + of.step})


def test_every_column_of_money_holds_64_bits() -> None:
    """Eight digits fit in 32 bits, and twelve do not."""
    named = ("price", "amount", "total", "subtotal", "tax_included", "refunded")
    narrow = [
        f"{model.__name__}.{field.name}"
        for app in ("catalog", "orders", "payments")
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.local_fields
        if isinstance(field, models.IntegerField)
        and any(name in field.name for name in named)
        and not isinstance(field, models.BigIntegerField | models.PositiveBigIntegerField)
    ]
    assert narrow == []


@IN_FLOW
@SOME
def test_the_largest_amount_is_paid_at_checkout_and_refunded_to_the_last_unit(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Deliver, code: str
) -> None:
    of = CURRENCIES[code]
    item = make_item(price=of.maximum, currency=code)
    assert (
        format_money(of.maximum, code, money_locale(None)) in buyer.get(f"/item/{item.pk}").content.decode()
    )
    more = buyer.get(f"/buy/{item.pk}", {"quantity": "2"})
    assert (more.status_code, more.json()["error"]["code"]) == (422, "amount_too_large")
    order = paid_order(sandbox, buyer, deliver, item=item)
    assert [charge.amount for charge in sandbox.charges()] == [order.total] == [of.maximum]
    shown = buyer.get(f"/api/v1/orders/{order.pk}").json()
    assert (shown["total"], shown["lines"][0]["unit_price"]) == (of.maximum, of.maximum)
    desk = Desk(owner, order)
    desk.refund(what="amount", amount=str(to_decimal(of.step, code)))
    assert state(order) == "partly_refunded"
    why = owner.get(f"/admin/orders/order/{order.pk}/why/").content.decode()
    assert format_money(of.maximum, code, money_locale(None)) in why
    desk.refund()
    assert state(order) == "refunded"
    assert at_stripe(sandbox) == [of.step, of.maximum - of.step]
    back = refunded(order.payments.get())
    assert (back, type(back)) == (of.maximum, int)
    assert sum(Refund.objects.values_list("amount", flat=True)) == of.maximum


@IN_FLOW
@SOME
def test_the_smallest_amount_is_paid_on_our_own_page_and_a_dispute_of_the_largest_is_kept(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver, code: str
) -> None:
    of = CURRENCIES[code]
    for price, card in ((of.smallest, "4242424242424242"), (of.maximum, DISPUTED)):
        item = make_item(price=price, currency=code)
        intent = buyer.get(f"/intent/{item.pk}").json()["payment_intent_id"]
        sandbox.pay(intent, card)
        order = Payment.objects.get(stripe_id=intent).order
        buyer.get(f"/order/{order.pk}/return")
        assert (state(order), order.total) == ("paid", price)
    for event in events_of(sandbox, "charge.dispute."):
        assert deliver(event).json()["status"] == "done"
    dispute = Dispute.objects.get()
    assert (dispute.amount, dispute.currency) == (of.maximum, code)


@IN_FLOW
def test_the_revenue_of_many_large_orders_is_counted_exactly(
    sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    of = CURRENCIES["idr"]
    for _ in range(2):
        paid_order(sandbox, buyer, deliver, item=make_item(price=of.maximum, currency="idr"))
    metrics_page.shop.asked = float("-inf")
    (whole,) = [
        sample.value
        for family in metrics_page.shop.collect()
        for sample in family.samples
        if sample.name == "kopeck_paid_amount_total" and sample.labels == {"currency": "idr"}
    ]
    assert whole == 2 * of.maximum


@pytest.mark.django_db
def test_an_item_of_1_500_000_rupiah_can_be_sold() -> None:
    item = item_form(CURRENCIES["idr"], 150_000_000).save()
    assert item.price == 150_000_000
    with pytest.raises(ValidationError):
        Item(name="House", currency="usd", price=150_000_000).full_clean()
