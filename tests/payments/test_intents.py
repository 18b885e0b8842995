"""Payment Intents: the same orders, the same promises, paid on our own page."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.catalog.models import Discount, Tax
from kopeck.orders.models import Order
from kopeck.payments import jobs, sync
from kopeck.payments.models import Payment
from kopeck.web.visitors import VISITOR_COOKIE
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_items_intent_has_its_three_names_and_the_orders_amount(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    item = make_item(price=4820)
    body = buyer.get(f"/intent/{item.pk}", {"quantity": "2"}).json()
    assert set(body) == {"payment_intent_id", "client_secret", "publishable_key"}
    intent = sandbox.stripe.v1.payment_intents.retrieve(body["payment_intent_id"])
    assert (intent.amount, intent.currency, intent.client_secret) == (9640, "usd", body["client_secret"])
    assert buyer.get(f"/intent/{item.pk}/", {"quantity": "2"}).json() == body
    assert Order.objects.get().total == 9640
    secret = body["client_secret"]
    assert secret not in str(list(Payment.objects.values()))


def test_the_amount_and_its_parts_come_from_the_same_pricing(sandbox: ShopSandbox, buyer: Client) -> None:
    Discount.objects.create(name="Tenth", code="TENTH", percent_off=10)
    Tax.objects.create(display_name="VAT", percentage=Decimal(20), inclusive=True, is_default=True)
    Tax.objects.create(display_name="Levy", percentage=Decimal("2.5"), is_default=True)
    items = [make_item(name=f"Item {n}", price=price) for n, price in enumerate((1999, 450, 333))]
    buyer.post("/order", {f"item_{item.pk}": "3" for item in items})
    order = Order.objects.get()
    buyer.post(f"/order/{order.pk}/discount", {"code": "TENTH"})
    order.refresh_from_db()
    body = buyer.get(f"/order/{order.pk}/intent").json()
    intents = sandbox.stripe.v1.payment_intents
    assert intents.retrieve(body["payment_intent_id"]).amount == order.total
    details = intents.amount_details_line_items.list(body["payment_intent_id"]).data
    shown = [(line.product_name, line.quantity, line.unit_cost, line.discount_amount) for line in details]
    assert shown == [(line.name, 3, line.unit_price, line.discount_amount) for line in order.lines.all()]
    sandbox.pay(body["payment_intent_id"])
    buyer.get(f"/order/{order.pk}/return")
    order.refresh_from_db()
    (charge,) = sandbox.charges()
    assert (order.status, charge.amount) == ("paid", order.total)


def test_a_paid_intent_makes_the_order_paid_by_webhook_and_by_return(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    body = buyer.get(f"/intent/{make_item().pk}").json()
    sandbox.pay(body["payment_intent_id"])
    (event,) = [e for e in sandbox.events() if e["type"] == "payment_intent.succeeded"]
    assert deliver(event).json()["status"] == "done"
    order = Order.objects.get()
    payment = order.payments.get()
    assert (order.status, payment.kind, payment.card_last4) == ("paid", "intent", "4242")
    answer = buyer.get(f"/order/{order.pk}/return?payment_intent={payment.stripe_id}&redirect_status=failed")
    assert answer.status_code == 303
    order.refresh_from_db()
    assert order.status == "paid"


def test_a_redirect_status_in_the_address_is_never_believed(sandbox: ShopSandbox, buyer: Client) -> None:
    body = buyer.get(f"/intent/{make_item().pk}").json()
    order = Order.objects.get()
    buyer.get(
        f"/order/{order.pk}/return?payment_intent={body['payment_intent_id']}&redirect_status=succeeded"
    )
    order.refresh_from_db()
    assert order.status == "open"


def test_a_declined_card_leaves_the_intent_open_for_another(
    sandbox: ShopSandbox, buyer: Client, deliver: Any
) -> None:
    body = buyer.get(f"/intent/{make_item().pk}").json()
    sandbox.pay(body["payment_intent_id"], "4000000000000002")
    for event in sandbox.events():
        assert deliver(event).status_code == 200
    order = Order.objects.get()
    assert (order.status, order.payments.get().status) == ("open", "open")
    assert buyer.get(f"/order/{order.pk}/intent").json()["payment_intent_id"] == body["payment_intent_id"]
    sandbox.pay(body["payment_intent_id"])
    buyer.get(f"/order/{order.pk}/return")
    order.refresh_from_db()
    assert order.status == "paid"


def test_switching_between_the_two_ways_closes_the_first(sandbox: ShopSandbox, buyer: Client) -> None:
    """pain 6"""
    item = make_item()
    session = buyer.get(f"/buy/{item.pk}").json()["session_id"]
    order = Order.objects.get()
    intent = buyer.get(f"/order/{order.pk}/intent").json()["payment_intent_id"]
    assert sandbox.stripe.v1.checkout.sessions.retrieve(session).status == "expired"
    second = buyer.get(f"/order/{order.pk}/buy").json()["session_id"]
    assert sandbox.stripe.v1.payment_intents.retrieve(intent).status == "canceled"
    assert sandbox.stripe.v1.checkout.sessions.retrieve(second).status == "open"
    assert order.payments.filter(status__in=Payment.LIVE).count() == 1


def test_switching_after_it_was_paid_is_refused_and_paid_once(sandbox: ShopSandbox, buyer: Client) -> None:
    buyer.get(f"/intent/{make_item().pk}")
    order = Order.objects.get()
    sandbox.pay(order.payments.get().stripe_id or "")
    answer = buyer.get(f"/order/{order.pk}/buy")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "order_paid")
    assert len(sandbox.charges()) == 1


def test_twenty_requests_at_once_make_one_intent(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    start = threading.Barrier(20)

    def press(_number: int) -> Any:
        client = Client(raise_request_exception=False)
        client.cookies[VISITOR_COOKIE] = buyer.cookies[VISITOR_COOKIE].value
        start.wait()
        answer = client.get(f"/intent/{item.pk}").json()
        connection.close()
        return answer

    with ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(press, range(20)))
    assert len({body["payment_intent_id"] for body in bodies}) == 1
    assert len(sandbox.stripe.v1.payment_intents.list().data) == 1


def test_a_changed_order_cancels_its_intent(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item(price=1000)
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order = Order.objects.get()
    old = buyer.get(f"/order/{order.pk}/intent").json()["payment_intent_id"]
    buyer.post(f"/order/{order.pk}/lines", {f"item_{item.pk}": "2"})
    new = buyer.get(f"/order/{order.pk}/intent").json()["payment_intent_id"]
    states = {i.id: (i.status, i.amount) for i in sandbox.stripe.v1.payment_intents.list().data}
    assert states == {old: ("canceled", 1000), new: ("requires_payment_method", 2000)}


def test_an_intent_that_nobody_pays_is_cancelled_by_the_sweep(sandbox: ShopSandbox, buyer: Client) -> None:
    body = buyer.get(f"/intent/{make_item().pk}").json()
    Payment.objects.update(expires_at=timezone.now())
    jobs.ask_about_payments()
    assert sandbox.stripe.v1.payment_intents.retrieve(body["payment_intent_id"]).status == "canceled"
    assert Order.objects.get().status == "expired"


def test_a_bank_that_refuses_after_processing_leaves_the_order_payable(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    """pain 16"""
    body = buyer.get(f"/intent/{make_item().pk}").json()
    payment = Payment.objects.get()
    now = sandbox.stripe.v1.payment_intents.retrieve(body["payment_intent_id"]).to_dict()
    sync.apply(payment, {**now, "status": "processing"})
    assert Order.objects.get().status == "processing"
    assert buyer.get(f"/order/{payment.order_id}/intent").json()["error"]["code"] == "order_processing"
    sync.apply(payment, {**now, "status": "requires_payment_method", "last_payment_error": {"code": "x"}})
    payment.refresh_from_db()
    assert (Order.objects.get().status, payment.status) == ("open", "open")


def test_an_order_that_costs_nothing_is_sent_to_checkout(sandbox: ShopSandbox, buyer: Client) -> None:
    item = make_item(price=0)
    answer = buyer.get(f"/intent/{item.pk}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "nothing_to_pay")


def test_strangers_get_no_client_secret(sandbox: ShopSandbox, buyer: Client, stranger: Client) -> None:
    buyer.get(f"/intent/{make_item().pk}")
    order = Order.objects.get()
    for address in (f"/order/{order.pk}/intent", f"/order/{order.pk}/pay"):
        assert stranger.get(address).status_code == 404
        assert stranger.post(address).status_code == 405
    assert buyer.get(f"/order/{order.pk}/pay").status_code == 200


def test_the_flow_setting_chooses_what_buy_does(sandbox: ShopSandbox, buyer: Client, settings: Any) -> None:
    settings.PAYMENT_FLOW = "intent"
    item = make_item()
    assert "data-buy>" not in buyer.get(f"/item/{item.pk}").content.decode()
    answer = buyer.post(f"/buy/{item.pk}", {"quantity": "2"})
    order = Order.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/order/{order.pk}/pay")
    assert "$96.40" in buyer.get(answer["Location"]).content.decode()
    assert buyer.get(f"/buy/{item.pk}", {"quantity": "2"}).json()["session_id"].startswith("cs_")
