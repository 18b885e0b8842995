"""Every order that contains an item: all for staff, one's own for a buyer, a constant number of queries."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.storefront.lists import orders_with_item
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db


def place(count: int, visitor: str = "v" * 64) -> list[Order]:
    item, other = make_item(name="Pot"), make_item(name="Lamp")
    return [placing.place([Wanted(item, 1 + n % 3), Wanted(other, 1)], visitor=visitor) for n in range(count)]


def test_staff_sees_all_and_a_buyer_ones_own(owner: Client, buyer: Client, stranger: Client) -> None:
    pot = make_item(name="Pot")
    buyer.post("/order", {f"item_{pot.pk}": "2"})
    order = Order.objects.get()
    for client, expected in ((owner, [order.pk]), (buyer, [order.pk]), (stranger, [])):
        answer = client.get(f"/api/v1/items/{pot.pk}/orders")
        assert [found["id"] for found in answer.json()["orders"]] == expected
        page = client.get(f"/item/by_order/{pot.pk}")
        assert page.status_code == 200
        assert (f"/order/{order.pk}" in page.content.decode()) == bool(expected)


def test_only_staff_that_may_view_orders_sees_those_of_others(buyer: Client) -> None:
    pot = make_item(name="Pot")
    buyer.post("/order", {f"item_{pot.pk}": "2"})
    order = Order.objects.get()
    seen = {}
    for may in ("nothing", "view_order", "change_order"):
        user = User.objects.create_user(may, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename=may))
        client = Client()
        client.force_login(user)
        found = [one["id"] for one in client.get(f"/api/v1/items/{pot.pk}/orders").json()["orders"]]
        page = client.get(f"/item/by_order/{pot.pk}").content.decode()
        assert (f"/order/{order.pk}" in page) == bool(found)
        assert ("You have not ordered" in page) == (may == "nothing")
        seen[may] = found
        # A permission without the rank is none, as at the admin's own door.
        User.objects.filter(pk=user.pk).update(is_staff=False)
        assert client.get(f"/api/v1/items/{pot.pk}/orders").json()["orders"] == []
    assert seen == {"nothing": [], "view_order": [order.pk], "change_order": [order.pk]}


def test_orders_without_the_item_are_not_among_them(owner: Client) -> None:
    place(1)
    other = make_item(name="Never bought")
    assert owner.get(f"/api/v1/items/{other.pk}/orders").json() == {"orders": [], "next": None}
    assert owner.get("/item/by_order/99999").status_code == 404


def test_an_archived_item_still_has_its_orders(owner: Client) -> None:
    (order,) = place(1)
    item = order.lines.all()[0].item
    item.active = False
    item.save()
    assert len(owner.get(f"/api/v1/items/{item.pk}/orders").json()["orders"]) == 1


def test_pages_follow_each_other_without_gaps_or_repeats(owner: Client) -> None:
    orders = place(120)
    item = orders[0].lines.all()[0].item
    seen: list[int] = []
    address = f"/api/v1/items/{item.pk}/orders"
    before = None
    for _page in range(3):
        answer = owner.get(address, {"before": before} if before else {}).json()
        seen += [order["id"] for order in answer["orders"]]
        before = answer["next"]
    assert before is None
    assert seen == [order.pk for order in reversed(orders)]


def test_the_number_of_queries_does_not_grow(owner: Client) -> None:
    counts = set()
    for size in (1, 5, 50):
        orders = place(size)
        item = orders[0].lines.all()[0].item
        for address in (f"/item/by_order/{item.pk}", f"/api/v1/items/{item.pk}/orders"):
            with CaptureQueriesContext(connection) as queries:
                owner.get(address)
            counts.add((address.split("/")[1], len(queries)))
    assert len(counts) == 2
    assert max(count for _, count in counts) <= 8


def test_the_list_is_bound_on_the_index_and_never_walks_all_orders() -> None:
    orders = place(3)
    item = orders[0].lines.all()[0].item
    with CaptureQueriesContext(connection) as queries:
        orders_with_item(item, before=orders[-1].pk)
    first = queries[0]["sql"]
    assert '"orders_orderline"."order_id" <' in first
    assert "JOIN" not in first


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 30, "1.5"])
def test_a_bad_bound_is_refused_or_ignored_and_never_a_traceback(owner: Client, before: str) -> None:
    orders = place(1)
    item = orders[0].lines.all()[0].item
    assert owner.get(f"/item/by_order/{item.pk}", {"before": before}).status_code == 200
    answer = owner.get(f"/api/v1/items/{item.pk}/orders", {"before": before})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
