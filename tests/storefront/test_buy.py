"""Buy: from an item to one open Checkout Session, however often and however fast it is pressed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from kopeck.catalog.models import Tax
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.stripe_api.accounts import SANDBOX_PUBLISHABLE_KEY
from kopeck.stripe_api.wire import Wire
from kopeck.web.visitors import VISITOR_COOKIE
from tests.support.buying import SHOWN
from tests.support.shop import ShopSandbox, make_item

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sockets]


def test_buy_answers_the_session_its_address_and_the_publishable_key(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(name="Pot", price=4820)
    answer = buyer.get(f"/buy/{item.pk}", {"quantity": "3"})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"session_id", "url", "publishable_key"}
    assert body["publishable_key"] == SANDBOX_PUBLISHABLE_KEY
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Robots-Tag"] == "noindex"
    (session,) = sandbox.sessions()
    assert (session.id, session.url) == (body["session_id"], body["url"])
    assert (session.amount_total, session.currency, session.status) == (14460, "usd", "open")
    (line,) = sandbox.stripe.v1.checkout.sessions.line_items.list(session.id).data
    assert (line.description, line.quantity, line.amount_total) == ("Pot", 3, 14460)
    assert session.automatic_tax.enabled is False
    order = Order.objects.get()
    assert session.metadata.to_dict()["kopeck_order"] == session.client_reference_id == str(order.pk)
    assert (order.status, order.total, order.currency) == ("open", 14460, "usd")


def test_a_form_without_javascript_is_led_to_the_session_by_303(sandbox: ShopSandbox, buyer: Client) -> None:
    answer = buyer.post(f"/buy/{make_item().pk}", {"quantity": "2"})
    (session,) = sandbox.sessions()
    assert (answer.status_code, answer["Location"]) == (303, session.url)


def test_a_new_buyer_costs_few_statements(
    sandbox: ShopSandbox, buyer: Client, django_assert_max_num_queries: Any
) -> None:
    """BEGIN and COMMIT counted; an item with a stock is one more."""
    plain, limited = make_item(), make_item(stock=3)
    buyer.get(f"/item/{plain.pk}?mine=1")
    buyer.get("/buy/999")  # what a process reads once
    for item, most in ((plain, 26), (limited, 27)):
        with django_assert_max_num_queries(most):
            assert buyer.get(f"/buy/{item.pk}", headers=SHOWN).status_code == 200


def test_the_same_visitor_gets_the_same_open_session_again(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item()
    first, second = (buyer.get(f"/buy/{item.pk}").json() for _ in range(2))
    third = buyer.post(f"/buy/{item.pk}")["Location"]
    assert first == second
    assert third == first["url"]
    assert len(sandbox.sessions()) == 1
    assert Order.objects.count() == 1


def test_another_visitor_gets_another_session(sandbox: ShopSandbox, buyer: Client, stranger: Client) -> None:
    item = make_item()
    assert buyer.get(f"/buy/{item.pk}").json() != stranger.get(f"/buy/{item.pk}").json()
    assert len(sandbox.sessions()) == 2


def test_fifty_requests_at_once_make_one_session_at_stripe(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    cookie = buyer.cookies[VISITOR_COOKIE].value
    sandbox.control("PUT", "faults", {"latency_ms": 200})
    start = threading.Barrier(50)

    def press(_number: int) -> tuple[int, Any]:
        client = Client(raise_request_exception=False)
        client.cookies[VISITOR_COOKIE] = cookie
        start.wait()
        answer = client.get(f"/buy/{item.pk}")
        connection.close()
        return answer.status_code, answer.json()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(press, range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({body["session_id"] for _, body in answers}) == 1
    assert len(sandbox.sessions()) == 1
    assert (Order.objects.count(), Payment.objects.count()) == (1, 1)


@pytest.mark.parametrize("change", ["quantity", "price", "name"])
def test_a_changed_purchase_closes_the_old_session_before_it_opens_a_new_one(
    sandbox: ShopSandbox, buyer: Client, change: str
) -> None:
    item = make_item(price=1000)
    old = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    quantity = 1
    if change == "quantity":
        quantity = 2
    else:
        setattr(item, change, 900 if change == "price" else "Another pot")
        item.save()
    new = buyer.get(f"/buy/{item.pk}", {"quantity": quantity}).json()["session_id"]
    states = {session.id: session.status for session in sandbox.sessions()}
    assert states == {old: "expired", new: "open"}
    order = Order.objects.get()
    assert order.total == {"quantity": 2000, "price": 900, "name": 1000}[change]
    assert [p.status for p in order.payments.order_by("attempt")] == ["expired", "open"]


def test_a_purchase_that_was_paid_while_it_was_changed_stays_paid_and_a_new_one_begins(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(price=1000)
    old = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    sandbox.pay(old)  # and no webhook has come yet
    new = buyer.get(f"/buy/{item.pk}", {"quantity": 2}).json()["session_id"]
    paid, fresh = Order.objects.order_by("pk")
    assert (paid.status, paid.total) == ("paid", 1000)
    assert (fresh.status, fresh.total, fresh.payments.get().stripe_id) == ("open", 2000, new)


def test_an_expired_session_is_followed_by_a_new_one_on_the_same_order(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item()
    old = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    sandbox.stripe.v1.checkout.sessions.expire(old)
    Payment.objects.update(expires_at="2020-01-01T00:00Z")
    new = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    assert new != old
    assert Order.objects.get().status == "open"


def test_a_form_of_what_became_dearer_is_led_to_the_order_and_its_new_total(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    """pain 12"""
    tax = Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, country="DE", is_default=True)
    item = make_item(price=1000)
    old = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    sandbox.stripe.v1.checkout.sessions.expire(old)
    Payment.objects.update(expires_at="2020-01-01T00:00Z")
    tax.inclusive = False
    tax.save()
    answer = buyer.post(f"/buy/{item.pk}")
    order = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/order/{order.pk}?notice=price_changed")
    page = buyer.get(answer["Location"]).content.decode()
    assert "has become dearer" in page
    assert "Pay $12.00" in page
    paid_at = buyer.post(f"/buy/{item.pk}")["Location"]
    assert [(s.url, s.amount_total) for s in sandbox.sessions() if s.status == "open"] == [(paid_at, 1200)]


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_program_is_told_that_it_became_dearer(sandbox: ShopSandbox, buyer: Client, method: str) -> None:
    tax = Tax.objects.create(display_name="VAT", percentage=20, inclusive=True, country="DE", is_default=True)
    item = make_item(price=1000)
    buyer.get(f"/buy/{item.pk}")
    sandbox.stripe.v1.checkout.sessions.expire(sandbox.sessions()[0].id)
    Payment.objects.update(expires_at="2020-01-01T00:00Z")
    tax.inclusive = False
    tax.save()
    answer = getattr(buyer, method)(f"/buy/{item.pk}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "price_changed")


def test_no_database_connection_is_held_while_stripe_is_asked(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    ask = Wire.request

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        held.append(connection.connection is not None)
        return ask(self, *args, **kwargs)

    monkeypatch.setattr(Wire, "request", watched)
    assert buyer.get(f"/buy/{make_item().pk}").status_code == 200
    assert held == [False]


def test_asking_stripe_inside_a_transaction_is_refused(sandbox: ShopSandbox) -> None:
    from django.db import transaction

    from kopeck.stripe_api.client import gateway

    with transaction.atomic(), pytest.raises(RuntimeError, match="inside a transaction"):
        gateway("default").retrieve("session", "cs_test_x")


@pytest.mark.parametrize(
    ("price", "currency", "code"),
    [
        (49, "usd", "amount_too_small"),
        (49, "jpy", "amount_too_small"),
        (50_000_000, "usd", "amount_too_large"),
    ],
)
def test_a_total_that_cards_cannot_pay_is_refused_before_stripe_is_asked(
    sandbox: ShopSandbox, buyer: Client, price: int, currency: str, code: str
) -> None:
    item = make_item(price=price, currency=currency)
    answer = buyer.get(f"/buy/{item.pk}", {"quantity": 2 if code == "amount_too_large" else 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert sandbox.sessions() == []
    assert Order.objects.count() == 0


def test_a_zero_decimal_currency_is_charged_as_it_is_shown(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item(price=6800, currency="jpy")
    page = buyer.get(f"/item/{item.pk}").content.decode()
    assert "¥6,800" in page
    session = sandbox.pay(buyer.get(f"/buy/{item.pk}").json()["session_id"])
    assert session
    (charge,) = sandbox.charges()
    assert (charge.amount, charge.currency) == (6800, "jpy")


def test_a_currency_without_an_account_is_refused_with_a_sentence(
    sandbox: ShopSandbox, buyer: Client, settings: Any
) -> None:
    settings.STRIPE_ACCOUNTS = {"eur": settings.STRIPE_ACCOUNTS["default"]}
    answer = buyer.get(f"/buy/{make_item().pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "currency_not_accepted")
    assert "USD" in answer.json()["error"]["message"]
