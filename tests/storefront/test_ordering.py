"""The window's orders: placed and changed by forms, one a currency, closed at Stripe before they change."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.catalog.models import Discount, Item
from kopeck.orders.models import Order
from tests.support.mirroring import two_accounts
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def lines_of(order: Order) -> dict[str, int]:
    return {line.name: line.quantity for line in order.lines.all()}


def test_the_window_makes_one_order_of_several_items(buyer: Client) -> None:
    pot, lamp, tea = (make_item(name=name, price=1000) for name in ("Pot", "Lamp", "Tea"))
    answer = buyer.post("/order", {f"item_{pot.pk}": "2", f"item_{lamp.pk}": "1", f"item_{tea.pk}": "0"})
    order = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/order/{order.pk}")
    assert lines_of(order) == {"Pot": 2, "Lamp": 1}
    assert (order.status, order.total, order.currency) == ("open", 3000, "usd")


def test_several_currencies_make_an_order_each(buyer: Client) -> None:
    items = [make_item(currency=code, price=1000) for code in ("usd", "eur", "usd", "jpy")]
    answer = buyer.post("/order", {f"item_{item.pk}": "1" for item in items})
    assert (answer.status_code, answer["Location"]) == (303, "/orders/open")
    assert {order.currency: order.total for order in Order.objects.all()} == {
        "usd": 2000,
        "eur": 1000,
        "jpy": 1000,
    }
    assert buyer.get("/orders").content.decode().count("/order/") >= 3


def test_a_later_visit_resumes_and_changes_the_open_order(buyer: Client) -> None:
    pot, lamp = make_item(name="Pot"), make_item(name="Lamp")
    buyer.post("/order", {f"item_{pot.pk}": "2"})
    page = buyer.get("/cart").content.decode()
    assert f'name="item_{pot.pk}"' in page
    assert 'value="2"' in page
    assert 'name="kept"' not in page
    buyer.post("/order", {f"item_{pot.pk}": "0", f"item_{lamp.pk}": "3"})
    assert lines_of(Order.objects.get()) == {"Lamp": 3}


def test_a_form_that_did_not_show_the_open_order_adds_to_it(buyer: Client) -> None:
    """The window is the same for everybody; without JavaScript it shows nobody's quantities."""
    pot, lamp = make_item(name="Pot"), make_item(name="Lamp")
    assert 'name="kept"' in buyer.get("/").content.decode()
    for _press in range(2):
        buyer.post("/order", {f"item_{pot.pk}": "2", f"item_{lamp.pk}": "0", "kept": "1"})
    buyer.post("/order", {f"item_{pot.pk}": "0", f"item_{lamp.pk}": "3", "kept": "1"})
    assert lines_of(Order.objects.get()) == {"Pot": 2, "Lamp": 3}
    again = buyer.post("/order", {f"item_{pot.pk}": "0", f"item_{lamp.pk}": "0", "kept": "1"})
    assert again["Location"] == f"/order/{Order.objects.get().pk}"
    lamp.active = False
    lamp.save()
    buyer.post("/order", {f"item_{pot.pk}": "1", "kept": "1"})
    assert lines_of(Order.objects.get()) == {"Pot": 1}


def test_an_items_page_adds_to_the_order(buyer: Client) -> None:
    pot, lamp = make_item(name="Pot"), make_item(name="Lamp")
    page = buyer.get(f"/item/{lamp.pk}").content.decode()
    assert f'formaction="/order" name="add" value="{lamp.pk}"' in page
    assert f'href="/item/{pot.pk}"' in page  # other goods
    buyer.post("/order", {f"item_{pot.pk}": "2"})
    answer = buyer.post("/order", {"add": str(lamp.pk), "quantity": "3", "price": "1", "currency": "usd"})
    assert answer["Location"] == f"/order/{Order.objects.get().pk}"
    buyer.post("/order", {"add": str(lamp.pk), "quantity": "98"})
    assert lines_of(Order.objects.get()) == {"Pot": 2, "Lamp": 99}
    for wrong, status in (
        ({"add": "x"}, 404),
        ({"add": str(lamp.pk), "quantity": "0"}, 422),
        ({"add": "9" * 30}, 404),
    ):
        assert buyer.post("/order", wrong).status_code == status
    assert lines_of(Order.objects.get()) == {"Pot": 2, "Lamp": 99}


def test_wanting_nothing_any_more_cancels_and_wanting_nothing_at_all_is_refused(buyer: Client) -> None:
    pot = make_item()
    nothing = buyer.post("/order", {f"item_{pot.pk}": "0"})
    assert nothing.status_code == 422
    assert "at least one item" in nothing.content.decode()
    buyer.post("/order", {f"item_{pot.pk}": "2"})
    assert buyer.post("/order", {f"item_{pot.pk}": "0"})["Location"] == "/"
    assert Order.objects.get().status == "cancelled"


