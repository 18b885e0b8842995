"""The way back from Checkout tells the truth, whatever has or has not arrived."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client

from kopeck.abuse.models import Budget
from kopeck.orders.models import Order
from tests.support.buying import bought
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def address_of_return(sandbox: ShopSandbox) -> str:
    """As Stripe leads there: from the session, with the placeholder filled in."""
    (session,) = sandbox.sessions()
    parts = urlsplit(session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id))
    return f"{parts.path}?{parts.query}"


def status_shown(client: Client, address: str) -> str:
    page = client.get(address, follow=True).content.decode()
    return page.split('data-order-status="')[1].split('"')[0]


def test_a_buyer_who_is_back_before_the_webhook_sees_paid(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    order, session_id = payment.order, payment.stripe_id
    sandbox.pay(session_id)
    answer = buyer.get(address_of_return(sandbox))
    assert (answer.status_code, answer["Location"]) == (303, f"/order/{order.pk}")
    page = buyer.get(answer["Location"]).content.decode()
    assert 'data-order-status="paid"' in page
    assert "4242" in page
    assert "$48.20" in page


def test_an_unpaid_session_is_shown_as_open(sandbox: ShopSandbox, buyer: Client) -> None:
    bought(buyer)
    assert status_shown(buyer, address_of_return(sandbox)) == "open"


def test_an_expired_session_is_shown_as_expired_and_can_be_paid_again(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    order, session_id = payment.order, payment.stripe_id
    address = address_of_return(sandbox)
    sandbox.stripe.v1.checkout.sessions.expire(session_id)
    assert status_shown(buyer, address) == "expired"
    again = buyer.post(f"/order/{order.pk}/buy")
    assert again.status_code == 303
    order.refresh_from_db()
    assert order.status == "open"
    assert len(sandbox.sessions()) == 2


def test_when_stripe_does_not_answer_the_page_confirms_and_asks_again(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    order, session_id = payment.order, payment.stripe_id
    address = address_of_return(sandbox)
    sandbox.pay(session_id)
    sandbox.control("PUT", "faults", {"error_rate": 1})
    answer = buyer.get(address)
    page = buyer.get(answer["Location"]).content.decode()
    assert "Confirming your payment" in page
    assert "failed" not in page.lower()
    assert f"/order/{order.pk}/return?tries=1" in page
    sandbox.control("PUT", "faults", {"error_rate": 0})
    Budget.objects.all().delete()  # three seconds later
    assert status_shown(buyer, f"/order/{order.pk}/return?tries=1") == "paid"


def test_a_confirming_page_stops_asking_in_the_end(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    order = payment.order
    assert "http-equiv" in buyer.get(f"/order/{order.pk}?confirming=3").content.decode()
    assert "http-equiv" not in buyer.get(f"/order/{order.pk}?confirming=20").content.decode()
    for nonsense in ("-1", "x", "٣", "9" * 300):
        assert buyer.get(f"/order/{order.pk}?confirming={nonsense}").status_code == 200


def test_cancel_leads_back_to_the_item_and_buy_resumes_the_same_session(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item()
    first = buyer.get(f"/buy/{item.pk}", {"quantity": 3}).json()
    (session,) = sandbox.sessions()
    parts = urlsplit(session.cancel_url)
    page = buyer.get(f"{parts.path}?{parts.query}").content.decode()
    assert parts.path == f"/item/{item.pk}"
    assert 'data-testid="cancelled"' in page
    assert 'value="3"' in page
    assert buyer.get(f"/buy/{item.pk}", {"quantity": 3}).json() == first


def test_cancel_of_an_order_leads_back_to_it_and_says_that_nothing_was_charged(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    buyer.post("/order", {f"item_{make_item().pk}": "1"})
    order = Order.objects.get()
    buyer.get(f"/order/{order.pk}/buy")
    (session,) = sandbox.sessions()
    parts = urlsplit(session.cancel_url)
    back = f"{parts.path}?{parts.query}"
    assert "You came back without paying" in buyer.get(back).content.decode()
    sandbox.pay(session.id)
    buyer.get(f"/order/{order.pk}/return")
    assert "You came back without paying" not in buyer.get(back).content.decode()


def test_a_buyer_who_returns_in_another_browser_still_sees_the_order(
    sandbox: ShopSandbox, buyer: Client, stranger: Client
) -> None:
    payment = bought(buyer)
    session_id = payment.stripe_id
    sandbox.pay(session_id)
    assert status_shown(stranger, address_of_return(sandbox)) == "paid"


def test_the_webhook_and_the_return_at_the_same_moment_agree(
    sandbox: ShopSandbox, buyer: Client, deliver: Callable[..., Any]
) -> None:
    payment = bought(buyer)
    order, session_id = payment.order, payment.stripe_id
    address = address_of_return(sandbox)
    sandbox.pay(session_id)
    (event,) = [e for e in sandbox.events() if e["type"] == "checkout.session.completed"]

    def act(number: int) -> int:
        client = Client(raise_request_exception=False)
        client.cookies = buyer.cookies
        answer = deliver(event, client=client) if number % 2 else client.get(address)
        connection.close()
        return int(answer.status_code)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(act, range(16))) == {200, 303}
    order.refresh_from_db()
    assert (order.status, order.payments.filter(status="paid").count()) == ("paid", 1)


def test_a_session_that_stripe_does_not_know_any_more_is_expired_and_replaced(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    payment = bought(buyer)
    order, old = payment.order, payment.stripe_id
    address = address_of_return(sandbox)
    sandbox.box.reset()
    assert status_shown(buyer, address) == "expired"
    assert buyer.get(f"/order/{order.pk}/buy").json()["session_id"] != old


def test_a_paid_order_cannot_be_paid_again(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    order, session_id = payment.order, payment.stripe_id
    sandbox.pay(session_id)
    buyer.get(address_of_return(sandbox))
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "order_paid")
    assert len(sandbox.sessions()) == 1
