"""The list of items is where the owner works: prices and stock in the row, an archive, two people at once."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from kopeck.catalog.forms import DiscountForm, ItemForm, ShippingRateForm, written_in
from kopeck.catalog.models import Discount, Item, Tax
from kopeck.money import CURRENCIES, to_decimal, to_minor
from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from tests.catalog.test_stock_admin import LIST, form_of, send
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db


def page_of(item: Item) -> str:
    return f"{LIST}{item.pk}/change/"


def text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.mark.parametrize(
    ("currency", "minor", "shown", "typed", "kept"),
    [("usd", 4820, "48.20", "52.5", 5250), ("jpy", 6800, "6800", "7000", 7000),
     ("kwd", 12_340, "12.340", "9.99", 9_990), ("isk", 500, "5", "6", 600)],
)  # fmt: skip
def test_a_price_is_edited_in_the_list_in_the_decimals_of_its_currency(
    owner: Client, currency: str, minor: int, shown: str, typed: str, kept: int
) -> None:
    item = make_item(currency=currency, price=minor)
    form = form_of(owner, LIST)
    assert form["form-0-price"] == shown
    send(owner, LIST, form | {"form-0-price": typed})
    item.refresh_from_db()
    assert item.price == kept


@pytest.mark.parametrize(
    ("currency", "typed", "said"),
    [("jpy", "48.20", "JPY has no decimals"), ("usd", "1.234", "at most 2 decimals"),
     ("usd", "a lot", "Enter a number"), ("usd", "-1", "greater than or equal to 0"),
     ("usd", "9999999999", "as large as this"), ("usd", "", "required")],
)  # fmt: skip
def test_a_price_in_the_list_that_the_currency_cannot_have_is_refused(
    owner: Client, currency: str, typed: str, said: str
) -> None:
    item = make_item(currency=currency, price=5000)
    other = make_item(name="Apron")
    form = form_of(owner, LIST)
    answer = owner.post(LIST, form | {"form-0-price": typed, "form-1-position": "9", "_save": "Save"})
    assert answer.status_code == 200
    assert said in text(answer)
    item.refresh_from_db()
    other.refresh_from_db()
    assert (item.price, other.position) == (5000, 0)  # all or nothing


@pytest.mark.parametrize("place", ["list", "page"])
def test_two_who_change_one_price_are_told_and_nothing_is_lost(owner: Client, place: str) -> None:
    item = make_item(price=4820)
    address = LIST if place == "list" else page_of(item)
    name = "form-0-price" if place == "list" else "price"
    form = form_of(owner, address)
    Item.objects.update(price=5500)  # somebody else, meanwhile
    answer = owner.post(address, form | {name: "60.00", "_save": "Save"})
    assert answer.status_code == 200
    assert "Somebody else changed this to “55.00” meanwhile" in text(answer)
    item.refresh_from_db()
    assert item.price == 5500
    # The page says what is there now, so that saving it again is meant.
    again = form | {name: "60.00", f"initial-{name}": "55.00"}
    assert f'name="initial-{name}" value="55.00"' in text(answer)
    send(owner, address, again)
    item.refresh_from_db()
    assert item.price == 6000


@pytest.mark.parametrize("place", ["list", "page"])
def test_a_form_that_was_open_long_writes_only_what_its_author_changed(owner: Client, place: str) -> None:
    item = make_item(price=4820, description="One\ntwo.")
    address = LIST if place == "list" else page_of(item)
    form = form_of(owner, address)
    Item.objects.update(price=5500, active=False)
    send(owner, address, form | {"form-0-position" if place == "list" else "position": "7"})
    item.refresh_from_db()
    assert (item.price, item.active, item.position) == (5500, False, 7)


def test_another_currency_meanwhile_makes_no_price_of_ten_thousand(owner: Client) -> None:
    """The typed 60.00 was meant in dollars."""
    item = make_item(price=4820)
    form = form_of(owner, page_of(item))
    Item.objects.update(price=6800, currency="jpy")
    answer = owner.post(page_of(item), form | {"price": "60", "_save": "Save"})
    assert answer.status_code == 200
    assert "Somebody else changed this to “jpy”" in text(answer)
    item.refresh_from_db()
    assert (item.price, item.currency) == (6800, "jpy")


def test_lines_that_end_otherwise_are_no_conflict(owner: Client) -> None:
    item = make_item(description="One\ntwo.")
    form = form_of(owner, page_of(item))
    shown = {"initial-description": "One\r\ntwo."}
    send(owner, page_of(item), form | shown | {"description": "One\r\ntwo\r\nthree."})
    item.refresh_from_db()
    assert item.description.splitlines() == ["One", "two", "three."]


def test_two_who_change_one_discount_are_told_too(owner: Client) -> None:
    discount = Discount.objects.create(name="Off", code="OFF", percent_off=10)
    address = f"/admin/catalog/discount/{discount.pk}/change/"
    assert 'name="initial-percent_off" value="10"' in text(owner.get(address))
    data = {"name": "Off", "code": "OFF", "percent_off": "30", "initial-percent_off": "10"}
    data |= {"amount_off": "", "minimum_subtotal": "", "currency": "", "max_redemptions": "", "active": "on"}
    data |= {"valid_from_0": "", "valid_from_1": "", "valid_until_0": "", "valid_until_1": ""}
    Discount.objects.update(percent_off=20)
    answer = owner.post(address, data)
    assert answer.status_code == 200
    assert "Somebody else changed this" in text(answer)
    discount.refresh_from_db()
    assert discount.percent_off == 20


def test_two_who_move_one_end_of_a_discount_are_told_in_the_date_as_people_read_it(owner: Client) -> None:
    def day(number: int) -> datetime:
        return datetime(2030, 1, number, 12, 30, tzinfo=UTC)

    discount = Discount.objects.create(name="Off", code="OFF", percent_off=10, valid_until=day(1))
    address = f"/admin/catalog/discount/{discount.pk}/change/"
    shown = {"valid_until_0": "2030-01-01", "valid_until_1": "12:30:00", "name": "Off", "code": "OFF"}
    shown |= {"percent_off": "10", "active": "on"}
    Discount.objects.update(valid_until=day(2))
    form = (
        {f"initial-{name}": value for name, value in shown.items()} | shown | {"valid_until_0": "2030-01-03"}
    )
    answer = owner.post(address, form)
    assert "Somebody else changed this to “2 Jan 2030, 12:30”" in text(answer)
    assert 'name="initial-valid_until_0" value="2030-01-02"' in text(answer)
    assert owner.post(address, form | {"initial-valid_until_0": "2030-01-02"}).status_code == 302
    discount.refresh_from_db()
    assert discount.valid_until == day(3)


def test_a_date_is_saved_though_another_field_was_wrong_at_first(owner: Client) -> None:
    discount = Discount.objects.create(name="Off", code="OFF", percent_off=10)
    address = f"/admin/catalog/discount/{discount.pk}/change/"
    form = {"name": "Off", "code": "OFF", "percent_off": "10", "active": "on"}
    form |= {"valid_until_0": "2030-01-03", "valid_until_1": "12:30:00"}
    form |= {"initial-valid_until_0": "", "initial-valid_until_1": ""}
    page = text(owner.post(address, form | {"percent_off": "1000"}))
    assert 'name="valid_until_0" value="2030-01-03"' in page
    assert 'value="2030-01-03"' not in re.findall(r'<input[^>]*"initial-valid_until_0"[^>]*>', page)[0]
    owner.post(address, form)
    discount.refresh_from_db()
    assert discount.valid_until is not None


def test_a_tax_keeps_what_another_form_wrote(owner: Client) -> None:
    tax = Tax.objects.create(display_name="VAT", percentage=20, country="DE")
    address = f"/admin/catalog/tax/{tax.pk}/change/"
    shown = {"percentage": "20", "display_name": "VAT", "country": "DE", "state": "", "jurisdiction": ""}
    form = shown | {f"initial-{name}": value for name, value in shown.items()} | {"active": "on"}
    Tax.objects.update(percentage=19)
    assert owner.post(address, form | {"country": "AT"}).status_code == 302
    tax.refresh_from_db()
    assert (tax.percentage, tax.country) == (19, "AT")


def test_the_help_beside_an_amount_is_an_amount_of_that_currency() -> None:
    assert "48.20" in ItemForm(instance=make_item(currency="eur")).fields["price"].help_text
    yen = ItemForm(instance=make_item(currency="jpy")).fields["price"].help_text
    assert "6800" in yen
    assert "48.20" not in yen
    assert "6800 in JPY" in ItemForm().fields["price"].help_text
    assert "Or a percentage" in DiscountForm().fields["amount_off"].help_text
    assert "never free" in ShippingRateForm().fields["free_from"].help_text


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_the_example_of_a_currency_is_one_that_the_form_takes(code: str) -> None:
    example = written_in(code).rstrip(".").rpartition(" ")[2]
    assert to_decimal(to_minor(Decimal(example), code), code) == Decimal(example)


def test_archived_items_are_off_the_shop_and_the_list_and_come_back(owner: Client, stranger: Client) -> None:
    item = make_item()
    order = placing.place([Wanted(item, 1)], visitor="somebody")
    assert "Moka pot" in text(owner.get(LIST))
    act = {"_selected_action": str(item.pk)}
    told = text(owner.post(LIST, act | {"action": "archive"}, follow=True))
    assert "1 item is in the archive." in told
    item.refresh_from_db()
    assert not item.active
    assert stranger.get(f"/item/{item.pk}").status_code == 404
    assert order.lines.get().item_id == item.pk
    list_now = text(owner.get(LIST))
    assert f"/item/{item.pk}/change/" not in list_now
    for found in ("?where=archive", "?where=all", "?q=moka"):
        assert f"/item/{item.pk}/change/" in text(owner.get(f"{LIST}{found}")), found
    assert "It is in the archive" in text(owner.get(page_of(item)))
    owner.post(f"{LIST}?where=archive", act | {"action": "bring_back"})
    item.refresh_from_db()
    assert item.active
    assert stranger.get(f"/item/{item.pk}").status_code == 200


def test_the_form_shows_what_buyers_see_and_leads_there(owner: Client) -> None:
    item = make_item(price=4820, stock=0)
    page = text(owner.get(page_of(item)))
    seen = page[page.index('data-testid="seen"') :]
    assert "$48.20" in seen
    assert f'href="/item/{item.pk}"' in seen
    assert "Sold out" in seen
    assert owner.get("/admin/catalog/item/add/").content.count(b'data-testid="seen"') == 0


def test_every_field_of_the_list_says_what_it_is_and_of_what(owner: Client) -> None:
    make_item(name="Tin of <tea>")
    page = text(owner.get(LIST))
    for name, label in (
        ("price", "Price"),
        ("stock", "Stock"),
        ("active", "On sale"),
        ("position", "Position"),
    ):
        (field,) = re.findall(rf'<input[^>]*name="form-0-{name}"[^>]*>', page)
        assert f'aria-label="{label}: Tin of &lt;tea&gt;"' in field


def test_the_list_has_a_picture_for_each_item(owner: Client) -> None:
    make_item()
    assert '<img class="thumbnail" src="/static/no-picture.svg"' in text(owner.get(LIST))
    Item.objects.update(image="items/mug-960.webp")
    assert 'src="/media/items/mug-480.webp"' in text(owner.get(LIST))
