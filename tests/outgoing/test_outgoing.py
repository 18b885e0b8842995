"""Programs are told of orders by signed webhooks: owed with the fact, tried again, to public addresses."""

import json
import socket
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from kopeck.ops import jobs as tidy_jobs
from kopeck.orders.shipment import Shipment
from kopeck.outgoing import jobs, sending
from kopeck.outgoing.models import Delivery, Endpoint, Event
from kopeck.payments.models import Payment
from tests.outgoing.receiver import Receiver, make_endpoint
from tests.support.buying import events_of, paid_at_stripe, paid_order, settle
from tests.support.refunding import Desk
from tests.support.shop import ShopSandbox
from tests.support.statements import statements
from tests.support.worker import wait_for_retries, work

pytestmark = pytest.mark.django_db(transaction=True)


def wait_no_longer() -> None:
    Delivery.objects.update(due_at=timezone.now(), lease_until=None)


def test_a_program_is_told_of_a_payment_a_shipment_a_refund_and_a_dispute(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    order = paid_order(sandbox, buyer, deliver, "4000000000000259")
    with transaction.atomic():
        Shipment.to(order, {}).mark_sent(by="owner")
    for event in events_of(sandbox, "charge.dispute.created"):
        deliver(event)
    Desk(owner, paid_order(sandbox, buyer, deliver)).refund(what="amount", amount="10.00")
    work()
    told = []
    for headers, body in receiver.got:
        told.append(Webhook(endpoint.secret).verify(body, headers))
        assert headers["content-type"] == "application/json"
        assert headers[":path"] == "/hooks?shop=1"
        for personal in (b"@", b"key", b"Ada", order.key.encode()):
            assert personal not in body
    types = [one["type"] for one in told]
    assert types == ["order.paid", "order.sent", "order.disputed", "order.paid", "order.refunded"]
    paid, sent, disputed, _other, refunded = (one["data"] for one in told)
    assert paid["order"]["id"] == order.pk
    assert (paid["order"]["status"], paid["order"]["total"], paid["order"]["currency"]) == (
        "paid",
        4820,
        "usd",
    )
    assert paid["order"]["sold_out"] is False
    assert sent["shipment"]["sent_at"].endswith("Z")
    assert (disputed["dispute"]["status"], disputed["dispute"]["amount"]) == ("needs_response", 4820)
    assert (refunded["refund"]["amount"], refunded["order"]["status"]) == (1000, "partly_refunded")
    assert set(Delivery.objects.values_list("status", "tries", "answered")) == {("sent", 1, 200)}
    ids = [headers["webhook-id"] for headers, _body in receiver.got]
    assert len(set(ids)) == 5


def test_it_is_owed_if_and_only_if_the_order_is_paid(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = paid_at_stripe(sandbox, buyer)
    monkeypatch.setattr("kopeck.mail.jobs._OWE", "SELECT 1/0 -- %s" + " %s" * 20)
    (event,) = events_of(sandbox, "checkout.session.completed")
    assert deliver(event).status_code == 500
    assert not Delivery.objects.exists()
    monkeypatch.undo()
    assert deliver(event).json()["status"] == "done"
    assert Delivery.objects.get().order_id == payment.order_id
    assert deliver({**event, "id": "evt_again"}).json()["status"] == "done"
    assert Delivery.objects.count() == 1


def test_only_who_asked_for_an_event_is_told_of_it_and_nobody_costs_one_statement(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver
) -> None:
    one = make_endpoint(receiver.url, Event.PAID)
    make_endpoint(receiver.url, Event.PAID, enabled=False)
    make_endpoint(receiver.url, Event.SENT, Event.REFUNDED)
    other = make_endpoint(receiver.url, Event.PAID, Event.SENT)
    order = paid_order(sandbox, buyer, deliver)
    assert set(Delivery.objects.values_list("endpoint", flat=True)) == {one.pk, other.pk}
    assert len(set(Delivery.objects.values_list("message_id", flat=True))) == 1
    Endpoint.objects.all().delete()
    payment = order.payments.get()
    with statements() as sent, transaction.atomic():
        jobs.owe_paid(Payment, payment=payment, order=order)
    assert len(sent) == 1, sent


def test_what_failed_is_tried_again_later_and_later_with_the_same_id_and_body(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    receiver.answer = 503
    paid_order(sandbox, buyer, deliver)
    waits = []
    for number in range(10):
        before = timezone.now()
        jobs.send_due(0)
        delivery = Delivery.objects.get()
        assert (delivery.tries, delivery.answered) == (number + 1, 503)
        waits.append(round((delivery.due_at - before).total_seconds()))
        wait_no_longer()
    hours = [hours * 3600 for hours in (2, 5, 10, 14, 20, 24)]
    assert waits[:9] == [5, 300, 1800, *hours]
    assert delivery.status == "failed"
    assert "503" in delivery.problem
    jobs.send_due(0)
    assert len(receiver.got) == 10
    assert len({(headers["webhook-id"], body) for headers, body in receiver.got}) == 1


def test_the_first_retry_comes_after_five_seconds_by_a_job(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    receiver.answer = 500
    paid_order(sandbox, buyer, deliver)
    work()
    assert len(receiver.got) == 1
    receiver.answer = 204
    wait_no_longer()
    wait_for_retries()
    work()
    assert Delivery.objects.get().status == "sent"
    assert len(receiver.got) == 2


def test_a_redirect_is_a_failure_and_is_not_followed(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    receiver.answer, receiver.location = 307, receiver.url.replace("hooks", "elsewhere")
    paid_order(sandbox, buyer, deliver)
    jobs.send_due(0)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.answered) == ("waiting", 307)
    assert [headers[":path"] for headers, _body in receiver.got] == ["/hooks?shop=1"]


def test_an_endpoint_that_is_gone_is_switched_off(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    receiver.answer = 410
    paid_order(sandbox, buyer, deliver)
    jobs.send_due(0)
    endpoint.refresh_from_db()
    assert (Delivery.objects.get().status, endpoint.enabled) == ("failed", False)


@pytest.mark.parametrize("how", ["silent", "drips", "hangs up", "talks nonsense"])
def test_a_program_that_does_not_answer_well_is_left_in_time(
    how: str,
    sandbox: ShopSandbox,
    buyer: Client,
    deliver: Any,
    receiver: Receiver,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "EACH", 0.5)
    monkeypatch.setattr(sending, "WHOLE", 1.0)

    def instead(handler: Any) -> None:
        if how == "talks nonsense":
            handler.wfile.write(b"\x00\xff nonsense\r\n" * 100)
        for _second in range(60 if how in ("silent", "drips") else 0):
            try:
                handler.wfile.write(b"H" if how == "drips" else b"")
            except OSError:
                return
            time.sleep(0.1)

    receiver.instead = instead
    paid_order(sandbox, buyer, deliver)
    began = time.monotonic()
    jobs.send_due(0)
    assert time.monotonic() - began < 5
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries, delivery.answered) == ("waiting", 1, None)
    assert delivery.problem
    assert delivery.lease_until is None


def test_a_sender_that_died_leaves_a_lease_and_two_at_once_send_once(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    paid_order(sandbox, buyer, deliver)
    delivery = Delivery.objects.get()
    Delivery.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    assert jobs.deliver(delivery.pk) is None
    assert receiver.got == []
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert jobs.deliver(delivery.pk) is True
    assert jobs.deliver(delivery.pk) is None
    assert len(receiver.got) == 1


def test_a_name_that_means_a_private_address_by_now_gets_nothing(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, settings: Any, monkeypatch: Any
) -> None:
    port = receiver.server_address[1]
    make_endpoint(f"https://rebound.example:{port}/")
    settings.WEBHOOKS_TO_PRIVATE_NETWORKS = False
    real = socket.getaddrinfo

    def rebound(host: str, *asked: Any, **more: Any) -> Any:
        both = real("127.0.0.1", port, type=socket.SOCK_STREAM)
        public = [(*both[0][:4], ("93.184.216.34", port))]
        return [*public, *both] if host == "rebound.example" else real(host, *asked, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    paid_order(sandbox, buyer, deliver)
    jobs.send_due(0)
    delivery = Delivery.objects.get()
    assert delivery.status == "waiting"
    assert "127.0.0.1 is not on the internet" in delivery.problem
    assert receiver.got == []


def test_the_connection_goes_to_the_address_that_was_checked(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, monkeypatch: Any
) -> None:
    """By its name nothing could be sent: nobody knows it."""
    make_endpoint(receiver.url.replace("127.0.0.1", "known-once.example"))
    monkeypatch.setattr(jobs, "resolve", lambda target: "127.0.0.1")
    paid_order(sandbox, buyer, deliver)
    jobs.send_due(0)
    ((headers, _body),) = receiver.got
    assert headers["host"].startswith("known-once.example:")


FORM = {"url": "https://hooks.example/shop", "events": ["order.paid"], "enabled": "on"}


def test_the_secret_of_an_endpoint_is_shown_once(owner: Client) -> None:
    page = owner.post("/admin/outgoing/endpoint/add/", FORM).content.decode()
    endpoint = Endpoint.objects.get()
    assert endpoint.secret in page
    assert endpoint.secret.startswith("whsec_")
    for address in ("/admin/outgoing/endpoint/", f"/admin/outgoing/endpoint/{endpoint.pk}/change/"):
        assert endpoint.secret not in owner.get(address).content.decode()
    owner.post(f"/admin/outgoing/endpoint/{endpoint.pk}/change/", {**FORM, "description": "Books"})
    assert Endpoint.objects.get().secret == endpoint.secret


def test_a_secret_that_leaked_is_replaced_and_the_new_one_signs(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    other = make_endpoint(receiver.url, Event.SENT)
    chosen = [endpoint.pk, other.pk]
    both = owner.post(
        "/admin/outgoing/endpoint/", {"action": "renew", "_selected_action": chosen}, follow=True
    )
    assert "Choose one endpoint." in both.content.decode()
    page = owner.post("/admin/outgoing/endpoint/", {"action": "renew", "_selected_action": chosen[:1]})
    before, endpoint = endpoint.secret, Endpoint.objects.get(pk=endpoint.pk)
    assert endpoint.secret != before
    assert endpoint.secret in page.content.decode()
    history = owner.get(f"/admin/outgoing/endpoint/{endpoint.pk}/history/").content.decode()
    assert "Gave a new secret." in history
    assert endpoint.secret not in history
    paid_order(sandbox, buyer, deliver)
    work()
    ((headers, body),) = receiver.got
    assert Webhook(endpoint.secret).verify(body, headers)["type"] == "order.paid"
    with pytest.raises(WebhookVerificationError):
        Webhook(before).verify(body, headers)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "http://hooks.example/", "https://u:p@hooks.example/", "x y"]
)
def test_a_wrong_address_makes_no_endpoint(owner: Client, url: str) -> None:
    assert owner.post("/admin/outgoing/endpoint/add/", {**FORM, "url": url}).status_code == 200
    assert not Endpoint.objects.exists()


def test_a_delivery_is_seen_and_sent_again_by_who_may(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    paid_order(sandbox, buyer, deliver)
    work()
    delivery = Delivery.objects.get()
    page = owner.get(f"/admin/outgoing/delivery/{delivery.pk}/change/").content.decode()
    assert delivery.message_id in page
    assert "order.paid" in page
    again = {"action": "send_again", "_selected_action": [delivery.pk]}
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_delivery"))
    reader = Client()
    reader.force_login(clerk)
    reader.post("/admin/outgoing/delivery/", again)
    work()
    assert len(receiver.got) == 1
    owner.post("/admin/outgoing/delivery/", again)
    work()
    assert len(receiver.got) == 2
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]
    assert Delivery.objects.get().status == "sent"
    history = owner.get(f"/admin/outgoing/delivery/{delivery.pk}/history/").content.decode()
    assert history.count("Sent again.") == 1


def test_a_webhook_that_was_changed_on_its_way_is_not_the_shops(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    paid_order(sandbox, buyer, deliver)
    work()
    ((headers, body),) = receiver.got
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(body.replace(b"4820", b"4821"), headers)


def test_old_deliveries_go_and_what_waits_stays(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, receiver: Receiver, endpoint: Endpoint
) -> None:
    for _order in range(3):
        paid_order(sandbox, buyer, deliver)
    sent, failed, waiting = Delivery.objects.order_by("pk")
    Delivery.objects.filter(pk=sent.pk).update(status="sent", sent_at=timezone.now())
    Delivery.objects.filter(pk=failed.pk).update(status="failed")
    assert "deliveries" not in tidy_jobs.forget()
    Delivery.objects.update(created=timezone.now() - timedelta(days=31))
    assert tidy_jobs.forget()["deliveries"] == 2
    assert Delivery.objects.get() == waiting


def test_an_order_that_was_paid_too_late_says_so(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, endpoint: Endpoint
) -> None:
    payment = paid_at_stripe(sandbox, buyer, stock=1)
    payment.order.goods[0].item.__class__.objects.update(stock=0)
    settle(sandbox, deliver, payment.stripe_id)
    (body,) = Delivery.objects.filter(type="order.paid").values_list("body", flat=True)
    assert json.loads(body)["data"]["order"]["sold_out"] is True


def test_the_events_of_the_form_are_named_in_the_language_of_the_page(owner: Client) -> None:
    page = owner.get("/ru/admin/outgoing/endpoint/add/").content.decode()
    assert "order.paid – заказ оплачен" in page
    assert "order.paid – an order is paid" in owner.get("/admin/outgoing/endpoint/add/").content.decode()
