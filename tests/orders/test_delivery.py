"""What delivery costs and where it goes: chosen on the order's page, part of what the buyer agrees to."""

from fractions import Fraction
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from kopeck.catalog.countries import SHIPPABLE
from kopeck.catalog.forms import ShippingRateForm
from kopeck.catalog.models import Discount, ShippingRate, Tax
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.pricing import DiscountRule, TaxRule, price
from kopeck.orders.wanted import Wanted
from tests.support.buying import place_order
from tests.support.shop import make_item, make_rate

pytestmark = pytest.mark.django_db


def test_what_stands_apart_is_touched_by_neither_discount_nor_tax() -> None:
    off, tax = DiscountRule(percent=Fraction(50)), TaxRule(Fraction(20), inclusive=False)
    totals = price([1000], off, [tax], apart=490)
    assert [(line.discount, line.tax, line.total) for line in totals.lines] == [(500, 100, 600), (0, 0, 490)]
    assert (totals.subtotal, totals.taxes, totals.total) == (1490, (100,), 1090)


def place(*items: Any, **more: Any) -> Order:
    order = placing.place([Wanted(item, 1) for item in items], visitor="v" * 64, **more)
    return Order.objects.get(pk=order.pk)


def test_goods_that_are_not_sent_have_no_delivery() -> None:
    make_rate()
    order = place(make_item())
    assert (order.ship_to, order.shipping_rate, order.delivery, order.total) == ("", None, None, 4820)


def test_the_cheapest_rate_of_the_sellers_country_is_taken(settings: Any) -> None:
    settings.SELLER_COUNTRY = "DE"
    make_rate(amount=100, countries=["US"])
    make_rate(amount=900)
    cheapest = make_rate(amount=490, countries=["DE", "FR"])
    make_rate(amount=1, currency="eur")
    make_rate(amount=1, active=False)
    order = place(make_item(shipped=True), make_item(price=100))
    assert (order.ship_to, order.shipping_rate, order.total) == ("DE", cheapest, 4820 + 100 + 490)
    assert [str(line) for line in order.lines.all()][-1] == "Standard delivery"


def test_where_the_sellers_country_is_not_served_the_first_that_is_is_taken() -> None:
    make_rate(countries=["GB", "FR"])
    assert place(make_item(shipped=True)).ship_to == "FR"


def test_what_nobody_delivers_is_refused_with_a_sentence() -> None:
    with pytest.raises(ShopError, match="United States") as refusal:
        place(make_item(shipped=True))
    assert (refusal.value.code, refusal.value.status) == ("no_delivery", 422)
    assert not Order.objects.exists()


def test_delivery_is_free_from_a_subtotal_of_the_goods_before_the_discount() -> None:
    make_rate(free_from=5000)
    off = Discount.objects.create(name="Half", percent_off=50)
    assert place(make_item(price=4999, shipped=True)).total == 4999 + 490
    assert place(make_item(price=5000, shipped=True), discount=off).total == 2500


def test_a_taxed_rate_is_a_line_that_a_discount_lowers_too_and_another_is_not() -> None:
    Tax.objects.create(display_name="VAT", percentage=20, is_default=True)
    off = Discount.objects.create(name="Half", percent_off=50)
    rate, item = make_rate(amount=1000, taxed=True), make_item(price=1000, shipped=True)
    order = place(item, discount=off)
    assert (order.discount_total, order.tax_total, order.total) == (1000, 200, 1200)
    ShippingRate.objects.filter(pk=rate.pk).update(taxed=False)
    order = place(item, discount=off)
    assert (order.discount_total, order.tax_total, order.total) == (500, 100, 1600)


def test_a_minimum_of_a_discount_is_of_the_goods_alone() -> None:
    make_rate(amount=5000)
    least = Discount.objects.create(name="Off", percent_off=5, minimum_subtotal=2000, currency="usd")
    with pytest.raises(ShopError, match="too small"):
        place(make_item(price=1000, shipped=True), discount=least)


