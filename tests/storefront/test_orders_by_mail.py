"""The link of a receipt's mail shows every order of its address, on any device, and to nobody else."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import signing
from django.test import Client

from kopeck.mail.models import Mail
from kopeck.orders import access
from kopeck.orders.models import Order
from kopeck.storefront import lists
from tests.support.buying import place_order
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def order_of(client: Client, address: str) -> Order:
    order = place_order(client, make_item())
    Order.objects.filter(pk=order.pk).update(email=address)
    order.refresh_from_db()
    return order


def test_another_device_sees_and_opens_the_orders_of_the_address(buyer: Client, stranger: Client) -> None:
    mine, hers = order_of(buyer, "Buyer@example.com"), order_of(Client(), "other@example.com")
    answer = stranger.get(access.orders_link("buyer@example.com"))
    page = answer.content.decode()
    assert answer["Cache-Control"] == "private, no-store"
    assert "buyer@example.com" in page
    assert mine.link in page
    assert hers.link not in page
    assert stranger.get(mine.link).status_code == 200
    assert mine.link not in stranger.get("/orders").content.decode()


def test_a_forged_or_old_link_shows_nothing(
    buyer: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(buyer, "buyer@example.com")
    link = access.orders_link("buyer@example.com")
    forged = signing.dumps("buyer@example.com", salt="another")
    for address in (f"{link}x", f"/orders?key={forged}", "/orders?key=x", "/orders?key=%00"):
        answer = stranger.get(address)
        assert answer.status_code == 404
        assert "not valid any more" in answer.content.decode()
        assert order.link not in answer.content.decode()
    monkeypatch.setattr(access, "LINK_AGE", -1)
    assert stranger.get(link).status_code == 404


def test_older_orders_are_behind_the_same_link(stranger: Client) -> None:
    orders = [order_of(Client(), "buyer@example.com") for _one in range(2)]
    found = lists.orders_of_address("buyer@example.com", size=1)
    assert [order.pk for order in found.orders] == [orders[1].pk]
    link = f"{access.orders_link('buyer@example.com')}&before={found.next}"
    page = stranger.get(link).content.decode()
    assert orders[0].link in page
    assert orders[1].link not in page


def test_the_receipt_has_the_link_and_staff_does_not_read_it(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item()
    session = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    sandbox.pay(session)
    order = Order.objects.get()
    buyer.get(f"/order/{order.pk}/return")
    mail = Mail.objects.get(kind="receipt")
    mail.to = "buyer@example.com"
    parts = urlsplit(mail.orders_url)
    assert access.address_in(parse_qs(parts.query)["key"][0]) == "buyer@example.com"
    mail.text = f"All: {mail.orders_url}"
    assert parts.query not in mail.shown_text