def test_pressing_order_twice_makes_one_order(buyer: Client) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    from kopeck.web.visitors import VISITOR_COOKIE

    pot = make_item()
    buyer.get(f"/item/{pot.pk}?mine=1")

    def press(_number: int) -> int:
        client = Client(raise_request_exception=False)
        client.cookies[VISITOR_COOKIE] = buyer.cookies[VISITOR_COOKIE].value
        answer = client.post("/order", {f"item_{pot.pk}": "2"})
        connection.close()
        return int(answer.status_code)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(press, range(8))) == {303}
    assert Order.objects.count() == 1


@pytest.mark.parametrize("value", ["100", "-1", "x", "1.5", "9" * 400, "²", "00500", "0999", "0100"])
def test_a_bad_quantity_changes_nothing(buyer: Client, value: str) -> None:
    pot = make_item()
    answer = buyer.post("/order", {f"item_{pot.pk}": value})
    assert answer.status_code == 422
    assert Order.objects.count() == 0


@pytest.mark.parametrize(("value", "quantity"), [("0010", 10), ("007", 7), ("00099", 99), (" 05 ", 5)])
def test_zeros_before_a_quantity_count_nothing(buyer: Client, value: str, quantity: int) -> None:
    pot = make_item()
    assert buyer.post("/order", {f"item_{pot.pk}": value}).status_code == 303
    assert lines_of(Order.objects.get()) == {"Moka pot": quantity}


def test_an_item_that_is_gone_is_refused_in_words(buyer: Client) -> None:
    gone = make_item(active=False)
    assert buyer.post("/order", {f"item_{gone.pk}": "1"}).status_code == 404
    assert buyer.post("/order", {"item_99999999999": "1"}).status_code == 404
    assert buyer.post("/order", {"item_" + "9" * 30: "1"}).status_code == 422


def test_lines_are_changed_and_removed_on_the_orders_page(buyer: Client) -> None:
    pot, lamp = make_item(name="Pot", price=1000), make_item(name="Lamp", price=500)
    buyer.post("/order", {f"item_{pot.pk}": "2", f"item_{lamp.pk}": "1"})
    order = Order.objects.get()
    address = f"/order/{order.pk}/lines"
    assert buyer.post(address, {f"item_{pot.pk}": "5"})["Location"] == f"/order/{order.pk}"
    order.refresh_from_db()
    assert (lines_of(order), order.total) == ({"Pot": 5, "Lamp": 1}, 5500)
    buyer.post(address, {"remove": str(pot.pk), f"item_{pot.pk}": "5"})
    assert lines_of(order) == {"Lamp": 1}
    buyer.post(address, {f"item_{lamp.pk}": "0"})
    order.refresh_from_db()
    assert order.status == "cancelled"


def test_a_changed_order_closes_its_open_session_first(sandbox: ShopSandbox, buyer: Client) -> None:
    pot = make_item(price=1000)
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    order = Order.objects.get()
    old = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    buyer.post(f"/order/{order.pk}/lines", {f"item_{pot.pk}": "3"})
    assert {s.id: s.status for s in sandbox.sessions()} == {old: "expired"}
    new = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    sandbox.pay(new)
    buyer.get(f"/order/{order.pk}/return")
    order.refresh_from_db()
    assert (order.status, order.total) == ("paid", 3000)
    assert [charge.amount for charge in sandbox.charges()] == [3000]


def test_a_payment_in_that_very_moment_wins_and_the_change_is_refused(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    pot = make_item(price=1000)
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    order = Order.objects.get()
    sandbox.pay(buyer.get(f"/order/{order.pk}/buy").json()["session_id"])
    answer = buyer.post(f"/order/{order.pk}/lines", {f"item_{pot.pk}": "3"}, follow=True)
    order.refresh_from_db()
    assert (order.status, order.total) == ("paid", 1000)
    assert "was paid in the meantime" in answer.content.decode()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("cancelled", "was cancelled in the meantime"),
        ("processing", "is being processed"),
        ("paid", "was paid in the meantime"),
        ("refunded", "was paid in the meantime"),
    ],
)
@pytest.mark.parametrize("path", ["lines", "discount"])
def test_a_change_that_came_too_late_is_refused_by_what_the_order_is(
    buyer: Client, status: str, said: str, path: str
) -> None:
    pot = make_item(price=1000)
    Discount.objects.create(name="Tenth", code="TENTH", percent_off=10)
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    order = Order.objects.get()
    if status == "cancelled":  # by another tab
        buyer.post(f"/order/{order.pk}/lines", {"remove": str(pot.pk)})
    elif status == "processing":
        order.mark_processing()
    else:
        order.mark_paid(timezone.now(), email="")
        order.mark_refunded(1000 if status == "refunded" else 0)
    data = {"lines": {f"item_{pot.pk}": "3"}, "discount": {"code": "TENTH"}}[path]
    page = buyer.post(f"/order/{order.pk}/{path}", data, follow=True).content.decode()
    order.refresh_from_db()
    assert (order.status, order.total) == (status, 1000)
    (message,) = re.findall(r'data-testid="message">([^<]*)', page)
    assert said in message


