"""The catalogue by the API: a page at a time, in the owner's order, each item once."""

from typing import Any

import pytest
from django.test import Client

from tests.support.shop import make_item

pytestmark = pytest.mark.django_db

ITEMS = "/api/v1/items"


def pages(client: Client, limit: int) -> list[list[int]]:
    """The ids of all pages, as a program reads them that follows `next`."""
    found: list[list[int]] = []
    after: Any = ""
    while after is not None:
        answer = client.get(f"{ITEMS}?limit={limit}{f'&after={after}' if after else ''}").json()
        found.append([item["id"] for item in answer["items"]])
        after = answer["next"]
    return found


def test_the_pages_have_every_item_on_sale_once_in_the_owners_order(client: Client) -> None:
    made = [make_item(position=position).pk for position in (2, 1, 1, 3, 1, 2, 0)]
    hidden = make_item(position=1, active=False)
    whole = [made[6], made[1], made[2], made[4], made[0], made[5], made[3]]
    assert pages(client, 500) == [whole]
    assert pages(client, 3) == [whole[:3], whole[3:6], whole[6:]]
    assert pages(client, 7) == [whole]
    # An item that was taken off sale meanwhile keeps its place.
    behind = client.get(f"{ITEMS}?after={hidden.pk}").json()
    assert [item["id"] for item in behind["items"]] == whole[4:]


def test_without_a_limit_a_page_has_a_hundred(client: Client) -> None:
    for _number in range(101):
        make_item()
    answer = client.get(ITEMS).json()
    assert len(answer["items"]) == 100
    assert answer["next"] == answer["items"][-1]["id"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ("after=1000000", 404, "item_not_found"),
        ("after=x", 422, "invalid"),
        ("after=0", 422, "invalid"),
        (f"after={2**63}", 422, "invalid"),
        ("limit=0", 422, "invalid"),
        ("limit=501", 422, "invalid"),
    ],
)
def test_a_wrong_page_is_refused_with_a_code(client: Client, asked: str, status: int, code: str) -> None:
    answer = client.get(f"{ITEMS}?{asked}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_page_costs_the_same_wherever_it_is(client: Client, django_assert_num_queries: Any) -> None:
    made = [make_item().pk for _number in range(6)]
    with django_assert_num_queries(1):
        client.get(f"{ITEMS}?limit=2")
    with django_assert_num_queries(2):
        client.get(f"{ITEMS}?limit=2&after={made[3]}")