@pytest.mark.parametrize(
    "change",
    [{"name": "Other"}, {"amount": 500}, {"taxed": True}, {"min_days": 1, "max_days": 2}, {"free_from": 1}],
    ids=str,
)
def test_another_rate_is_another_agreement(change: dict[str, Any]) -> None:
    rate = make_rate()
    order = place(make_item(shipped=True))
    assert order.is_priced_by_today()
    ShippingRate.objects.filter(pk=rate.pk).update(**change)
    assert not order.is_priced_by_today()


def test_a_rate_that_is_gone_is_replaced_by_the_cheapest_and_a_dearer_one_is_shown_first() -> None:
    rate, order = make_rate(), place(make_item(shipped=True))
    dear = make_rate(amount=900)
    ShippingRate.objects.filter(pk=rate.pk).update(active=False)
    with transaction.atomic():
        assert order.refresh()
    assert (order.shipping_rate, order.total) == (dear, 4820 + 900)


def test_more_items_may_make_the_delivery_free_and_fewer_dear_again(buyer: Client) -> None:
    make_rate(free_from=9000)
    item = make_item(shipped=True)
    order = place_order(buyer, item)
    for quantity, total in ((2, 9640), (1, 4820 + 490)):
        buyer.post(f"/order/{order.pk}/lines", {f"item_{item.pk}": quantity})
        order.refresh_from_db()
        assert order.total == total


def test_the_last_item_that_is_sent_takes_the_delivery_with_it(buyer: Client) -> None:
    make_rate()
    sent, read = make_item(shipped=True), make_item(price=700)
    order = place_order(buyer, sent, read)
    buyer.post(f"/order/{order.pk}/lines", {"remove": sent.pk})
    order.refresh_from_db()
    assert (order.ship_to, order.shipping_rate, order.total) == ("", None, 700)


def test_country_and_rate_are_chosen_on_the_orders_page(buyer: Client) -> None:
    home, abroad = make_rate(countries=["US"]), make_rate(amount=1900, name="Air mail")
    order = place_order(buyer, make_item(shipped=True))
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert page.count('name="rate"') == 2
    assert '<option value="US" selected>United States</option>' in page
    for country, rate, total in (("DE", home, 1900), ("US", abroad, 490), ("US", abroad, 1900)):
        answer = buyer.post(f"/order/{order.pk}/delivery", {"country": country, "rate": rate.pk})
        assert answer.status_code == 303
        order.refresh_from_db()
        assert (order.ship_to, order.total) == (country, 4820 + total)


@pytest.mark.django_db(transaction=True)
def test_a_purchase_by_the_buy_button_has_its_delivery_chosen_too(buyer: Client, sandbox: Any) -> None:
    make_rate(countries=["US"])
    make_rate(amount=1900)
    item = make_item(shipped=True)
    buyer.get(f"/buy/{item.pk}")
    order = Order.objects.get()
    assert buyer.post(f"/order/{order.pk}/delivery", {"country": "JP"}).status_code == 303
    order.refresh_from_db()
    assert (order.ship_to, order.total) == ("JP", 4820 + 1900)
    assert buyer.get(f"/buy/{item.pk}").status_code == 200  # and it stays chosen
    assert Order.objects.get().ship_to == "JP"


@pytest.mark.parametrize(
    ("country", "code"),
    [("", "bad"), ("XX", "bad"), ("KP", "bad"), ("USA", "bad"), ("\x00", "bad"), ("ß", "bad"), ("DE", "no")],
)
def test_a_country_that_is_not_served_changes_nothing(buyer: Client, country: str, code: str) -> None:
    make_rate(countries=["US"])
    order = place_order(buyer, make_item(shipped=True))
    answer = buyer.post(f"/order/{order.pk}/delivery", {"country": country})
    assert answer.status_code == 422
    said = {"bad": "Please choose a country of the list.", "no": "to this country: Germany."}[code]
    assert said in answer.content.decode()
    order.refresh_from_db()
    assert (order.ship_to, order.total) == ("US", 4820 + 490)


def test_an_order_without_delivery_has_nothing_to_choose(buyer: Client) -> None:
    make_rate()
    order = place_order(buyer, make_item())
    assert 'data-testid="delivery"' not in buyer.get(f"/order/{order.pk}").content.decode()
    assert buyer.post(f"/order/{order.pk}/delivery", {"country": "US"}).status_code == 409