@pytest.mark.parametrize(("new_price", "status"), [(1500, 409), (800, 200)])
def test_a_price_that_rose_is_shown_again_and_one_that_fell_is_passed_on(
    sandbox: ShopSandbox, buyer: Client, new_price: int, status: int
) -> None:
    """pain 12"""
    pot = make_item(price=1000)
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    order = Order.objects.get()
    pot.price = new_price
    pot.save()
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert answer.status_code == status
    order.refresh_from_db()
    assert order.total == new_price
    if status == 409:
        assert answer.json()["error"]["code"] == "price_changed"
        assert sandbox.sessions() == []
        pot.price = 2000
        pot.save()
        shown = buyer.post(f"/order/{order.pk}/buy", follow=True)
        assert "has become dearer" in shown.content.decode()
        assert buyer.get(f"/order/{order.pk}/buy").status_code == 200
    (session,) = sandbox.sessions()
    order.refresh_from_db()
    assert session.amount_total == order.total


def test_a_currency_that_changed_is_shown_again_and_paid_into_its_own_account(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    """pain 10: and a smaller number in another currency is not a lower price."""
    two_accounts(sandbox, settings)
    pot = make_item(price=1000)
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    order = Order.objects.get()
    pot.currency, pot.price = "eur", 900
    pot.save()
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["publishable_key"]) == (200, "pk_test_euros")
    assert order.payments.get().account == "eur"


def test_a_price_changed_while_the_buyer_pays_changes_nothing(sandbox: ShopSandbox, buyer: Client) -> None:
    """pain 12: what was agreed is what is paid"""
    pot = make_item(price=1000)
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    order = Order.objects.get()
    session_id = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    pot.price = 9000
    pot.save()
    sandbox.pay(session_id)
    buyer.get(f"/order/{order.pk}/return")
    order.refresh_from_db()
    assert (order.status, order.total) == ("paid", 1000)


def test_an_item_that_went_off_sale_must_be_taken_out(sandbox: ShopSandbox, buyer: Client) -> None:
    pot, lamp = make_item(name="Pot"), make_item(name="Lamp")
    buyer.post("/order", {f"item_{pot.pk}": "1", f"item_{lamp.pk}": "1"})
    order = Order.objects.get()
    pot.active = False
    pot.save()
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "item_gone")
    assert "Pot" in answer.json()["error"]["message"]
    buyer.post(f"/order/{order.pk}/lines", {"remove": str(pot.pk)})
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200


def test_an_item_that_was_ordered_cannot_be_torn_out_of_its_orders(buyer: Client) -> None:
    from django.db.models import ProtectedError

    pot = make_item()
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    with pytest.raises(ProtectedError):
        pot.delete()


@pytest.mark.parametrize("address", ["/order/{}/lines", "/order/{}/discount", "/order/{}/buy"])
def test_strangers_change_nothing(buyer: Client, stranger: Client, address: str) -> None:
    pot = make_item()
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    order = Order.objects.get()
    assert stranger.post(address.format(order.pk), {f"item_{pot.pk}": "9"}).status_code == 404
    foreign = buyer.post(address.format(order.pk), {}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert lines_of(order) == {"Moka pot": 1}


def test_my_orders_are_mine(buyer: Client, stranger: Client) -> None:
    pot = make_item(name="Pot of mine")
    buyer.post("/order", {f"item_{pot.pk}": "1"})
    assert "Pot of mine" in buyer.get("/orders").content.decode()
    assert "Pot of mine" not in stranger.get("/orders").content.decode()


def test_a_hundred_and_one_lines_are_too_many(buyer: Client) -> None:
    items = [make_item(price=1000) for _ in range(101)]
    answer: Any = buyer.post("/order", {f"item_{item.pk}": "1" for item in items})
    assert answer.status_code == 422
    assert "at most 100" in answer.content.decode()
    assert buyer.post("/order", {f"item_{item.pk}": "1" for item in items[:100]}).status_code == 303


def test_a_window_of_fifteen_hundred_items_orders_the_two_that_are_wanted(buyer: Client) -> None:
    Item.objects.bulk_create(Item(name=f"Pot {n}", price=1000, currency="usd") for n in range(1500))
    fields = dict.fromkeys((f"item_{number}" for number in Item.objects.values_list("pk", flat=True)), "0")
    for name in list(fields)[:2]:
        fields[name] = "3"
    assert buyer.post("/order", fields).status_code == 303
    assert sorted(lines_of(Order.objects.get()).values()) == [3, 3]


def test_more_than_ten_lines_reach_stripe_and_are_compared(sandbox: ShopSandbox, buyer: Client) -> None:
    items = [make_item(price=1000 + n) for n in range(25)]
    buyer.post("/order", {f"item_{item.pk}": "1" for item in items})
    order = Order.objects.get()
    assert buyer.get(f"/order/{order.pk}/buy").status_code == 200
    (session,) = sandbox.sessions()
    assert session.amount_total == order.total == sum(item.price for item in items)
