"""Codes: each reason for refusal has its own sentence, and the last use is given once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from kopeck.catalog.models import Discount, Tax
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from tests.support.buying import place_order
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def discount(**facts: Any) -> Discount:
    usual: dict[str, Any] = {"name": "Tenth", "code": "TENTH", "percent_off": Decimal(10)}
    if "amount_off" in facts:
        del usual["percent_off"]
    return Discount.objects.create(**(usual | facts))


def enter(client: Client, order: Order, code: str) -> Any:
    return client.post(f"/order/{order.pk}/discount", {"code": code})


def test_a_code_is_entered_and_taken_off_again(buyer: Client) -> None:
    discount()
    order = place_order(buyer, make_item(price=1000))
    assert enter(buyer, order, " tenth ").status_code == 303
    order.refresh_from_db()
    assert (order.discount_total, order.total, order.discount_name) == (100, 900, "Tenth")
    assert "Tenth" in buyer.get(f"/order/{order.pk}").content.decode()
    enter(buyer, order, "")
    order.refresh_from_db()
    assert (order.discount_total, order.total) == (0, 1000)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"code": "OTHER"}, "We know no such code"),
        ({"active": False}, "not valid any more"),
        ({"valid_from": HOUR}, "not valid yet"),
        ({"valid_until": -HOUR}, "has run out"),
        ({"amount_off": 100, "currency": "eur"}, "for orders in EUR"),
        ({"minimum_subtotal": 1001, "currency": "usd"}, "too small for that code"),
        ({"amount_off": 970, "currency": "usd"}, "smallest amount that cards can pay"),
    ],
)
def test_each_reason_for_refusal_has_its_own_sentence(
    buyer: Client, facts: dict[str, Any], said: str
) -> None:
    moments = {name: timezone.now() + value for name, value in facts.items() if isinstance(value, timedelta)}
    discount(**(facts | moments))
    order = place_order(buyer, make_item(price=1000))
    answer = enter(buyer, order, "TENTH")
    assert answer.status_code == 422
    assert said in answer.content.decode()
    order.refresh_from_db()
    assert (order.discount, order.total) == (None, 1000)


def test_a_discount_that_fits_no_more_is_dropped_with_a_note(buyer: Client) -> None:
    discount(minimum_subtotal=2000, currency="usd")
    item = make_item(price=1000)
    buyer.post("/order", {f"item_{item.pk}": "2"})
    order = Order.objects.get()
    enter(buyer, order, "TENTH")
    buyer.post(f"/order/{order.pk}/lines", {f"item_{item.pk}": "1"})
    order.refresh_from_db()
    assert (order.discount, order.total) == (None, 1000)
    assert "taken off" in order.notes.get().text


def test_a_discount_that_ran_out_meanwhile_makes_the_order_dearer_and_asks_again(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    off = discount()
    order = place_order(buyer, make_item(price=1000))
    enter(buyer, order, "TENTH")
    off.valid_until = timezone.now()
    off.save()
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    order.refresh_from_db()
    assert order.total == 1000


def test_a_hundred_buyers_of_the_last_use_get_it_once(sandbox: ShopSandbox) -> None:
    """pain 13, for discounts: held while it can be paid, counted when it is, free again when that ends."""
    off = discount(max_redemptions=1)
    item = make_item(price=1000)
    orders = [placing.place([Wanted(item, 1)], visitor=f"{n:064}", discount=off) for n in range(20)]

    def press(order: Order) -> int:
        answer = Client(raise_request_exception=False).get(f"/order/{order.pk}/buy?key={order.key}")
        connection.close()
        return int(answer.status_code)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(press, orders))
    assert sorted(set(answers)) == [200, 409]
    assert answers.count(200) == 1
    (session,) = sandbox.sessions()
    sandbox.stripe.v1.checkout.sessions.expire(session.id)
    winner = orders[answers.index(200)]
    Client().get(f"/order/{winner.pk}/return?key={winner.key}")
    loser = orders[answers.index(409)]
    assert press(loser) == 200  # its use is free again
    (open_session,) = [s for s in sandbox.sessions() if s.status == "open"]
    sandbox.pay(open_session.id)
    Client().get(f"/order/{loser.pk}/return?key={loser.key}")
    refused = Client().get(f"/order/{winner.pk}/buy?key={winner.key}").json()["error"]
    assert refused["code"] == "discount_used_up"


@pytest.mark.parametrize(
    "facts",
    [
        {"amount_off": 100, "percent_off": 10, "currency": "usd"},
        {"percent_off": None},
        {"amount_off": 100},
        {"amount_off": 100, "currency": "xxx"},
        {"percent_off": Decimal("100.0001")},
        {"percent_off": Decimal("0.0099")},
        {"minimum_subtotal": 100},
    ],
)
def test_the_database_refuses_a_discount_that_is_none(facts: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        discount(**facts)


def test_codes_are_unique_whatever_their_case() -> None:
    discount(code="Spring")
    with pytest.raises(IntegrityError), transaction.atomic():
        discount(code="SPRING")
    discount(code="")
    discount(code="")


def test_default_taxes_stand_on_new_orders_and_others_do_not(buyer: Client) -> None:
    """pain 8: the discount comes first, and the inclusive tax is carved out of what is left"""
    Tax.objects.create(display_name="VAT", percentage=Decimal(20), inclusive=True, is_default=True)
    Tax.objects.create(display_name="Levy", percentage=Decimal(2), is_default=True)
    Tax.objects.create(display_name="Old", percentage=Decimal(50), is_default=True, active=False)
    Tax.objects.create(display_name="Rare", percentage=Decimal(50))
    discount(percent_off=50)
    order = place_order(buyer, make_item(price=2400))
    enter(buyer, order, "TENTH")
    order.refresh_from_db()
    assert [(tax.display_name, tax.amount) for tax in order.taxes.all()] == [("VAT", 200), ("Levy", 20)]
    assert (order.discount_total, order.tax_total, order.tax_included, order.total) == (1200, 220, 200, 1220)
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert "VAT" in page
    assert "included" in page
    assert "$12.20" in page


def test_a_zero_decimal_discount_is_not_multiplied(sandbox: ShopSandbox, buyer: Client) -> None:
    """pain 9"""
    discount(amount_off=500, currency="jpy")
    order = place_order(buyer, make_item(price=6800, currency="jpy"))
    enter(buyer, order, "TENTH")
    buyer.get(f"/order/{order.pk}/buy")
    (session,) = sandbox.sessions()
    assert (session.amount_total, session.total_details.amount_discount) == (6300, 500)
