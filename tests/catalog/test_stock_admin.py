"""The owner counts while buyers buy: a form that was open for an hour undoes no sale."""

import re

import pytest
from django.test import Client

from kopeck.catalog.models import Item
from tests.support.shop import make_item
from tests.support.stocking import stock_of

pytestmark = pytest.mark.django_db

LIST = "/admin/catalog/item/"


def form_of(owner: Client, address: str) -> dict[str, str]:
    """What the page's form would send as it was shown."""
    page = owner.get(address).content.decode()
    page = page[
        page.index('<form id="changelist-form"') if address == LIST else page.index('id="item_form"') :
    ]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value, kind = (
            (re.search(rf' {attribute}="([^"]*)"', tag) or ["", ""])[1]
            for attribute in ("name", "value", "type")
        )
        if name and kind != "submit" and (kind != "checkbox" or " checked" in tag):
            fields[name] = value or ("on" if kind == "checkbox" else "")
    description = re.search(r"<textarea[^>]*>\s*(.*?)</textarea>", page, re.DOTALL)
    if description:
        fields["description"] = description[1]
    chosen = re.search(r'<option value="(\w+)" selected', page)
    if chosen:
        fields["currency"] = chosen[1]
    return {name: value for name, value in fields.items() if not name.startswith("_")}


def send(owner: Client, address: str, form: dict[str, str]) -> None:
    more = {"_save": "Save"}
    answer = owner.post(address, form | more)
    assert answer.status_code == 302, answer.content.decode()


def sell(item: Item, pieces: int) -> None:
    """What a payment does at that moment."""
    Item.objects.filter(pk=item.pk).update(stock=(stock_of(item) or 0) - pieces)


def names(item: Item, address: str) -> str:
    return "form-0-stock" if address == LIST else "stock"


@pytest.fixture(params=["list", "page"])
def item(request: pytest.FixtureRequest) -> Item:
    return make_item(stock=10)


@pytest.fixture
def address(request: pytest.FixtureRequest, item: Item) -> str:
    page = request.node.callspec.params["item"] == "page"
    return f"{LIST}{item.pk}/change/" if page else LIST


def test_a_form_that_leaves_the_stock_alone_undoes_no_sale(owner: Client, item: Item, address: str) -> None:
    form = form_of(owner, address)
    sell(item, 3)
    position = names(item, address).replace("stock", "position")
    send(owner, address, form | {position: "7"})
    assert stock_of(item) == 7
    assert Item.objects.get().position == 7


def test_a_new_count_is_taken_as_the_difference_to_what_was_shown(
    owner: Client, item: Item, address: str
) -> None:
    form = form_of(owner, address)
    sell(item, 3)
    send(owner, address, form | {names(item, address): "15"})  # five more have come in
    assert stock_of(item) == 12


def test_a_count_below_what_was_sold_meanwhile_is_nothing_and_not_less(
    owner: Client, item: Item, address: str
) -> None:
    form = form_of(owner, address)
    sell(item, 8)
    send(owner, address, form | {names(item, address): "5"})
    assert stock_of(item) == 0


def test_a_limit_is_set_and_taken_away(owner: Client, item: Item, address: str) -> None:
    name = names(item, address)
    send(owner, address, form_of(owner, address) | {name: ""})
    assert stock_of(item) is None
    send(owner, address, form_of(owner, address) | {name: "4"})
    assert stock_of(item) == 4


@pytest.mark.parametrize("count", ["-1", "1.5", "many", "1000000000000"])
def test_what_is_no_count_is_refused(owner: Client, count: str) -> None:
    item = make_item(stock=3)
    address = f"{LIST}{item.pk}/change/"
    answer = owner.post(address, form_of(owner, address) | {"stock": count})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert stock_of(item) == 3


def test_the_rest_of_the_form_is_saved_as_before(owner: Client) -> None:
    item = make_item(stock=3)
    address = f"{LIST}{item.pk}/change/"
    send(owner, address, form_of(owner, address) | {"name": "Tall pot", "price": "50.00"})
    item.refresh_from_db()
    assert (item.name, item.price, item.stock, item.description) == ("Tall pot", 5000, 3, "For three cups.")
