"""An order is read by the browser that made it, by its link, by staff; strangers learn nothing of it."""

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client

from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(buyer: Client) -> Order:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    from kopeck.web.visitors import VISITOR_COOKIE, Visitor

    visitor = Visitor(buyer.cookies[VISITOR_COOKIE].value).key
    return placing.place_for_buy(Wanted(item, 2), visitor=visitor)


@pytest.mark.parametrize("address", ["/order/{}", "/api/v1/orders/{}", "/order/{}/buy", "/order/{}/return"])
def test_a_stranger_gets_404(stranger: Client, order: Order, address: str) -> None:
    for key in ("", "?key=", "?key=wrong", f"?key={order.visitor}"):
        assert stranger.get(address.format(order.pk) + key).status_code == 404, key
    missing = stranger.get(address.format(order.pk + 1000)).content.decode()
    theirs = stranger.get(address.format(order.pk)).content.decode()
    # The same page, but for the address that was asked for: its other languages are a link.
    assert missing.replace(f"/order/{order.pk + 1000}", f"/order/{order.pk}") == theirs


def test_the_buyer_reads_it(buyer: Client, order: Order) -> None:
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert 'data-order-status="open"' in page
    assert "$96.40" in page


def test_the_link_opens_it_anywhere(stranger: Client, order: Order) -> None:
    assert stranger.get(order.link).status_code == 200
    assert stranger.get(f"/api/v1/orders/{order.pk}?key={order.key}").status_code == 200


def test_staff_reads_it_and_other_accounts_do_not(owner: Client, stranger: Client, order: Order) -> None:
    assert owner.get(f"/order/{order.pk}").status_code == 200
    stranger.force_login(User.objects.create_user("somebody"))
    assert stranger.get(f"/order/{order.pk}").status_code == 404


def test_the_api_answers_in_minor_units(buyer: Client, order: Order) -> None:
    line = order.lines.get()
    answer = buyer.get(f"/api/v1/orders/{order.pk}").json()
    assert datetime.fromisoformat(answer.pop("created")) == order.created.replace(
        microsecond=order.created.microsecond // 1000 * 1000
    )
    assert answer == {
        "id": order.pk,
        "url": f"http://testserver/order/{order.pk}",
        "status": "open",
        "sold_out": False,
        "paid_at": None,
        "contact": None,
        "shipment": None,
        "currency": "usd",
        "subtotal": 9640,
        "discount": 0,
        "tax": 0,
        "total": 9640,
        "shipping": None,
        "lines": [
            {"item": line.item_id, "name": "Moka pot", "unit_price": 4820, "quantity": 2,
             "discount": 0, "tax": 0, "total": 9640}
        ],
    }  # fmt: skip
    assert buyer.get(f"/api/v1/orders/{order.pk}/").status_code == 200


def test_a_private_page_is_kept_by_no_cache_and_no_search_engine(buyer: Client, order: Order) -> None:
    answer = buyer.get(f"/order/{order.pk}")
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Robots-Tag"] == "noindex"
    assert answer["Referrer-Policy"] == "same-origin"


def test_an_order_keeps_its_price_and_name_when_the_item_changes(buyer: Client, order: Order) -> None:
    item = order.lines.get().item
    item.name, item.price, item.active = "Dearer pot", 9900, False
    item.save()
    page = buyer.get(f"/order/{order.pk}").content.decode()
    assert "Moka pot" in page
    assert "$96.40" in page


def test_the_database_refuses_an_order_that_does_not_add_up(order: Order) -> None:
    from django.db import IntegrityError, transaction
    from django.utils import timezone

    for facts in ({"total": 1}, {"status": "paid"}, {"paid_at": timezone.now()}, {"tax_included": 5}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Order.objects.filter(pk=order.pk).update(**facts)
