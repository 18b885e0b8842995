"""The owner's page of one order: what is known, what happens next, and two buttons."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from kopeck.mail.models import Mail
from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.webhooks.models import StripeEvent
from tests.support.buying import bought
from tests.support.shop import ShopSandbox

pytestmark = pytest.mark.django_db(transaction=True)


def address() -> str:
    return f"/admin/orders/order/{Order.objects.get().pk}/why/"


def test_it_shows_the_money_the_attempt_and_the_next_step(
    sandbox: ShopSandbox, buyer: Client, owner: Client
) -> None:
    session_id = bought(buyer).stripe_id
    page = owner.get(address()).content.decode()
    assert "$48.20" in page
    assert session_id in page
    assert "The buyer can pay until" in page
    assert "why/" in owner.get(f"/admin/orders/order/{Order.objects.get().pk}/change/").content.decode()


def test_ask_stripe_now_finds_a_payment_whose_webhook_was_lost(
    sandbox: ShopSandbox, buyer: Client, owner: Client
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    answer = owner.post(address(), {"action": "ask"}, follow=True)
    assert Order.objects.get().status == "paid"
    assert "The order is paid" in answer.content.decode()


def test_an_event_that_failed_is_replayed(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Callable[..., Any]
) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    (event,) = [e for e in sandbox.events() if e["type"] == "checkout.session.completed"]
    sandbox.control(
        "PUT", "faults", {"next": [{"kind": "error", "path": "/v1/checkout/sessions", "method": "GET"}]}
    )
    assert deliver(event, client=Client(raise_request_exception=False)).status_code == 500
    stored = StripeEvent.objects.get()
    assert "StripeUnavailable" in owner.get(address()).content.decode()
    owner.post(address(), {"action": "replay", "event": str(stored.pk)})
    stored.refresh_from_db()
    assert (stored.status, Order.objects.get().status) == ("done", "paid")
    assert owner.post(address(), {"action": "replay", "event": str(stored.pk)}).status_code == 302


@pytest.mark.parametrize("event", ["", "x", "999999", "9" * 50])
def test_an_event_that_is_not_the_orders_is_404(
    sandbox: ShopSandbox, buyer: Client, owner: Client, event: str
) -> None:
    bought(buyer)
    assert owner.post(address(), {"action": "replay", "event": event}).status_code == 404


def test_stripe_down_is_a_sentence(sandbox: ShopSandbox, buyer: Client, owner: Client) -> None:
    bought(buyer)
    sandbox.control("PUT", "faults", {"error_rate": 1})
    assert "Stripe did not answer" in owner.post(address(), {"action": "ask"}, follow=True).content.decode()


def test_why_stripe_was_not_asked_is_said_in_the_language_of_the_desk(
    sandbox: ShopSandbox, buyer: Client, owner: Client
) -> None:
    payment = bought(buyer)
    Payment.objects.update(account="gone")
    russian = {"accept-language": "ru"}
    asked = owner.post(address(), {"action": "ask"}, follow=True, headers=russian)
    refund = f"/admin/payments/payment/{payment.pk}/refund/"
    Payment.objects.update(status="needs_review", payment_intent="pi_1")
    for page in (asked, owner.get(refund, follow=True, headers=russian)):
        assert "Для аккаунта gone не заданы ключи." in page.content.decode()


def test_it_is_for_staff_only(sandbox: ShopSandbox, buyer: Client, stranger: Client) -> None:
    bought(buyer)
    for client in (buyer, stranger):
        answer = client.get(address())
        assert answer.status_code == 302
        assert "/admin/login/" in answer["Location"]


def test_payments_are_listed_and_shown_as_money(sandbox: ShopSandbox, buyer: Client, owner: Client) -> None:
    session_id = bought(buyer).stripe_id
    payment = Payment.objects.get()
    for page in ("/admin/payments/payment/", f"/admin/payments/payment/{payment.pk}/change/"):
        html = owner.get(page).content.decode().replace(session_id, "")
        assert "$48.20" in html
        assert ">4820<" not in html


def member_of_staff(*may: str) -> Client:
    user = User.objects.create_user(f"member {len(may)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def test_what_one_may_not_view_is_not_on_the_page_and_the_orders_key_is_for_nobody(
    sandbox: ShopSandbox, buyer: Client, deliver: Callable[..., Any]
) -> None:
    session_id = bought(buyer).stripe_id
    sandbox.stripe.v1.checkout.sessions.expire(session_id)
    (event,) = [e for e in sandbox.events() if e["type"] == "checkout.session.expired"]
    deliver(event)
    order, payment = Order.objects.get(), Payment.objects.get()
    assert order.key in event["data"]["object"]["success_url"]
    Mail.objects.create(
        order=order, payment=payment, kind="receipt", to="to@example.com", text=f"Look: {order.link}"
    )
    page = member_of_staff("view_order").get(address()).content.decode()
    assert "$48.20" in page
    for hidden in (order.key, session_id, event["id"], "to@example.com", "Look:"):
        assert hidden not in page
    views = [f"view_{name}" for name in ("order", "payment", "mail", "stripeevent", "refund", "dispute")]
    reader = member_of_staff(*views)
    page = reader.get(address()).content.decode()
    for shown in (session_id, event["id"], "to@example.com", "Look:"):
        assert shown in page
    for one in (Mail.objects.get(), StripeEvent.objects.get(), payment):
        page += reader.get(
            f"/admin/{one._meta.app_label}/{one._meta.model_name}/{one.pk}/change/"
        ).content.decode()
    assert page.count("Look:") == 2
    assert order.key not in page


def test_an_event_is_replayed_only_by_who_may_view_events(sandbox: ShopSandbox, buyer: Client) -> None:
    session_id = bought(buyer).stripe_id
    event = StripeEvent.objects.create(
        event_id="evt_1", type="x", payload={}, object_id=session_id, created=timezone.now(), status="failed"
    )
    form = {"action": "replay", "event": str(event.pk)}
    assert member_of_staff("view_order").post(address(), form).status_code == 403
    event.refresh_from_db()
    assert event.status == "failed"
    assert member_of_staff("view_order", "view_stripeevent").post(address(), form).status_code == 302
