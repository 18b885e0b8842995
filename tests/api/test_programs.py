"""A program does the seller's work by the API: stock, orders, payments, refunds, shipments."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core import mail as outgoing
from django.db import connection
from django.test import Client

from kopeck.api.models import Scope
from kopeck.catalog.models import Item
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.orders.wanted import Wanted
from kopeck.refunds import jobs as refund_jobs
from kopeck.refunds.models import Refund
from tests.support.buying import paid_order, paid_order_of
from tests.support.programs import Program, make_token
from tests.support.refunding import at_stripe
from tests.support.shop import ShopSandbox, make_item, make_rate
from tests.support.worker import work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def program(db: None) -> Program:
    return Program(make_token())


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


# Items and stock


def test_an_item_has_its_page_and_its_pictures(program: Program) -> None:
    item = make_item(image="items/pot.webp", shipped=True)
    shown = program.get(f"/api/v1/items/{item.pk}").json()
    assert shown["url"] == f"http://testserver/item/{item.pk}"
    assert [
        (one["width"], one["url"].startswith("http://testserver/media/items/")) for one in shown["pictures"]
    ] == [
        (960, True),
        (480, True),
    ]
    assert shown["shipped"] is True
    (listed,) = program.get("/api/v1/items").json()["items"]
    assert listed == shown


def test_the_stock_of_all_items_is_listed_by_pages(program: Program) -> None:
    made = [make_item(stock=number or None, active=number != 2).pk for number in range(5)]
    seen, after = [], 0
    while after is not None:
        page = program.get(f"/api/v1/stock?limit=2&after={after}").json()
        seen += page["items"]
        after = page["next"]
    assert [one["id"] for one in seen] == made
    assert [(one["stock"], one["active"]) for one in seen] == [
        (None, True),
        (1, True),
        (2, False),
        (3, True),
        (4, True),
    ]


def test_the_stock_is_set_and_changed_and_never_below_nothing(program: Program) -> None:
    item = make_item(stock=3)
    address = f"/api/v1/items/{item.pk}/stock"
    assert program.post(address, {"change": -2}).json()["stock"] == 1
    assert code_of(program.post(address, {"change": -2})) == (409, "stock_out_of_range")
    assert program.post(address, {"set": 10}).json() == {
        "id": item.pk, "name": item.name, "active": True, "stock": 10, "left": 10,
    }  # fmt: skip
    assert program.post(address, {"set": None}).json()["stock"] is None
    assert code_of(program.post(address, {"change": 1})) == (409, "stock_unlimited")
    for wrong in (
        {},
        {"set": 1, "change": 1},
        {"set": None, "change": 1},
        {"set": -1},
        {"change": None},
        {"set": 1.5},
    ):
        assert code_of(program.post(address, wrong)) == (422, "invalid"), wrong
    assert code_of(program.post("/api/v1/items/999999/stock", {"set": 1})) == (404, "item_not_found")


def test_changes_of_the_stock_at_once_all_count(program: Program) -> None:
    item = make_item(stock=100)

    def take(_number: int) -> int:
        status: int = program.post(f"/api/v1/items/{item.pk}/stock", {"change": -1}).status_code
        connection.close()
        return status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(take, range(40))) == {200}
    assert Item.objects.get().stock == 60


# Orders


def place(**facts: Any) -> Order:
    return placing.place([Wanted(make_item(**facts), 1)], visitor="v" * 64)


def test_orders_are_listed_newest_first_by_pages_and_filters(program: Program) -> None:
    orders = [place() for _number in range(5)]
    Order.objects.filter(pk=orders[1].pk).update(status="expired", email="Ada@example.com")
    seen, before = [], ""
    while before is not None:
        page = program.get(f"/api/v1/orders?limit=2{f'&before={before}' if before else ''}").json()
        seen += [one["id"] for one in page["orders"]]
        before = page["next"]
    assert seen == [order.pk for order in reversed(orders)]

    def ids(query: str) -> list[int]:
        return [one["id"] for one in program.get(f"/api/v1/orders?{query}").json()["orders"]]

    assert ids("status=expired") == [orders[1].pk]
    assert ids("email=ada@example.com") == [orders[1].pk]
    Order.objects.filter(pk__in=[orders[0].pk, orders[1].pk]).update(created="2020-01-01T00:00Z")
    assert ids("since=2021-01-01T00:00:00Z") == [order.pk for order in reversed(orders[2:])]
    assert ids("since=2100-01-01T00:00:00Z") == []
    for wrong in ("status=lost", "since=yesterday", "limit=101", "before=0", "to_send=maybe"):
        answer = program.get(f"/api/v1/orders?{wrong}")
        assert code_of(answer) == (422, "invalid"), wrong
        assert answer.json()["error"]["message"].startswith(wrong.partition("=")[0])


def test_a_browser_lists_its_own_orders_and_staff_all_of_them(buyer: Client, owner: Client) -> None:
    foreign = place()
    mine = buyer.post(
        "/api/v1/orders", {"lines": [{"item": make_item().pk}]}, content_type="application/json"
    )
    listed = buyer.get("/api/v1/orders").json()["orders"]
    assert [one["id"] for one in listed] == [mine.json()["id"]]
    assert listed[0]["contact"] is None
    assert "key=" not in listed[0]["url"]
    assert Client().get("/api/v1/orders").json() == {"orders": [], "next": None}
    assert [one["id"] for one in owner.get("/api/v1/orders").json()["orders"]] == [
        mine.json()["id"],
        foreign.pk,
    ]


def test_a_list_costs_the_same_number_of_statements_however_long(
    program: Program, django_assert_max_num_queries: Any
) -> None:
    make_rate()
    for _number in range(12):
        Shipment.to(place(shipped=True), {"name": "Ada"})
    program.get("/api/v1/orders?limit=1")
    with django_assert_max_num_queries(3):
        assert len(program.get("/api/v1/orders").json()["orders"]) == 12


def test_an_order_is_paid_at_checkout_and_then_stays_as_it_is(
    sandbox: ShopSandbox, program: Program, deliver: Any
) -> None:
    pot = make_item()
    order = program.post("/api/v1/orders", {"lines": [{"item": pot.pk}]}).json()
    address = f"/api/v1/orders/{order['id']}"
    session = program.post(f"{address}/checkout").json()
    assert program.post(f"{address}/checkout").json() == session
    assert session["url"].endswith(session["session_id"])
    # What is changed closes the session of the old total.
    program.patch(address, {"lines": [{"item": pot.pk, "quantity": 2}]})
    other = program.post(f"{address}/checkout").json()
    assert other["session_id"] != session["session_id"]
    assert sandbox.stripe.v1.checkout.sessions.retrieve(session["session_id"]).status == "expired"
    sandbox.pay(other["session_id"])
    for event in sandbox.events():
        deliver(event)
    paid = program.get(address).json()
    assert (paid["status"], paid["total"]) == ("paid", 9640)
    assert paid["contact"]["email"]
    for refused in (
        program.patch(address, {"lines": [{"item": pot.pk}]}),
        program.post(f"{address}/cancel"),
    ):
        assert code_of(refused) == (409, "not_payable")
    assert program.post(f"{address}/checkout").status_code == 409
    # Who opens the link is the buyer.
    page = Client().get(paid["url"].removeprefix("http://testserver"))
    assert 'data-order-status="paid"' in page.content.decode()


def test_each_buyer_of_a_program_holds_the_pieces_that_are_being_paid_for(
    sandbox: ShopSandbox, program: Program
) -> None:
    item = make_item(stock=2)
    made = [
        program.post("/api/v1/orders", {"lines": [{"item": item.pk}]}).json()["id"] for _number in range(3)
    ]
    paid = [program.post(f"/api/v1/orders/{order}/checkout") for order in made]
    assert [answer.status_code for answer in paid] == [200, 200, 409]
    assert code_of(paid[2]) == (409, "sold_out")
    assert program.get(f"/api/v1/items/{item.pk}").json()["left"] == 0


def test_an_intent_is_handed_out_and_its_secret_is_kept_nowhere(
    sandbox: ShopSandbox, program: Program
) -> None:
    order = program.post("/api/v1/orders", {"lines": [{"item": make_item().pk}]}).json()
    address = f"/api/v1/orders/{order['id']}/intent"
    first = program.post(address, Idempotency_Key="pay-1").json()
    again = program.post(address, Idempotency_Key="pay-1")
    assert first["client_secret"].startswith(first["payment_intent_id"])
    assert again.json() == first
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(a)::text FROM api_answer AS a")
        assert all(first["client_secret"] not in text for (text,) in cursor.fetchall())


def test_cancelling_twice_is_no_mistake(sandbox: ShopSandbox, program: Program) -> None:
    order = program.post("/api/v1/orders", {"lines": [{"item": make_item().pk}]}).json()
    session = program.post(f"/api/v1/orders/{order['id']}/checkout").json()
    for _time in range(2):
        assert program.post(f"/api/v1/orders/{order['id']}/cancel").json()["status"] == "cancelled"
    assert sandbox.stripe.v1.checkout.sessions.retrieve(session["session_id"]).status == "expired"


def test_a_buyer_changes_and_cancels_by_the_cookie_and_a_stranger_does_not(
    buyer: Client, stranger: Client
) -> None:
    pot = make_item()
    made = buyer.post("/api/v1/orders", {"lines": [{"item": pot.pk}]}, content_type="application/json").json()
    address = f"/api/v1/orders/{made['id']}"
    change = {"lines": [{"item": pot.pk, "quantity": 3}]}
    assert stranger.patch(address, change, content_type="application/json").status_code == 404
    foreign = buyer.patch(
        address, change, content_type="application/json", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code == 403
    assert buyer.patch(address, change, content_type="application/json").json()["total"] == 3 * 4820
    assert stranger.post(f"{address}/cancel").status_code == 404
    assert buyer.post(f"{address}/cancel").json()["status"] == "cancelled"


# Refunds and shipments


def test_a_refund_of_an_amount_of_pieces_and_of_the_rest(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    pot, lamp = make_item(price=1000, stock=5), make_item(price=300)
    order = paid_order_of(sandbox, buyer, deliver, {pot.pk: 3, lamp.pk: 1})
    address = f"/api/v1/orders/{order.pk}/refunds"
    pieces = program.post(address, {"lines": [{"item": pot.pk, "quantity": 1}], "restock": True}).json()
    assert (pieces["amount"], Item.objects.get(pk=pot.pk).stock) == (1000, 3)
    some = program.post(address, {"amount": 250, "reason": "requested_by_customer"})
    assert (some.status_code, some.json()["amount"], some.json()["status"]) == (201, 250, "succeeded")
    assert program.post(address, {}).json()["amount"] == 3300 - 250 - 1000
    assert at_stripe(sandbox) == [1000, 250, 2050]
    order.refresh_from_db()
    assert order.status == "refunded"
    assert [one["amount"] for one in program.get(address).json()["refunds"]] == [1000, 250, 2050]
    assert code_of(program.post(address, {})) == (409, "refund_nothing")
    assert "A program refunds" in order.notes.filter(text__contains="refunds")[0].text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"amount": 99999}, 409, "refund_too_large"),
        ({"amount": 0}, 422, "invalid"),
        ({"amount": 1, "lines": [{"item": 1, "quantity": 1}]}, 422, "invalid"),
        ({"amount": True}, 422, "invalid"),
        ({"amount": 10.0}, 422, "invalid"),
        ({"amount": "10"}, 422, "invalid"),
        ({"lines": [{"item": 999999, "quantity": 1}]}, 404, "item_not_found"),
        ({"reason": "because"}, 422, "invalid"),
    ],
)
def test_a_refund_that_cannot_be_is_refused_and_nothing_is_refunded(
    body: Any, status: int, code: str, sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    assert code_of(program.post(f"/api/v1/orders/{order.pk}/refunds", body)) == (status, code)
    assert not Refund.objects.exists()


def test_a_misspelt_amount_is_no_refund_of_everything(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    answer = program.post(f"/api/v1/orders/{order.pk}/refunds", {"amout": 100})
    assert code_of(answer) == (422, "invalid")
    assert answer.json()["error"]["message"] == "There is no field amout."
    assert not Refund.objects.exists()


def test_a_refund_that_stripe_does_not_answer_is_requested_and_retried(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    address = f"/api/v1/orders/{order.pk}/refunds"
    fault = {"kind": "cut_after", "path": "/v1/refunds", "method": "POST"}
    sandbox.control("PUT", "faults", {"next": [fault]})
    made = program.post(address, {"amount": 100}, Idempotency_Key="r1")
    assert (made.status_code, made.json()["status"]) == (201, "creating")
    Refund.objects.update(asked_at="2020-01-01T00:00Z")
    assert refund_jobs.finish() == 1
    assert program.get(address).json()["refunds"][0]["status"] == "succeeded"
    assert at_stripe(sandbox) == [100]


def test_an_order_is_marked_as_sent_once_and_its_buyer_is_told(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    make_rate()
    order = paid_order_of(sandbox, buyer, deliver, {make_item(shipped=True).pk: 1})
    (waiting,) = program.get("/api/v1/orders?to_send=true").json()["orders"]
    assert waiting["id"] == order.pk
    assert waiting["contact"]["address"]["country"]
    address = f"/api/v1/orders/{order.pk}/shipment"
    assert code_of(program.post(address, {"link": "javascript:alert(1)"})) == (422, "invalid")
    facts = {"carrier": "DHL", "number": "123", "link": "https://dhl.example/123"}
    marked = program.post(address, facts, Idempotency_Key="s").json()
    assert marked["contact"] is None
    sent = marked["shipment"]
    assert {name: sent[name] for name in facts} == facts
    assert sent["sent_at"]
    assert code_of(program.post(address, facts)) == (409, "sent_before")
    assert program.get("/api/v1/orders?to_send=true").json()["orders"] == []
    work()
    assert any("123" in one.body for one in outgoing.outbox)
    assert "A program marked it as sent." in [note.text for note in order.notes.all()]


def test_what_is_not_paid_or_not_delivered_is_not_marked_as_sent(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    make_rate()
    plain = paid_order(sandbox, buyer, deliver)
    assert code_of(program.post(f"/api/v1/orders/{plain.pk}/shipment", {})) == (409, "nothing_to_send")
    refunded = paid_order_of(sandbox, buyer, deliver, {make_item(shipped=True).pk: 1})
    program.post(f"/api/v1/orders/{refunded.pk}/refunds", {})
    assert code_of(program.post(f"/api/v1/orders/{refunded.pk}/shipment", {})) == (409, "not_to_send")
    assert Shipment.objects.get().sent_at is None


ROUTES = [
    ("GET", "/api/v1/stock", "items:read"),
    ("POST", "/api/v1/items/1/stock", "stock:write"),
    ("GET", "/api/v1/orders", "orders:read"),
    ("POST", "/api/v1/orders", "orders:write"),
    ("GET", "/api/v1/orders/1", "orders:read"),
    ("PATCH", "/api/v1/orders/1", "orders:write"),
    ("POST", "/api/v1/orders/1/cancel", "orders:write"),
    ("POST", "/api/v1/orders/1/checkout", "orders:write"),
    ("POST", "/api/v1/orders/1/intent", "orders:write"),
    ("GET", "/api/v1/orders/1/refunds", "orders:read"),
    ("POST", "/api/v1/orders/1/refunds", "refunds:write"),
    ("POST", "/api/v1/orders/1/shipment", "shipments:write"),
    ("GET", "/api/v1/items/1/orders", "orders:read"),
]


@pytest.mark.parametrize(("method", "address", "scope"), ROUTES)
def test_each_call_needs_its_scope_and_no_other(method: str, address: str, scope: str) -> None:
    others = Program(make_token(*(one for one in Scope.values if one != scope)))
    assert code_of(others.ask(method, address, {})) == (403, "scope_missing")
    assert Program(make_token(scope)).ask(method, address, {}).status_code not in (401, 403)
    assert code_of(Program("kpk_nobody").ask(method, address, {})) == (401, "token_unknown")


@pytest.mark.parametrize(
    ("method", "address"), [(method, address) for method, address, scope in ROUTES if "orders:" not in scope]
)
def test_what_is_for_programs_alone_asks_a_browser_for_a_token(
    method: str, address: str, owner: Client
) -> None:
    answer = owner.generic(method, address, "{}", "application/json")
    assert code_of(answer) == (401, "token_needed")
