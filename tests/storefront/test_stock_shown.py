"""What visitors are told of few pieces: on the window, the item, the order and through the API."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from kopeck.orders.models import Order
from tests.support.buying import buy
from tests.support.programs import Program, make_token
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def told(client: Client, address: str) -> str:
    """What is said of the stock there, in words."""
    page = client.get(address).content.decode()
    found = re.search(r'data-testid="(?:left|short)">(.*?)</(?:p|small)>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>|✕", "", found[1]).split()) if found else ""


def field(client: Client, address: str) -> str:
    found = re.search(r'<input type="number"[^>]*max="(\d+)"', client.get(address).content.decode())
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("stock", "said", "most"),
    [
        (None, "", "99"), (200, "", "99"), (6, "", "6"), (5, "Only 5 left", "5"),
        (1, "Only 1 left", "1"), (0, "Sold out", ""),
    ],
)  # fmt: skip
def test_few_pieces_are_told_and_quantities_are_capped(
    buyer: Client, stock: int | None, said: str, most: str
) -> None:
    item = make_item(stock=stock)
    for address in ("/", f"/item/{item.pk}"):
        assert (told(buyer, address), field(buyer, address)) == (said, most)
    page = buyer.get(f"/item/{item.pk}").content.decode()
    assert ('data-testid="buy" disabled' in page) == (stock == 0)


def test_pieces_that_somebody_else_may_pay_for_are_not_offered(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    item = make_item(stock=1)
    buy(buyer, item)
    for address in ("/", f"/item/{item.pk}"):
        assert told(stranger, address) == "Sold out for now"
    assert "Somebody else is paying" in stranger.get(f"/item/{item.pk}").content.decode()
    # The buyer who holds them can come back and go on.
    assert told(buyer, f"/item/{item.pk}?mine=1") == "Only 1 left"
    assert told(stranger, f"/item/{item.pk}?mine=1") == "Sold out for now"
    assert buy(buyer, item)[0] == 200


def test_what_a_program_s_order_holds_is_no_strangers_without_a_cookie(sandbox: ShopSandbox) -> None:
    item, program = make_item(stock=1), Program(make_token("orders:write"))
    order = program.post("/api/v1/orders", {"lines": [{"item": item.pk}]}).json()["id"]
    assert program.post(f"/api/v1/orders/{order}/checkout").status_code == 200
    assert told(Client(), "/search?q=pot") == "Sold out for now"


def test_the_order_says_what_is_not_there_any_more_and_offers_no_payment(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    item = make_item(stock=2)
    buyer.post("/order", {f"item_{item.pk}": "2"})
    order = Order.objects.get()
    address = f"/order/{order.pk}"
    assert told(buyer, address) == ""
    buy(stranger, item, 1)
    assert told(buyer, address) == "Only 1 left"
    buy(Client(), item, 1)
    assert told(buyer, address) == "Sold out for now"
    Order.objects.latest("pk").payments.update(status="expired")
    page = buyer.get(address).content.decode()
    assert 'data-testid="pay" disabled' in page
    assert "Take fewer, or take it out" in page
    answer = buyer.post(f"{address}/buy")
    assert (answer.status_code, answer["Location"]) == (303, f"{address}?notice=not_enough_stock")
    assert "Nothing was charged" in buyer.get(answer["Location"]).content.decode()
    buyer.post(f"{address}/lines", {f"item_{item.pk}": "1"})
    assert told(buyer, address) == ""
    assert buyer.get(f"{address}/buy").status_code == 200
    assert 'data-testid="pay" disabled' not in buyer.get(address).content.decode()


def test_buy_without_javascript_leads_to_the_page_that_says_what_is_left(buyer: Client) -> None:
    item = make_item(stock=0)
    answer = buyer.post(f"/buy/{item.pk}")
    assert (answer.status_code, answer["Location"]) == (303, f"/item/{item.pk}?quantity=1")
    for_a_program = buyer.post(f"/buy/{item.pk}", headers={"Accept": "application/json"})
    assert (for_a_program.status_code, for_a_program.json()["error"]["code"]) == (409, "sold_out")


def test_the_api_tells_what_is_left_and_refuses_an_order_of_more(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    item, mug = make_item(name="Pot", stock=4, position=1), make_item(name="Mug", position=2)
    make_item(name="Old", active=False)
    buy(buyer, item, 2)
    listed = stranger.get("/api/v1/items").json()["items"]
    assert [(one["name"], one["left"]) for one in listed] == [("Pot", 2), ("Mug", None)]
    assert stranger.get(f"/api/v1/items/{item.pk}").json() == listed[0]
    assert stranger.get("/api/v1/items/99").status_code == 404
    wanted = {"lines": [{"item": mug.pk}, {"item": item.pk, "quantity": 3}]}
    answer = stranger.post("/api/v1/orders", wanted, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_enough_stock")
    assert Order.objects.count() == 1


def test_many_items_cost_no_more_queries_than_one(sandbox: ShopSandbox, buyer: Client) -> None:
    for _time in range(8):
        buy(buyer, make_item(stock=3))
    stranger = Client()
    for address in ("/", "/api/v1/items"):
        with CaptureQueriesContext(connection) as queries:
            stranger.get(address)
        assert len(queries) == 1, address
