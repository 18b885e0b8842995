"""A basket of several currencies: one page with a Pay for each order, and the way from one to the next."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db(transaction=True)


def fill(buyer: Client, *codes: str) -> list[Order]:
    items = [make_item(name=f"Good of {code}", currency=code, price=1000) for code in codes]
    buyer.post("/order", {f"item_{item.pk}": "1" for item in items})
    return list(Order.objects.order_by("pk"))


def test_each_currency_has_its_own_pay_and_the_page_says_why(buyer: Client, stranger: Client) -> None:
    orders = fill(buyer, "usd", "eur", "jpy")
    page = buyer.get("/orders/open").content.decode()
    assert "<h1>3 payments</h1>" in page
    assert "one currency at a time" in page
    for order in orders:
        assert f'action="/order/{order.pk}/buy"' in page
    assert stranger.get("/orders/open")["Location"] == "/orders"


def test_an_orders_page_tells_of_the_others_till_they_are_paid(buyer: Client, owner: Client) -> None:
    first, second = fill(buyer, "usd", "eur")
    assert "One more payment of your basket" in buyer.get(f"/order/{first.pk}").content.decode()
    assert "basket" not in owner.get(f"/order/{first.pk}").content.decode()
    Order.objects.filter(pk=second.pk).update(status="paid", paid_at=timezone.now())
    assert "One more payment" not in buyer.get(f"/order/{first.pk}").content.decode()
    assert buyer.get("/orders/open")["Location"] == f"/order/{first.pk}"


@pytest.mark.parametrize(("flow", "primary"), [("checkout", "pay"), ("intent", "pay-here")])
def test_one_way_to_pay_is_primary_and_the_other_a_quiet_link(
    buyer: Client, settings: Any, flow: str, primary: str
) -> None:
    settings.PAYMENT_FLOW = flow
    (order,) = fill(buyer, "usd")
    page = buyer.get(f"/order/{order.pk}").content.decode()
    found = re.findall(r'class="primary"[^>]*data-testid="([^"]+)"', page)
    assert found == [primary]
    assert 'data-testid="pay"' in page
    assert 'data-testid="pay-here"' in page
    assert "<h1>Your order</h1>" in page
