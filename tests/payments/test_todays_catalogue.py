"""Unpaid orders are priced by today's catalogue whenever a way to pay is made; a live one keeps its terms."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from kopeck.catalog.models import Item, Tax
from kopeck.mirror import orders as mirror
from kopeck.orders.models import Order
from kopeck.payments import sync
from kopeck.payments.models import Payment
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def expire(sandbox: ShopSandbox) -> None:
    """The open session runs out."""
    payment = Payment.objects.get(status="open")
    sandbox.stripe.v1.checkout.sessions.expire(payment.stripe_id or "")
    sync.refresh(payment)


def amount(sandbox: ShopSandbox, answer: Any) -> int:
    assert answer.status_code == 200, answer.content
    found: int = sandbox.stripe.v1.checkout.sessions.retrieve(answer.json()["session_id"]).amount_total
    return found


def test_another_default_tax_is_the_tax_of_orders_that_were_placed_before(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(price=1000)
    old = Tax.objects.create(display_name="Old", percentage=10, is_default=True)
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order = Order.objects.get()
    Tax.objects.filter(pk=old.pk).update(active=False, is_default=False)
    Tax.objects.create(display_name="New", percentage=20, is_default=True)
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    assert "$12.00" in buyer.get(f"/order/{order.pk}").content.decode()
    assert amount(sandbox, buyer.get(f"/order/{order.pk}/buy")) == 1200
    buyer.post(f"/order/{order.pk}/lines", {f"item_{item.pk}": "10"})
    assert amount(sandbox, buyer.get(f"/order/{order.pk}/buy")) == 12000


def test_a_default_tax_that_is_none_any_more_is_taken_off(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item(price=1000)
    Tax.objects.create(display_name="Old", percentage=10, is_default=True)
    buyer.post("/order", {f"item_{item.pk}": "1"})
    Tax.objects.update(is_default=False)
    assert amount(sandbox, buyer.get(f"/order/{Order.objects.get().pk}/buy")) == 1000


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_a_live_session_keeps_its_terms_whatever_the_catalogue_says(
    sandbox: ShopSandbox, buyer: Client, way: str
) -> None:
    item = make_item(price=9000)
    first = buyer.get(f"/{way}/{item.pk}").json()
    Tax.objects.create(display_name="New", percentage=20, is_default=True)
    Item.objects.update(price=99_000)
    assert buyer.get(f"/{way}/{item.pk}").json() == first
    payment = Payment.objects.get()
    kind = "sessions" if way == "buy" else "intents"
    sandbox.control("POST", f"{kind}/{payment.stripe_id}/pay", {"card": "4242424242424242"})
    sync.refresh(payment)
    order = Order.objects.get()
    assert (order.status, order.total) == ("paid", 9000)


@pytest.mark.parametrize("way", ["buy", "intent"])
def test_buy_shows_what_became_dearer_before_it_can_be_paid(
    sandbox: ShopSandbox, buyer: Client, way: str
) -> None:
    """The quantity changes too: the session at 90.00 is not silently followed by one at 990.00 each."""
    item = make_item(price=9000)
    buyer.get(f"/{way}/{item.pk}")
    Item.objects.update(price=99_000)
    answer = buyer.get(f"/{way}/{item.pk}", {"quantity": "2"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    order = Order.objects.get()
    page = f"/order/{order.pk}?notice=price_changed"
    assert way == "intent" or answer["Location"] == page
    assert "$1,980.00" in buyer.get(page).content.decode()
    assert buyer.get(f"/{way}/{item.pk}", {"quantity": "2"}).status_code == 200
    assert Payment.objects.get(status="open").amount == 198_000


def test_the_page_sends_the_price_that_it_showed(buyer: Client) -> None:
    page = buyer.get(f"/item/{make_item(price=123_456, currency='jpy').pk}").content.decode()
    assert '<input type="hidden" name="price" value="123456">' in page
    assert '<input type="hidden" name="currency" value="jpy">' in page


@pytest.mark.parametrize("facts", [{"price": 5000}, {"currency": "eur"}])
def test_a_page_that_shows_an_old_price_buys_nothing(
    sandbox: ShopSandbox, buyer: Client, facts: dict[str, Any]
) -> None:
    item = make_item(price=4820)
    Item.objects.update(**facts)
    shown = {"price": "4820", "currency": "usd"}
    answer = buyer.get(f"/buy/{item.pk}", shown)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    assert answer["Location"] == f"/item/{item.pk}?quantity=1&notice=price_changed"
    form = buyer.post(f"/buy/{item.pk}", shown)
    assert (form.status_code, form["Location"]) == (303, answer["Location"])
    assert "The price has changed" in buyer.get(form["Location"]).content.decode()
    assert (Order.objects.count(), sandbox.sessions()) == (0, [])


def test_a_page_that_shows_the_new_price_buys_at_it_though_an_older_order_was_cheaper(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(price=4820)
    buyer.get(f"/buy/{item.pk}")
    expire(sandbox)
    Item.objects.update(price=5000)
    assert amount(sandbox, buyer.get(f"/buy/{item.pk}", {"price": "5000", "currency": "usd"})) == 5000


def test_what_became_cheaper_is_passed_on(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item(price=4820)
    buyer.get(f"/buy/{item.pk}")
    Item.objects.update(price=4000)
    assert amount(sandbox, buyer.get(f"/buy/{item.pk}", {"price": "4000", "currency": "usd"})) == 4000
    assert [payment.status for payment in Payment.objects.order_by("attempt")] == ["expired", "open"]


def test_an_open_session_that_is_cheaper_than_the_page_is_handed_out(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(price=4820)
    first = buyer.get(f"/buy/{item.pk}").json()
    Item.objects.update(price=5000)
    assert buyer.get(f"/buy/{item.pk}", {"price": "5000", "currency": "usd"}).json() == first
    assert buyer.get(f"/buy/{item.pk}", {"price": "4820", "currency": "usd"}).json() == first


@pytest.mark.parametrize(
    "shown",
    [
        {"price": "48.20", "currency": "usd"},
        {"price": "4820"},
        {"currency": "usd"},
        {"price": "-1", "currency": "usd"},
        {"price": "9" * 5000, "currency": "usd"},
        {"price": "٤٨٢٠", "currency": "usd"},
        {"price": "4820", "currency": "xxx"},
    ],
)
def test_what_is_no_price_is_refused_in_a_sentence(
    sandbox: ShopSandbox, buyer: Client, shown: dict[str, str]
) -> None:
    answer = buyer.get(f"/buy/{make_item().pk}", shown)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_price")
    assert sandbox.sessions() == []


def test_the_window_shows_todays_price_of_an_order_that_nobody_can_pay_right_now(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(price=1000)
    buyer.post("/order", {f"item_{item.pk}": "2"})
    Item.objects.update(price=1500)
    page = buyer.post("/order", {f"item_{item.pk}": "2"})["Location"]
    assert "Pay $30.00" in buyer.get(page).content.decode()


@pytest.mark.parametrize("change", ["quantity", "price"])
def test_the_page_that_takes_cards_pays_no_more_than_the_total_that_it_showed(
    sandbox: ShopSandbox, buyer: Client, change: str
) -> None:
    """Another tab has changed the order, or was shown the new price, before this page asks for its intent."""
    item = make_item(price=1000)
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order = Order.objects.get()
    page = buyer.get(f"/order/{order.pk}/pay").content.decode()
    (asked,) = re.findall(r'data-intent="([^"]*)"', page)
    if change == "quantity":
        buyer.post(f"/order/{order.pk}/lines", {f"item_{item.pk}": "5"})
    else:
        Item.objects.update(price=5000)
        assert buyer.get(f"/order/{order.pk}/buy").status_code == 409
    answer = buyer.get(unescape(asked))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    page = buyer.get(f"/order/{order.pk}/pay").content.decode()
    (asked,) = re.findall(r'data-intent="([^"]*)"', page)
    intent = buyer.get(unescape(asked)).json()["payment_intent_id"]
    assert sandbox.stripe.v1.payment_intents.retrieve(intent).amount == 5000


def test_a_tax_that_changes_while_the_order_is_priced_is_shown_first(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe is not asked for a session whose rate is another one than that of the order's total."""
    item = make_item(price=1000)
    Tax.objects.create(display_name="Tax", percentage=10, is_default=True)
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order, ids_of, todo = Order.objects.get(), mirror.ids_of, [20]

    def elsewhere(account: str) -> None:
        """The owner saves it, and the worker brings it to Stripe."""
        Tax.objects.update(percentage=todo.pop())
        mirror.sync_order(account, order)
        connection.close()

    def meanwhile(account: str, asked: Order) -> mirror.MirroredIds | None:
        if todo:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(elsewhere, account).result()
        return ids_of(account, asked)

    monkeypatch.setattr(mirror, "ids_of", meanwhile)
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")
    assert sandbox.sessions() == []
    assert amount(sandbox, buyer.get(f"/order/{order.pk}/buy")) == 1200
