"""The owner's desk for discounts and taxes: amounts as people write them, and a sentence for each odd mix."""

from decimal import Decimal
from typing import Any

import pytest
from babel import Locale
from django.test import Client

from kopeck.catalog.countries import COUNTRIES
from kopeck.catalog.forms import DiscountForm, TaxForm
from kopeck.catalog.models import Discount, Tax
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db


def form(**facts: str) -> DiscountForm:
    return DiscountForm({"name": "Spring", "active": "on"} | facts)


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [("5", "usd", 500), ("680", "jpy", 680), ("5", "isk", 500), ("1.5", "kwd", 1500)],
)
def test_an_amount_off_and_a_minimum_are_kept_in_minor_units(typed: str, currency: str, minor: int) -> None:
    discount = form(amount_off=typed, minimum_subtotal=typed, currency=currency).save()
    discount.refresh_from_db()
    assert (discount.amount_off, discount.minimum_subtotal, discount.percent_off) == (minor, minor, None)
    shown = DiscountForm(instance=discount).initial
    assert (shown["amount_off"], shown["minimum_subtotal"]) == (Decimal(typed), Decimal(typed))


def test_a_percentage_may_have_four_decimals_and_needs_no_currency() -> None:
    discount = form(percent_off="33.3333").save()
    discount.refresh_from_db()
    assert (discount.percent_off, discount.currency) == (Decimal("33.3333"), "")


def test_the_code_is_kept_in_capitals() -> None:
    assert form(percent_off="5", code="spring-5").save().code == "SPRING-5"


@pytest.mark.parametrize(
    ("facts", "field", "said"),
    [
        ({}, "percent_off", "Say how much is off"),
        ({"percent_off": "5", "amount_off": "5", "currency": "usd"}, "amount_off", "not both"),
        ({"percent_off": "0"}, "percent_off", "greater than or equal to 0.01"),
        ({"percent_off": "101"}, "percent_off", "less than or equal to 100"),
        ({"percent_off": "1.00001"}, "percent_off", "4 decimal places"),
        ({"amount_off": "5"}, "currency", "Which currency"),
        ({"percent_off": "5", "minimum_subtotal": "50"}, "currency", "Which currency"),
        ({"amount_off": "5", "currency": "xyz"}, "currency", "valid choice"),
        ({"amount_off": "0", "currency": "usd"}, "amount_off", "more than nothing"),
        ({"amount_off": "-1", "currency": "usd"}, "amount_off", "more than nothing"),
        ({"percent_off": "5", "minimum_subtotal": "-1", "currency": "usd"}, "minimum_subtotal", "equal to 0"),
        ({"amount_off": "5.001", "currency": "usd"}, "amount_off", "at most 2 decimals"),
        ({"amount_off": "6.5", "currency": "jpy"}, "amount_off", "has no decimals"),
        ({"amount_off": "5.124", "currency": "kwd"}, "amount_off", "the last one is 0"),
        ({"amount_off": "1000000", "currency": "usd"}, "amount_off", "as large as this"),
        ({"amount_off": "NaN", "currency": "usd"}, "amount_off", "Enter a number"),
        ({"percent_off": "5", "code": "ten percent"}, "code", "Letters, digits"),
        ({"percent_off": "5", "code": "taken"}, "code", "Another discount has this code"),
        ({"percent_off": "5", "name": "x" * 41}, "name", "at most 40 characters"),
        ({"percent_off": "5", "name": ""}, "name", "required"),
    ],
)
def test_what_a_discount_cannot_be_is_refused_in_one_sentence(
    facts: dict[str, str], field: str, said: str
) -> None:
    Discount.objects.create(name="Other", code="TAKEN", percent_off=1)
    filled = form(**facts)
    assert not filled.is_valid()
    assert said in str(filled.errors[field])
    assert "onstraint" not in str(filled.errors)


def test_a_discount_that_ends_before_it_begins_is_refused(owner: Client) -> None:
    page = add(owner, "discount", valid_from_0="2027-01-02", valid_from_1="00:00", valid_until_0="2027-01-01",
               valid_until_1="00:00")  # fmt: skip
    assert "It would end before it begins." in page