def test_a_delivery_and_a_hundred_items_are_more_than_stripe_takes() -> None:
    make_rate()
    items = [make_item(shipped=True, price=100) for _n in range(100)]
    with pytest.raises(ShopError, match="at most 99"):
        place(*items)
    assert place(*items[:99]).lines.count() == 100


def form(**facts: str) -> ShippingRateForm:
    usual = {"name": "Post", "amount": "4.90", "currency": "usd", "active": "on"}
    return ShippingRateForm(usual | facts)


def test_a_rate_is_typed_as_people_write_it() -> None:
    typed = form(countries="de, fr DE", free_from="75", min_days="2", max_days="4")
    assert typed.is_valid(), typed.errors
    rate = typed.save()
    assert (rate.amount, rate.free_from, rate.countries) == (490, 7500, ["DE", "FR"])
    again = ShippingRateForm(instance=rate)
    assert again["countries"].value() == "DE, FR"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("countries", "DE, XX"),
        ("countries", "EU"),
        ("countries", "KP"),
        ("countries", "<script>"),
        ("amount", "-1"),
        ("amount", "1e9"),
        ("amount", "4.905"),
        ("free_from", "x"),
        ("min_days", "2"),
        ("max_days", "0"),
        ("name", "\u200b"),
    ],
)
def test_a_rate_that_can_not_be_is_refused_at_its_field(field: str, value: str) -> None:
    assert set(form(**{field: value}).errors) <= {field, "max_days"}
    assert form(**{field: value}).errors


def test_days_are_from_one_to_a_year_in_their_order() -> None:
    assert form(min_days="5", max_days="2").errors
    with pytest.raises(IntegrityError), transaction.atomic():
        make_rate(min_days=5, max_days=2)


def test_every_place_but_those_that_stripe_leaves_out_can_be_served() -> None:
    assert len(SHIPPABLE) == 234
    assert {"US", "DE", "RU", "GE", "AQ"} <= SHIPPABLE
    assert not {"KP", "CU", "UM", "XX", "EU"} & SHIPPABLE


@pytest.mark.django_db(transaction=True)
def test_pay_leads_to_the_order_whose_country_is_served_no_more(buyer: Client, sandbox: Any) -> None:
    rate, item = make_rate(), make_item(shipped=True)
    make_rate(countries=["US"])
    order = place_order(buyer, item)
    buyer.post(f"/order/{order.pk}/delivery", {"country": "DE"})
    ShippingRate.objects.filter(pk=rate.pk).update(active=False)
    answer = buyer.post(f"/order/{order.pk}/buy")
    page = f"/order/{order.pk}?notice=no_delivery#delivery"
    assert (answer.status_code, answer["Location"]) == (303, page)
    said = buyer.get(page).content.decode()
    assert "We can’t deliver this order to this country: Germany." in said
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "no_delivery")
    assert answer["Location"] == page


@pytest.mark.django_db(transaction=True)
def test_buy_leads_to_its_order_whose_country_is_served_no_more_or_back_to_the_item(
    buyer: Client, sandbox: Any
) -> None:
    rate, item = make_rate(), make_item(shipped=True)
    make_rate(countries=["US"])
    buyer.get(f"/buy/{item.pk}")
    order = Order.objects.get()
    buyer.post(f"/order/{order.pk}/delivery", {"country": "DE"})
    ShippingRate.objects.filter(pk=rate.pk).update(active=False)
    answer = buyer.post(f"/buy/{item.pk}")
    page = f"/order/{order.pk}?notice=no_delivery#delivery"
    assert (answer.status_code, answer["Location"]) == (303, page)
    # Somebody who has no order yet, where nothing is delivered at all.
    ShippingRate.objects.update(active=False)
    buyer.cookies.clear()
    buyer.get("/cart")
    answer = buyer.post(f"/buy/{item.pk}")
    page = f"/item/{item.pk}?quantity=1&notice=no_delivery"
    assert (answer.status_code, answer["Location"]) == (303, page)
    assert "We can’t deliver this at the moment" in buyer.get(page).content.decode()
