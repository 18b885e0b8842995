"""The window of a large catalogue: pages of 48, each item once, and what was chosen on another page."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kopeck.catalog.models import Item
from kopeck.orders.models import Order
from kopeck.storefront.goods import PAGE
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db(transaction=True)


def shelve(number: int, **facts: object) -> list[Item]:
    """So many items, of which always three share a position."""
    words = "An item whose first line says what it is for, as a seller would write it on its card"
    made = [
        Item(name=f"Good {n:05}", description=words, price=4820, position=n // 3, **facts)
        for n in range(number)
    ]
    return Item.objects.bulk_create(made)


def shown(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'class="card" href="/item/(\d+)"', page)]


def link(page: str, rel: str) -> str:
    found = re.search(rf'<a href="([^"]+)" rel="{rel}"', page)
    return found[1] if found else ""


@pytest.mark.parametrize("start", ["/", "/cart"])
def test_the_pages_show_every_item_once_and_lead_back(buyer: Client, start: str) -> None:
    items = shelve(2 * PAGE + 5)
    make_item(name="Off sale", position=2, active=False)
    seen, addresses = [], [start]
    while addresses[-1]:
        page = buyer.get(addresses[-1]).content.decode()
        seen += shown(page)
        addresses.append(link(page, "next"))
    assert seen == [item.pk for item in items]
    assert len(addresses) == 4
    for here, back in zip(addresses[1:3], addresses[:2], strict=True):
        assert link(buyer.get(here).content.decode(), "prev") == back
    assert link(buyer.get(start).content.decode(), "prev") == ""


def test_a_full_last_page_leads_no_further(buyer: Client) -> None:
    items = shelve(PAGE)
    page = buyer.get("/").content.decode()
    assert len(shown(page)) == PAGE
    assert "pager" not in page
    beyond = buyer.get(f"/after/{items[-1].pk}")
    assert "That was everything" in beyond.content.decode()
    assert buyer.get("/after/999999").status_code == 404
    assert buyer.get("/cart?after=999999").status_code == 404
    assert shown(buyer.get("/cart?after=x").content.decode()) == shown(page)


def test_a_page_begins_behind_an_item_that_is_sold_no_more(buyer: Client) -> None:
    items = shelve(PAGE + 2)
    later = link(buyer.get("/").content.decode(), "next")
    Item.objects.filter(pk=items[PAGE - 1].pk).update(active=False)
    assert shown(buyer.get(later).content.decode()) == [item.pk for item in items[PAGE:]]


def test_what_was_ordered_from_another_page_stays_when_this_one_is_ordered(buyer: Client) -> None:
    items = shelve(PAGE + 1)
    first, last = items[0], items[-1]
    buyer.post("/order", {f"item_{first.pk}": "2"})
    page = buyer.get(f"/cart?after={items[PAGE - 1].pk}").content.decode()
    fields = dict(re.findall(r'<input type="(?:hidden|number)" name="(item_\d+)" value="(\d+)"', page))
    assert fields == {f"item_{first.pk}": "2", f"item_{last.pk}": "0"}
    buyer.post("/order", fields | {f"item_{last.pk}": "1"})
    order = Order.objects.get()
    assert {line.item_id: line.quantity for line in order.lines.all()} == {first.pk: 2, last.pk: 1}


def test_without_a_script_what_was_chosen_is_kept_before_the_next_page(buyer: Client) -> None:
    first, *others = shelve(PAGE + 1)
    later = f"/after/{others[PAGE - 2].pk}"
    nothing = buyer.post("/order", {"kept": "1", f"item_{first.pk}": "0", "then": later})
    assert (nothing.status_code, nothing["Location"]) == (303, later)
    assert not Order.objects.exists()
    chosen = buyer.post("/order", {"kept": "1", f"item_{first.pk}": "2", "then": later})
    assert (chosen.status_code, chosen["Location"]) == (303, f"/cart?after={others[PAGE - 2].pk}")
    assert f'name="item_{first.pk}" value="2"' in buyer.get(chosen["Location"]).content.decode()
    for elsewhere in ("https://evil.example/", "//evil.example", "/after/1/../../admin"):
        answer = buyer.post("/order", {"kept": "1", f"item_{first.pk}": "2", "then": elsewhere})
        assert answer["Location"] == f"/order/{Order.objects.get().pk}"


def test_a_page_is_three_statements_at_most(buyer: Client) -> None:
    items = shelve(3 * PAGE)
    for address, most in (("/", 1), (f"/after/{items[PAGE - 1].pk}", 3), (f"/after/{items[-2].pk}", 3)):
        with CaptureQueriesContext(connection) as queries:
            assert buyer.get(address).status_code == 200
        assert len(queries) <= most, address


@pytest.mark.slow
def test_a_page_of_a_catalogue_of_ten_thousand_stays_under_100_kb(buyer: Client) -> None:
    items = shelve(10_000, stock=3)
    for address in ("/", f"/after/{items[4999].pk}", "/cart"):
        assert len(buyer.get(address).content) < 100_000, address
    assert shown(buyer.get(f"/after/{items[4999].pk}").content.decode())[0] == items[5000].pk