def add(owner: Client, model: str, **facts: str) -> str:
    usual = {"name": "Spring", "percent_off": "20", "active": "on", "display_name": "VAT", "percentage": "19"}
    answer = owner.post(f"/admin/catalog/{model}/add/", usual | facts, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_owner_adds_and_changes_a_discount(owner: Client) -> None:
    assert "was added successfully" in add(owner, "discount", code="spring")
    discount = Discount.objects.get()
    change = f"/admin/catalog/discount/{discount.pk}/change/"
    assert owner.get(change).status_code == 200
    data = {"name": "Five", "code": "spring", "amount_off": "5.00", "currency": "eur", "active": "on"}
    assert owner.post(change, data).status_code == 302
    discount.refresh_from_db()
    assert (discount.percent_off, discount.amount_off, discount.code) == (None, 500, "SPRING")
    assert "€5.00" in owner.get("/admin/catalog/discount/").content.decode()


def test_the_owner_adds_a_tax(owner: Client) -> None:
    assert "was added successfully" in add(owner, "tax", percentage="8.875", country="us", is_default="on")
    tax = Tax.objects.get()
    assert (tax.percentage, tax.country, tax.is_default) == (Decimal("8.875"), "US", True)
    assert "8.875 %" in owner.get("/admin/catalog/tax/").content.decode()
    assert 'value="8.875"' in owner.get(f"/admin/catalog/tax/{tax.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("facts", "field"),
    [({"country": "XX"}, "country"), ({"country": "1A"}, "country"), ({"percentage": "100.1"}, "percentage"),
     ({"percentage": "1.00001"}, "percentage"), ({"display_name": ""}, "display_name")],
)  # fmt: skip
def test_a_tax_that_stripe_would_refuse_is_refused_here(facts: dict[str, str], field: str) -> None:
    filled = TaxForm({"display_name": "VAT", "percentage": "19"} | facts)
    assert not filled.is_valid()
    assert list(filled.errors) == [field]


def test_a_tax_has_a_country_of_iso_3166_and_no_other_code_of_two_letters() -> None:
    """Babel names 264 territories: the EU, "pseudo-accents" and "unknown region" are among them."""
    assert len(COUNTRIES) == 249
    named = {code for code in Locale("en").territories if len(code) == 2 and code.isalpha()}
    for code in sorted(named | {"UK", "EL", "XI", "AN"}):
        filled = TaxForm({"display_name": "VAT", "percentage": "19", "country": code.lower()})
        assert filled.is_valid() == (code in COUNTRIES), code
    others = ("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ")
    assert named - COUNTRIES == set(others)


@pytest.mark.parametrize(
    ("country", "said"),
    [
        ("uk", "The ISO code of United Kingdom is GB."),
        ("XI", "The ISO code of United Kingdom is GB."),
        ("EL", "The ISO code of Greece is GR."),
        ("EU", "The EU is no country: add a tax for each country, or leave this empty."),
        ("ZZ", "This is no country&#x27;s ISO code of two letters, such as DE."),
        ("ß", "This is no country&#x27;s ISO code of two letters, such as DE."),
    ],
)
def test_a_country_that_is_none_is_refused_in_a_sentence_that_leads_on(country: str, said: str) -> None:
    filled = TaxForm({"display_name": "VAT", "percentage": "19", "country": country})
    assert said in str(filled.errors["country"])


@pytest.fixture
def used() -> tuple[Discount, Tax]:
    """A discount and a tax that an order has."""
    tax = Tax.objects.create(display_name="VAT", percentage=19, inclusive=True, is_default=True)
    discount = Discount.objects.create(name="Spring", code="SPRING", percent_off=20)
    order = placing.place([Wanted(make_item(price=1000), 1)], visitor="somebody")
    order.set_discount(discount)
    return discount, Tax.objects.get(pk=tax.pk)


@pytest.mark.parametrize("model", ["discount", "tax"])
def test_what_an_order_has_cannot_be_deleted_and_a_sentence_says_what_to_do(
    owner: Client, used: tuple[Discount, Tax], model: str
) -> None:
    thing: Any = used[0] if model == "discount" else used[1]
    for send in (owner.get, owner.post):
        answer: Any = send(f"/admin/catalog/{model}/{thing.pk}/delete/", {"post": "yes"}, follow=True)
        page = answer.content.decode()
        assert f"“{thing}” can&#x27;t be deleted: 1 order has it. Switch it off instead" in page
    several = {"action": "delete_selected", "_selected_action": [thing.pk], "post": "yes"}
    page = owner.post(f"/admin/catalog/{model}/", several, follow=True).content.decode()
    assert "can&#x27;t be deleted: 1 order has it." in page
    assert type(thing).objects.filter(pk=thing.pk).exists()


@pytest.mark.parametrize("model", ["discount", "tax"])
def test_what_no_order_has_is_deleted(owner: Client, model: str) -> None:
    add(owner, model)
    thing: Any = Discount.objects.get() if model == "discount" else Tax.objects.get()
    assert owner.post(f"/admin/catalog/{model}/{thing.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not type(thing).objects.exists()


def test_a_change_of_a_used_discount_leaves_the_orders_figures(
    owner: Client, used: tuple[Discount, Tax]
) -> None:
    discount, tax = used
    before = Order.objects.values().get()
    data = {"name": "Other", "percent_off": "50", "active": "on"}
    assert owner.post(f"/admin/catalog/discount/{discount.pk}/change/", data).status_code == 302
    data = {"display_name": "Other", "percentage": "7", "active": "on"}
    assert owner.post(f"/admin/catalog/tax/{tax.pk}/change/", data).status_code == 302
    order = Order.objects.get()
    assert Order.objects.values().get() == before
    assert (order.discount_name, str(order.taxes.get())) == ("Spring", "VAT 19 %")
